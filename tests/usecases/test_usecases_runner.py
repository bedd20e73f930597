"""The runner, over storage in memory: what happens between a row and its process."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from domain_samples import NOW, at, make_job, make_strategy

from stratopt_server.domain.jobs import Failure, Job, JobKind, JobStatus
from stratopt_server.storage.memory import MemoryStorage
from stratopt_server.usecases.hub import Hub
from stratopt_server.usecases.runner import Runner, interrupted
from stratopt_server.usecases.threads import StorageThread
from support import eventually

LEASE_SECONDS = 0.3


class Still:
    """A clock that stands."""

    def now(self) -> datetime:
        """Return the time."""
        return NOW


class Attempt:
    """A process that works until it is killed, or ends at once with a failure."""

    def __init__(self, failure: Failure | None) -> None:
        self._failure = failure
        self.killed = asyncio.Event()

    async def changes(self) -> AsyncIterator[None]:
        """Work."""
        if self._failure is None:
            await self.killed.wait()
        for change in ():
            yield change

    async def failure(self) -> Failure | None:
        """Say why it ended."""
        return self._failure or Failure(reason="WORKER_KILLED", message="killed")

    def kill(self) -> None:
        """End it."""
        self.killed.set()


class Processes:
    """Starts attempts, which fail as they are told."""

    def __init__(self, failures: list[Failure] | None = None) -> None:
        self._failures = failures or []
        self.launched: list[tuple[str, int]] = []
        self.attempts: list[Attempt] = []

    def kinds(self) -> frozenset[JobKind]:
        """Every kind."""
        return frozenset(JobKind)

    async def launch(self, job: Job) -> Attempt:
        """Start one."""
        self.launched.append((job.id, job.attempt))
        self.attempts.append(Attempt(self._failures.pop(0) if self._failures else None))
        return self.attempts[-1]


def nothing(_: Job) -> None:
    """Learn nothing."""


def runner_of(storage: Any, processes: Processes, thread: StorageThread, *, attempts_max: int = 3) -> Runner:
    """A runner that is not started yet."""
    return Runner(
        storage,
        processes,
        hub=Hub(),
        thread=thread,
        clock=Still(),
        owner="us",
        running_max=2,
        attempts_max=attempts_max,
        lease_seconds=LEASE_SECONDS,
        began=nothing,
        learn=nothing,
    )


def with_job() -> MemoryStorage:
    """A storage in which one job waits."""
    storage = MemoryStorage()
    storage.strategies.add(make_strategy())
    storage.jobs.add(make_job())
    return storage


async def test_claim_whose_answer_was_lost() -> None:
    """A job that is ours by its row alone is put back, and then run: its lease would never lapse."""
    storage, thread, processes = with_job(), StorageThread(), Processes()
    storage.jobs.claim("us", now=NOW, lease_until=at(15))
    runner = runner_of(storage, processes, thread)
    runner.start()

    async def launched() -> bool:
        return processes.launched == [("bt_1", 2)]

    await eventually(launched, within=5, because="it is claimed anew")
    job = storage.jobs.get(JobKind.BACKTEST, "bt_1")
    assert job is not None
    assert job.losses == 0
    await runner.drain(0.0)
    thread.close()


async def test_job_taken_by_another_server() -> None:
    """The process of a job whose lease is another's by now is killed, and what it says settles nothing."""
    storage, thread, processes = with_job(), StorageThread(), Processes()
    runner = runner_of(storage, processes, thread)
    runner.start()

    async def launched() -> bool:
        return bool(processes.attempts)

    await eventually(launched, within=5, because="it runs")
    storage.jobs.release("bt_1", 1, lost=True)
    taken = storage.jobs.claim("them", now=NOW, lease_until=at(LEASE_SECONDS))
    assert taken is not None

    async def killed() -> bool:
        return processes.attempts[0].killed.is_set()

    await eventually(killed, within=5, because="its process is killed")
    await asyncio.sleep(LEASE_SECONDS)
    assert storage.jobs.held("them") == [("bt_1", 2)]
    await runner.drain(0.0)
    thread.close()


async def test_interrupted_attempts_are_no_losses() -> None:
    """A process that loses its database ends; the job waits again, and no loss is counted."""
    away = interrupted("DATABASE_UNAVAILABLE", "the database does not answer")
    storage, thread = with_job(), StorageThread()
    processes = Processes([away, away])
    runner = runner_of(storage, processes, thread, attempts_max=1)
    runner.start()

    async def third() -> bool:
        return processes.launched[-1:] == [("bt_1", 3)]

    await eventually(third, within=10, because="it is tried again")
    job = storage.jobs.get(JobKind.BACKTEST, "bt_1")
    assert job is not None
    assert (job.status, job.losses) == (JobStatus.RUNNING, 0)
    await runner.drain(0.0)
    thread.close()


async def test_outage_costs_others_nothing() -> None:
    """After an outage longer than a lease, another server's jobs are not taken in the first round."""
    storage, thread, processes = MemoryStorage(), StorageThread(), Processes()
    storage.strategies.add(make_strategy())
    storage.jobs.add(make_job())
    storage.jobs.claim("them", now=NOW, lease_until=at(0))
    runner = runner_of(storage, processes, thread)
    back, _ = runner._renew_and_take_back()
    assert back == [], "it has not lapsed yet: its end has not passed"
    storage.jobs.renew("them", lease_until=at(-1))
    await asyncio.sleep(1.5 * LEASE_SECONDS)
    assert runner._renew_and_take_back()[0] == [], "others have not had their turn either"
    assert runner._renew_and_take_back()[0] == ["bt_1"]
    thread.close()
