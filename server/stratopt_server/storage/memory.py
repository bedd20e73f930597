"""All stores in memory: the twin of the database, for tests and for trying things out."""

import copy
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol, TypeVar

from stratopt_server.domain.errors import AlreadyExists, InUse, NotFound
from stratopt_server.domain.jobs import (
    BacktestResult,
    Event,
    Failure,
    Job,
    JobEvent,
    JobKind,
    JobStatus,
    OptimizationResult,
    Progress,
    StatusChanged,
)
from stratopt_server.domain.market import Dataset
from stratopt_server.domain.optimization import Trial, TrialStatus
from stratopt_server.domain.ports import (
    AnsweredRequest,
    DatasetFilter,
    JobFilter,
    LeaseLost,
    Page,
    RequestKey,
)
from stratopt_server.domain.report import Report, ReportSeries, Trade
from stratopt_server.domain.strategy import Strategy


class Listed(Protocol):
    """What a page is made of."""

    @property
    def id(self) -> str:
        """The row's id."""
        ...

    @property
    def created_at(self) -> datetime:
        """When the row was made."""
        ...


L = TypeVar("L", bound=Listed)


def cut(rows: list[L], page: Page) -> list[L]:
    """Cut one page out of the rows, newest first."""
    ordered = sorted(rows, key=lambda row: (row.created_at, row.id), reverse=True)
    if page.after is not None:
        key = (page.after.created_at, page.after.id)
        ordered = [row for row in ordered if (row.created_at, row.id) < key]
    return copy.deepcopy(ordered[: page.limit])


@dataclass
class Lease:
    """Who works on a job, and until when that is believed."""

    owner: str
    until: datetime


@dataclass
class Tables:
    """Everything that is stored."""

    strategies: dict[str, Strategy] = field(default_factory=dict)
    datasets: dict[str, Dataset] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    leases: dict[str, Lease] = field(default_factory=dict)
    events: dict[str, list[JobEvent]] = field(default_factory=dict)
    trials: dict[str, list[Trial]] = field(default_factory=dict)
    reports: dict[str, tuple[Report, str]] = field(default_factory=dict)
    requests: dict[RequestKey, tuple[AnsweredRequest, datetime]] = field(default_factory=dict)


