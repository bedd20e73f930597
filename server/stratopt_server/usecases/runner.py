"""Takes jobs from the queue and sees each one through in a process of its own."""

import asyncio
import logging
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Protocol

from stratopt_server import logs
from stratopt_server.domain.clock import Clock
from stratopt_server.domain.jobs import Failure, Job, JobKind, JobStatus
from stratopt_server.domain.ports import LeaseLost, Storage
from stratopt_server.tasks import end
from stratopt_server.usecases.going_on import going_on
from stratopt_server.usecases.hub import Hub
from stratopt_server.usecases.lease_terms import LeaseTerm
from stratopt_server.usecases.threads import StorageThread

log = logging.getLogger(__name__)

INTERRUPTIONS_MAX = 1_000
"""Attempts after which a job that is interrupted again fails: what it needs has been away for too long."""
POLL_SECONDS = 1.0
"""The queue is looked at this often even without news: another server may have added a job."""
SETTLE_SECONDS_MAX = 10.0
"""How long a server on its way out tries to store what became of its jobs."""
HEARTBEATS_A_LEASE = 3
Run = tuple[str, int]
"""A job's id and its attempt."""
KILLED = "WORKER_KILLED"
"""Reason of a failure after which the job is tried again."""
INTERRUPTED = "WORKER_INTERRUPTED"
"""Likewise, and the attempt is not counted as lost: what the process needed was away."""


class Attempt(Protocol):
    """One process at work on one job."""

    def changes(self) -> AsyncIterator[None]:
        """Yield whenever the job's rows changed, until the process ends."""
        ...

    async def failure(self) -> Failure | None:
        """Say, after its end, why the process did not finish the job; None if it says it did."""
        ...

    def kill(self) -> None:
        """Kill the process."""
        ...


class Launcher(Protocol):
    """Starts processes for jobs."""

    def kinds(self) -> frozenset[JobKind]:
        """Kinds of jobs that a process can be started for now."""
        ...

    async def launch(self, job: Job) -> Attempt:
        """Start the process of a job that was claimed."""
        ...


