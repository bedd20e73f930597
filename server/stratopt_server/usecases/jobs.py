"""What backtests and optimizations have in common as jobs: accept, read, pause, resume, reopen, cancel."""

import logging
from collections.abc import Callable
from dataclasses import replace

from stratopt_server import logs
from stratopt_server.domain.clock import Clock, Ids
from stratopt_server.domain.errors import Exhausted, NotFound, Unavailable, WrongStatus
from stratopt_server.domain.jobs import BacktestResult, Job, JobKind, JobStatus, OptimizationResult, Progress
from stratopt_server.domain.optimization import StopReason
from stratopt_server.domain.paging import Page
from stratopt_server.domain.ports import JobFilter, Storage
from stratopt_server.domain.runs import BacktestSpec, OptimizationSpec
from stratopt_server.usecases.idempotency import Repeats
from stratopt_server.usecases.requests import Call

log = logging.getLogger(__name__)

PREFIXES = {JobKind.BACKTEST: "bt", JobKind.OPTIMIZATION: "opt"}


class Jobs:
    """The queue, as callers see it."""

    def __init__(
        self, storage: Storage, clock: Clock, ids: Ids, repeats: Repeats, *, pending_max: int
    ) -> None:
        """`pending_max` is how many jobs may wait."""
        self._storage = storage
        self._clock = clock
        self._ids = ids
        self._repeats = repeats
        self._pending_max = pending_max
        self.draining = False
        """True once the server is on its way out: it takes no new job."""

    def accept(
        self,
        kind: JobKind,
        call: Call,
        plan: Callable[[], tuple[BacktestSpec | OptimizationSpec, Progress]],
        *,
        priority: int,
    ) -> Job:
        """Store a pending job of what `plan` returns, or return the one the same call made before.

        The row is written in one transaction with the answer's request_id; planning, which may take its
        time, comes before it. Raises Exhausted while the queue is full.
        """
        made = self.made_before(kind, call)
        if made is not None:
            return made
        self._refuse_while_draining()
        spec, progress = plan()
        with self._storage.transaction():
            made = self.made_before(kind, call)
            if made is not None:
                return made
            self._check_room()
            job = self._new(call, spec, progress, priority=priority)
            self._storage.jobs.add(job)
            self._repeats.remember(call, job.id)
        _say(job, "accepted")
        return job

    def made_before(self, kind: JobKind, call: Call) -> Job | None:
        """Return what the same call made before, or None."""
        made = self._repeats.resource_of(call)
        return None if made is None else self.get(kind, made)

    def accept_done(
        self, call: Call, spec: BacktestSpec, progress: Progress, result: BacktestResult, *, priority: int
    ) -> Job:
        """Store a backtest that has succeeded already, with the report of the one its result comes from."""
        self._refuse_while_draining()
        with self._storage.transaction():
            made = self.made_before(JobKind.BACKTEST, call)
            if made is not None:
                return made
            now = self._clock.now()
            job = self._new(call, spec, progress, priority=priority)
            self._storage.jobs.add(job)
            self._storage.reports.copy(result.cached_from, job, now=now)
            self._repeats.remember(call, job.id)
            done = self._storage.jobs.finish(job.id, JobStatus.SUCCEEDED, now=now, result=result)
        _say(job, f"answered by {result.cached_from}")
        return done

    def _new(
        self,
        call: Call,
        spec: BacktestSpec | OptimizationSpec,
        progress: Progress,
        *,
        priority: int,
    ) -> Job:
        kind = JobKind.BACKTEST if isinstance(spec, BacktestSpec) else JobKind.OPTIMIZATION
        return Job(
            id=self._ids.new(PREFIXES[kind]),
            spec=spec,
            status=JobStatus.PENDING,
            progress=progress,
            result=None,
            failure=None,
            attempt=0,
            priority=priority,
            caller=call.caller,
            last_sequence=0,
            created_at=self._clock.now(),
            started_at=None,
            completed_at=None,
        )

    def _check_room(self) -> None:
        if self._storage.jobs.pending() >= self._pending_max:
            raise Exhausted("pending jobs", limit=self._pending_max)

    def get(self, kind: JobKind, job_id: str) -> Job:
        """Return it; raises NotFound."""
        job = self._storage.jobs.get(kind, job_id)
        if job is None:
            raise NotFound(kind.value, job_id)
        return job

    def _locked(self, kind: JobKind, job_id: str) -> Job:
        """Return it as nobody changes it until the transaction ends; raises NotFound."""
        job = self._storage.jobs.locked(kind, job_id)
        if job is None:
            raise NotFound(kind.value, job_id)
        return job

    def page(self, page: Page, wanted: JobFilter) -> list[Job]:
        """Return a page of the jobs that match, newest first."""
        return self._storage.jobs.page(page, wanted)

    def cancel(self, kind: JobKind, job_id: str, call: Call) -> Job:
        """Give a job that has not ended the status cancelled; its process is stopped by the runner.

        Raises NotFound, or WrongStatus if it succeeded or failed. Repeats are no error.
        """
        with self._storage.transaction():
            self._repeats.resource_of(call)
            job = self._locked(kind, job_id)
            if job.status is JobStatus.CANCELLED:
                return job
            if job.status.is_final:
                raise WrongStatus(
                    kind.value,
                    job_id,
                    status=job.status.value,
                    wanted="pending, running, paused or cancelled",
                )
            result = job.result
            if kind is JobKind.OPTIMIZATION:
                so_far = result if isinstance(result, OptimizationResult) else OptimizationResult()
                result = replace(so_far, stop_reason=StopReason.CANCELLED)
            cancelled = self._storage.jobs.finish(
                job_id, JobStatus.CANCELLED, now=self._clock.now(), result=result
            )
            self._repeats.remember(call, job_id)
            return cancelled

    def pause(self, optimization_id: str, call: Call) -> Job:
        """Stop a search for a while; its process is stopped by the runner.

        Raises NotFound, or WrongStatus if it has ended. Repeats are no error.
        """
        return self._turned(
            optimization_id, call, self._storage.jobs.pause, already=frozenset({JobStatus.PAUSED})
        )

    def resume(self, optimization_id: str, call: Call) -> Job:
        """Put a paused search back in the queue; raises NotFound, or WrongStatus if it has ended."""
        going = frozenset({JobStatus.PENDING, JobStatus.RUNNING})
        return self._turned(optimization_id, call, self._storage.jobs.resume, already=going)

    def reopen(
        self,
        optimization_id: str,
        call: Call,
        plan: Callable[[Job], tuple[OptimizationSpec, Progress]],
    ) -> Job:
        """Put a search that has ended back in the queue as what `plan` makes of it; raises NotFound."""
        with self._storage.transaction():
            made = self._repeats.resource_of(call)
            job = self._locked(JobKind.OPTIMIZATION, optimization_id)
            if made is not None:
                return job
            self._refuse_while_draining()
            spec, progress = plan(job)
            self._check_room()
            reopened = self._storage.jobs.reopen(job.id, spec, progress=progress)
            self._repeats.remember(call, job.id)
            return reopened

    def _turned(
        self,
        optimization_id: str,
        call: Call,
        turn: Callable[[str], Job],
        *,
        already: frozenset[JobStatus],
    ) -> Job:
        """Change the status of a search that has not ended; those in `already` are left as they are."""
        with self._storage.transaction():
            self._repeats.resource_of(call)
            job = self._locked(JobKind.OPTIMIZATION, optimization_id)
            if job.status.is_final:
                raise WrongStatus(
                    "optimization", job.id, status=job.status.value, wanted="pending, running or paused"
                )
            changed = job if job.status in already else turn(job.id)
            self._repeats.remember(call, job.id)
            return changed

    def _refuse_while_draining(self) -> None:
        if self.draining:
            raise Unavailable("the server is shutting down: try again shortly", reason="DRAINING")


def _say(job: Job, what: str) -> None:
    """Log it under the ids of the call and of the job: the line that joins the two."""
    with logs.bound(job_id=job.id):
        log.info("job %s: %s", job.id, what)