class MemoryStorage:
    """The stores over one set of tables; a lock makes each transaction alone in the world."""

    def __init__(self) -> None:
        self.tables = Tables()
        self._lock = threading.RLock()
        self.strategies = MemoryStrategyStore(self)
        self.datasets = MemoryDatasetStore(self)
        self.jobs = MemoryJobStore(self)
        self.trials = MemoryTrialStore(self)
        self.reports = MemoryReportStore(self)
        self.requests = MemoryRequestLog(self)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is stored together or not at all; may be nested."""
        with self._lock:
            before = Tables(**{name: copy.copy(table) for name, table in vars(self.tables).items()})
            before.events = {job_id: list(events) for job_id, events in self.tables.events.items()}
            try:
                yield
            except BaseException:
                self.tables = before
                raise

    def close(self) -> None:
        """Nothing to let go of."""


class MemoryStrategyStore:
    """Strategies by id."""

    def __init__(self, storage: MemoryStorage) -> None:
        self._storage = storage

    def add(self, strategy: Strategy) -> None:
        """Store a new one; raises AlreadyExists if the id is taken."""
        with self._storage.transaction():
            if strategy.id in self._storage.tables.strategies:
                raise AlreadyExists("strategy", strategy.id)
            self._storage.tables.strategies[strategy.id] = copy.deepcopy(strategy)

    def get(self, strategy_id: str) -> Strategy | None:
        """Return it, or None if there is none of that id."""
        return copy.deepcopy(self._storage.tables.strategies.get(strategy_id))

    def page(self, page: Page, *, name: str | None = None) -> list[Strategy]:
        """Return a page, newest first."""
        rows = self._storage.tables.strategies.values()
        return cut([row for row in rows if name is None or row.name == name], page)

    def update(self, strategy: Strategy) -> None:
        """Replace the row of the same id; raises NotFound if there is none."""
        with self._storage.transaction():
            if strategy.id not in self._storage.tables.strategies:
                raise NotFound("strategy", strategy.id)
            self._storage.tables.strategies[strategy.id] = copy.deepcopy(strategy)

    def delete(self, strategy_id: str) -> None:
        """Remove it; raises NotFound, or InUse while a job refers to it."""
        with self._storage.transaction():
            tables = self._storage.tables
            if strategy_id not in tables.strategies:
                raise NotFound("strategy", strategy_id)
            if any(job.spec.scenario.strategy_id == strategy_id for job in tables.jobs.values()):
                raise InUse("strategy", strategy_id, used_by="backtests or optimizations")
            del tables.strategies[strategy_id]


class MemoryDatasetStore:
    """The catalog of datasets."""

    def __init__(self, storage: MemoryStorage) -> None:
        self._storage = storage

    def put(self, dataset: Dataset) -> None:
        """Store it, replacing the row of the same id."""
        with self._storage.transaction():
            self._storage.tables.datasets[dataset.id] = dataset

    def get(self, dataset_id: str) -> Dataset | None:
        """Return it, or None if there is none of that id."""
        return self._storage.tables.datasets.get(dataset_id)

    def page(self, page: Page, wanted: DatasetFilter) -> list[Dataset]:
        """Return a page of the datasets that match, newest first."""
        names = ("symbol", "exchange", "timeframe")
        rows = [
            row
            for row in self._storage.tables.datasets.values()
            if all(getattr(wanted, name) in (None, getattr(row, name)) for name in names)
        ]
        return cut(rows, page)


class MemoryJobStore:
    """Jobs, their leases and their events."""

    def __init__(self, storage: MemoryStorage) -> None:
        self._storage = storage

    def add(self, job: Job) -> None:
        """Store a new pending job."""
        with self._storage.transaction():
            self._storage.tables.jobs[job.id] = copy.deepcopy(job)

    def get(self, kind: JobKind, job_id: str) -> Job | None:
        """Return it, or None if there is none of that kind and id."""
        job = self._storage.tables.jobs.get(job_id)
        return copy.deepcopy(job) if job is not None and job.kind is kind else None

    def page(self, page: Page, wanted: JobFilter) -> list[Job]:
        """Return a page of the jobs that match, newest first."""
        rows = [
            job
            for job in self._storage.tables.jobs.values()
            if job.kind is wanted.kind
            and wanted.strategy_id in (None, job.spec.scenario.strategy_id)
            and wanted.symbol in (None, job.spec.scenario.symbol)
            and wanted.status in (None, job.status)
        ]
        return cut(rows, page)

    def claim(self, owner: str, *, now: datetime, lease_until: datetime) -> Job | None:
        """Turn the oldest pending job into a running one of this owner; None if none waits."""
        with self._storage.transaction():
            tables = self._storage.tables
            waiting = [job for job in tables.jobs.values() if job.status is JobStatus.PENDING]
            if not waiting:
                return None
            job = min(waiting, key=lambda row: (row.created_at, row.id))
            tables.leases[job.id] = Lease(owner, lease_until)
            claimed = replace(job, status=JobStatus.RUNNING, attempt=job.attempt + 1, started_at=now)
            return self._store(claimed, StatusChanged())

    def renew(self, owner: str, *, lease_until: datetime) -> None:
        """Prolong every lease the owner holds."""
        with self._storage.transaction():
            leases = self._storage.tables.leases
            held = {job_id for job_id, lease in leases.items() if lease.owner == owner}
            leases.update({job_id: Lease(owner, lease_until) for job_id in held})

    def lapsed(self, now: datetime) -> list[Job]:
        """Return the running jobs whose lease ended before `now`."""
        tables = self._storage.tables
        return copy.deepcopy(
            [tables.jobs[job_id] for job_id, lease in tables.leases.items() if lease.until < now]
        )

    def release(self, job_id: str, attempt: int) -> None:
        """Turn a running job of that attempt back into a pending one; raises LeaseLost if it is not."""
        with self._storage.transaction():
            job = self._running(job_id, attempt)
            self._storage.tables.leases.pop(job_id)
            self._store(replace(job, status=JobStatus.PENDING), StatusChanged())

    def record(
        self,
        job_id: str,
        attempt: int,
        *,
        progress: Progress,
        result: OptimizationResult | None = None,
        improvements: Sequence[Trial] = (),
        announce: bool = True,
    ) -> None:
        """Store where a running job of that attempt stands; raises LeaseLost if it is not running in it."""
        with self._storage.transaction():
            job = self._running(job_id, attempt)
            changed = replace(job, progress=progress, result=job.result if result is None else result)
            self._store(changed, *improvements, *([progress] if announce else []))

    def finish(
        self,
        job_id: str,
        status: JobStatus,
        *,
        now: datetime,
        attempt: int | None = None,
        failure: Failure | None = None,
        result: BacktestResult | OptimizationResult | None = None,
    ) -> Job:
        """Give the job its final status; raises LeaseLost if it is no longer the caller's to end."""
        with self._storage.transaction():
            job = self._unfinished(job_id) if attempt is None else self._running(job_id, attempt)
            self._storage.tables.leases.pop(job_id, None)
            ended = replace(
                job,
                status=status,
                completed_at=now,
                failure=failure,
                result=job.result if result is None else result,
            )
            return self._store(ended, StatusChanged())

    def events(self, job_id: str, after_sequence: int) -> list[JobEvent]:
        """Return what happened later than that, in order."""
        events = self._storage.tables.events.get(job_id, [])
        return copy.deepcopy([event for event in events if event.sequence > after_sequence])

    def _unfinished(self, job_id: str) -> Job:
        job = self._storage.tables.jobs.get(job_id)
        if job is None or job.status.is_final:
            raise LeaseLost(job_id)
        return job

    def _running(self, job_id: str, attempt: int) -> Job:
        job = self._unfinished(job_id)
        if job.status is not JobStatus.RUNNING or job.attempt != attempt:
            raise LeaseLost(job_id)
        return job

    def _store(self, job: Job, *events: Event) -> Job:
        """Store the job behind its new events; of progress only the newest stays."""
        kept = list(self._storage.tables.events.get(job.id, []))
        if any(isinstance(event, Progress) for event in events):
            kept = [event for event in kept if not isinstance(event.event, Progress)]
        kept += [JobEvent(job.last_sequence + place, event) for place, event in enumerate(events, start=1)]
        self._storage.tables.events[job.id] = kept
        stored = copy.deepcopy(replace(job, last_sequence=job.last_sequence + len(events)))
        self._storage.tables.jobs[job.id] = stored
        return copy.deepcopy(stored)