class Runner:
    """One server's share of the queue."""

    def __init__(
        self,
        storage: Storage,
        launcher: Launcher,
        *,
        hub: Hub,
        thread: StorageThread,
        clock: Clock,
        owner: str,
        running_max: int,
        attempts_max: int,
        lease_seconds: float,
        began: Callable[[Job], None],
        learn: Callable[[Job], None],
    ) -> None:
        """`owner` names this server in leases; no two servers share one.

        `began` is called with each job whose attempt begins here.
        `learn` is called, on the thread of the database, with each job whose attempt has ended.
        """
        self._storage = storage
        self._launcher = launcher
        self._hub = hub
        self._thread = thread
        self._clock = clock
        self._owner = owner
        self._running_max = running_max
        self._attempts_max = attempts_max
        self._lease = timedelta(seconds=lease_seconds)
        self._began = began
        self._learn = learn
        # A job that is paused and resumed at once may be at work in two attempts for a moment.
        self._tasks: dict[Run, asyncio.Task[None]] = {}  # of each attempt at work here
        self._attempts: dict[Run, Attempt] = {}  # of those whose process runs
        self._released: set[Run] = set()  # of those whose job goes back to the queue
        self._loops: list[asyncio.Task[None]] = []
        self._news = asyncio.Event()
        self._renewed_at = time.monotonic()

    @property
    def running(self) -> int:
        """Jobs this server works on now."""
        return len(self._tasks)

    def start(self) -> None:
        """Begin to take jobs."""
        self._loops = [
            asyncio.create_task(self._take_jobs(), name="take jobs"),
            asyncio.create_task(self._keep_leases(), name="keep leases"),
        ]

    def wake(self) -> None:
        """Say that a job was added."""
        self._news.set()

    def stop_job(self, job_id: str) -> None:
        """Kill the process of a job that was cancelled or paused, if it is ours; tell who watches."""
        for run, attempt in self._attempts.items():
            if run[0] == job_id:
                attempt.kill()
        self._hub.notify(job_id)

    def requeued(self, job_id: str) -> None:
        """Say that a job waits again; tell who watches."""
        self._news.set()
        self._hub.notify(job_id)

    async def drain(self, seconds: float) -> None:
        """Take no more jobs; let the running ones finish for so long, then put them back in the queue."""
        taking, leases = self._loops
        await end(taking)
        with going_on(log, "what was claimed last was not put back: its lease lapses"):
            held = set(await self._thread.run(self._storage.jobs.held, self._owner))
            await self._thread.run(self._let_go_of, held - set(self._tasks))
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=seconds)
        self._released.update(self._tasks)
        for run, task in self._tasks.items():
            if run in self._attempts:
                self._attempts[run].kill()
            else:
                task.cancel()  # it waits for a template, which may never be ready
        if self._tasks:
            _, unsettled = await asyncio.wait(self._tasks.values(), timeout=SETTLE_SECONDS_MAX)
            for task in unsettled:
                task.cancel()  # the database is away; their leases lapse, and another server takes them up
        await end(leases)

    async def _take_jobs(self) -> None:
        while True:
            self._news.clear()
            with going_on(log, "the queue could not be read"):
                while len(self._tasks) < self._running_max and (job := await self._claim()) is not None:
                    task = asyncio.create_task(self._see_through(job), name=job.id)
                    self._tasks[_run_of(job)] = task
                    task.add_done_callback(partial(self._finished, _run_of(job)))
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._news.wait()

    def _finished(self, run: Run, _: asyncio.Task[None]) -> None:
        del self._tasks[run]
        self._news.set()

    async def _claim(self) -> Job | None:
        return await self._thread.run(self._claim_of, self._launcher.kinds())

    def _claim_of(self, kinds: frozenset[JobKind]) -> Job | None:
        with self._storage.transaction(alone=False):
            term = self._term()
            return self._storage.jobs.claim(self._owner, kinds=kinds, now=term.now, lease_until=term.until)

    def _term(self) -> LeaseTerm:
        return LeaseTerm.begin(self._storage, self._clock, self._lease)

    async def _see_through(self, job: Job) -> None:
        """Run one attempt; afterwards the job has a final status, or is pending again."""
        logs.bind(job_id=job.id, caller=job.caller)
        log.info("job %s: attempt %d", job.id, job.attempt)
        self._began(job)
        self._hub.notify(job.id)
        failure: Failure | None = NOT_STARTED
        with suppress(asyncio.CancelledError), going_on(log, f"job {job.id} could not be run"):
            failure = await self._run(job)
        if failure is not None and failure.reason == INTERRUPTED:
            await asyncio.sleep(POLL_SECONDS)  # what it needed is away: not at once again
        await self._settle_surely(job, failure)
        self._released.discard(_run_of(job))
        self._hub.notify(job.id)
        with going_on(log, f"nothing could be learned from job {job.id}"):
            await self._thread.run(self._learn, job)

    async def _run(self, job: Job) -> Failure | None:
        """See the job's process to its end; say why it did not finish the job, if it did not."""
        attempt = await self._launcher.launch(job)
        self._attempts[_run_of(job)] = attempt
        try:
            async for _ in attempt.changes():
                self._hub.notify(job.id)
            return await attempt.failure()
        finally:
            del self._attempts[_run_of(job)]

    async def _settle_surely(self, job: Job, failure: Failure | None) -> None:
        """Settle the job, however often the database does not take it: its lease is ours while we live."""
        while True:
            with going_on(log, f"job {job.id} could not be settled"):
                with suppress(LeaseLost):  # it succeeded, or was cancelled meanwhile
                    await self._thread.run(self._settle, job, failure)
                return
            await asyncio.sleep(POLL_SECONDS)

    def _settle(self, job: Job, failure: Failure | None) -> None:
        """Make sure that the job does not stay running without a process."""
        if _run_of(job) in self._released:
            self._storage.jobs.release(job.id, job.attempt)
            return
        if failure is not None and failure.reason == INTERRUPTED and job.attempt < INTERRUPTIONS_MAX:
            log.warning("job %s: attempt %d was interrupted: %s", job.id, job.attempt, failure.message)
            self._storage.jobs.release(job.id, job.attempt)
            return
        if failure is not None and failure.reason == KILLED and job.losses + 1 < self._attempts_max:
            log.warning("job %s: the process of attempt %d was killed", job.id, job.attempt)
            self._storage.jobs.release(job.id, job.attempt, lost=True)
            return
        failure = failure or Failure(
            reason="WORKER_ENDED", message="the job's process ended without a result"
        )
        self._storage.jobs.finish(
            job.id, JobStatus.FAILED, now=self._clock.now(), attempt=job.attempt, failure=failure
        )

    async def _keep_leases(self) -> None:
        """Prolong our leases, and put back in the queue what a lost server left running."""
        while True:
            with going_on(log, "the leases could not be kept"):
                back, ours = await self._thread.run(self._renew_and_take_back)
                for job_id in back:
                    self._hub.notify(job_id)
                    self._news.set()
                self._kill_all_but(ours)
                await self._thread.run(self._let_go_of, ours - set(self._tasks))
            await asyncio.sleep(self._lease.total_seconds() / HEARTBEATS_A_LEASE)

    def _renew_and_take_back(self) -> tuple[list[str], set[Run]]:
        """Return what went back to the queue, and what is ours to run.

        The clock is read once the database is ours: the wait for it may have been longer than a lease.
        """
        with self._storage.transaction(alone=False):
            term = self._term()
            self._storage.jobs.renew(self._owner, lease_until=term.until)
            # After a database that was away for longer than a lease, others have not had their turn either.
            back = [] if self._is_late() else self._take_back(term)
            ours = set(self._storage.jobs.held(self._owner))
        self._renewed_at = time.monotonic()
        return back, ours

    def _is_late(self) -> bool:
        return time.monotonic() - self._renewed_at > self._lease.total_seconds()

    def _let_go_of(self, strays: set[Run]) -> None:
        """Put back what is ours by its row alone: the answer to its claim was lost on the way."""
        for job_id, attempt in strays:
            log.warning("job %s: attempt %d was claimed and not begun", job_id, attempt)
            with suppress(LeaseLost):
                self._storage.jobs.release(job_id, attempt)

    def _kill_all_but(self, ours: set[Run]) -> None:
        """End the processes of jobs that were cancelled, paused or taken up by way of another server."""
        for run, attempt in self._attempts.items():
            if run not in ours:
                attempt.kill()

    def _take_back(self, term: LeaseTerm) -> list[str]:
        lapsed = self._storage.jobs.lapsed(term.now, longest=term.longest)
        for job in lapsed:
            log.warning("job %s: the lease of attempt %d has lapsed", job.id, job.attempt)
            with suppress(LeaseLost):
                if job.losses + 1 < self._attempts_max:
                    self._storage.jobs.release(job.id, job.attempt, lost=True)
                else:
                    self._give_up(job)
        return [job.id for job in lapsed]

    def _give_up(self, job: Job) -> None:
        failure = Failure(
            reason="ATTEMPTS_EXHAUSTED",
            message=f"the server or the process was lost in {job.losses + 1} attempts at this job",
            metadata={"attempts": str(job.losses + 1)},
        )
        self._storage.jobs.finish(
            job.id, JobStatus.FAILED, now=self._clock.now(), attempt=job.attempt, failure=failure
        )


def _run_of(job: Job) -> Run:
    return job.id, job.attempt


NOT_STARTED = Failure(
    reason="WORKER_NOT_STARTED",
    message="no process could be started for the job; the server's log has the details",
)


def killed(number: int) -> Failure:
    """The failure of a job whose process a signal ended."""
    name = signal.Signals(number).name
    return Failure(
        reason=KILLED,
        message=f"the job's process was killed by {name}; the machine may be short of memory",
        metadata={"signal": name},
    )


def interrupted(reason: str, message: str) -> Failure:
    """The failure of a job whose process could not go on for want of something that will be back."""
    return Failure(reason=INTERRUPTED, message=message, metadata={"cause": reason})