class MemoryTrialStore:
    """The trials of optimizations."""

    def __init__(self, storage: MemoryStorage) -> None:
        self._storage = storage

    def add(self, optimization_id: str, trials: Sequence[Trial]) -> None:
        """Store a batch."""
        with self._storage.transaction():
            stored = self._storage.tables.trials.get(optimization_id, [])
            self._storage.tables.trials[optimization_id] = [*stored, *copy.deepcopy(list(trials))]

    def page(
        self, optimization_id: str, *, after: int, limit: int, status: TrialStatus | None = None
    ) -> list[Trial]:
        """Return up to `limit` trials numbered above `after`, in order."""
        trials = self._storage.tables.trials.get(optimization_id, [])
        wanted = [trial for trial in trials if trial.number > after and status in (None, trial.status)]
        return copy.deepcopy(sorted(wanted, key=lambda trial: trial.number)[:limit])


class MemoryReportStore:
    """The reports of succeeded backtests."""

    def __init__(self, storage: MemoryStorage) -> None:
        self._storage = storage

    def add(self, job: Job, report: Report, html: str, *, now: datetime) -> None:  # noqa: ARG002 - the port's
        """Store the report of a backtest."""
        with self._storage.transaction():
            self._storage.tables.reports[job.id] = (copy.deepcopy(report), html)

    def series(self, backtest_id: str) -> Iterator[ReportSeries]:
        """Yield the series in chunks of consecutive bars: here in one."""
        found = self._storage.tables.reports.get(backtest_id)
        return iter(() if found is None else (copy.deepcopy(found[0].series),))

    def trades(self, backtest_id: str) -> Iterator[tuple[Trade, ...]]:
        """Yield the trades in chunks: here in one."""
        found = self._storage.tables.reports.get(backtest_id)
        return iter(() if found is None or not found[0].trades else (found[0].trades,))

    def html(self, backtest_id: str) -> str | None:
        """Return the page, or None if there is no report."""
        found = self._storage.tables.reports.get(backtest_id)
        return None if found is None else found[1]


class MemoryRequestLog:
    """Calls that were answered."""

    def __init__(self, storage: MemoryStorage) -> None:
        self._storage = storage

    def find(self, key: RequestKey, *, since: datetime) -> AnsweredRequest | None:
        """Return the call of that key answered at or after `since`, or None."""
        found = self._storage.tables.requests.get(key)
        return None if found is None or found[1] < since else found[0]

    def add(self, key: RequestKey, answered: AnsweredRequest, *, now: datetime) -> None:
        """Remember a call, in place of an older one of the same key."""
        with self._storage.transaction():
            self._storage.tables.requests[key] = (answered, now)
