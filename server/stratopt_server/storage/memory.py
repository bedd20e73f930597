"""All stores in memory: the twin of the database, for tests and for trying things out."""

import copy
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import wraps
from typing import Any, Protocol, TypeVar

from stratopt_server.domain.decisions import Decision, ParameterPackage, Place
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
    QueuedJob,
    StatusChanged,
)
from stratopt_server.domain.market import Dataset, to_microseconds
from stratopt_server.domain.optimization import Trial, TrialStatus
from stratopt_server.domain.parameters import Params
from stratopt_server.domain.ports import (
    AnsweredRequest,
    Counts,
    DatasetFilter,
    DecisionFilter,
    JobFilter,
    LeaseLost,
    PackageFilter,
    Page,
    ReportFilter,
    ReportKey,
    ReportOrder,
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
S = TypeVar("S")


def cut(rows: list[L], page: Page) -> list[L]:
    """Cut one page out of the rows, newest first."""
    ordered = sorted(rows, key=lambda row: (row.created_at, row.id), reverse=True)
    if page.after is not None:
        key = (page.after.created_at, page.after.id)
        ordered = [row for row in ordered if (row.created_at, row.id) < key]
    return copy.deepcopy(ordered[: page.limit])


def one_at_a_time(store: type[S]) -> type[S]:
    """Have every public method of a store hold the storage's lock, as a database would have it wait."""
    for name, method in list(vars(store).items()):
        if callable(method) and not name.startswith("_"):
            setattr(store, name, _holding_the_lock(method))
    return store


def _holding_the_lock(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def locked(self: Any, *args: Any, **kwargs: Any) -> Any:
        with self._storage.lock:
            return method(self, *args, **kwargs)

    return locked


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
    report_jobs: dict[str, tuple[Job, datetime]] = field(default_factory=dict)
    decisions: dict[str, Decision] = field(default_factory=dict)
    packages: dict[str, ParameterPackage] = field(default_factory=dict)
    requests: dict[RequestKey, tuple[AnsweredRequest, datetime]] = field(default_factory=dict)


class MemoryStorage:
    """The stores over one set of tables; a lock makes each transaction alone in the world."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.epoch = "memory"
        self.lock = threading.RLock()
        self.strategies = MemoryStrategyStore(self)
        self.datasets = MemoryDatasetStore(self)
        self.jobs = MemoryJobStore(self)
        self.trials = MemoryTrialStore(self)
        self.reports = MemoryReportStore(self)
        self.decisions = MemoryDecisionStore(self)
        self.packages = MemoryPackageStore(self)
        self.requests = MemoryRequestLog(self)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is stored together or not at all; may be nested."""
        with self.lock:
            before = Tables(**{name: copy.copy(table) for name, table in vars(self.tables).items()})
            before.events = {job_id: list(events) for job_id, events in self.tables.events.items()}
            try:
                yield
            except BaseException:
                self.tables = before
                raise

    def counts(self) -> Counts:
        """Count the rows."""
        tables = self.tables
        jobs = tables.jobs.values()
        packages = tables.packages.values()
        return Counts(
            backtests=Counter(job.status.value for job in jobs if job.kind is JobKind.BACKTEST),
            optimizations=Counter(job.status.value for job in jobs if job.kind is JobKind.OPTIMIZATION),
            decisions=Counter(decision.outcome.value for decision in tables.decisions.values()),
            strategies=len(tables.strategies),
            datasets=len(tables.datasets),
            trials=sum(len(trials) for trials in tables.trials.values()),
            packages_unpublished=sum(package.published_at is None for package in packages),
        )

    def ping(self) -> None:
        """It lives."""

    def close(self) -> None:
        """Nothing to let go of."""


@one_at_a_time
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


@one_at_a_time
class MemoryDatasetStore:
    """The catalog of datasets."""

    def __init__(self, storage: MemoryStorage) -> None:
        self._storage = storage

    def put(self, dataset: Dataset) -> None:
        """Store it, replacing the row of the same id."""
        with self._storage.transaction():
            for row in self._storage.tables.datasets.values():
                if row.id != dataset.id and _market(row) == _market(dataset):
                    raise ValueError(f"{_market(row)} is dataset {row.id}")
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


@one_at_a_time
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

    def queue(self) -> list[QueuedJob]:
        """Return the jobs that have not ended, in the order in which they are claimed."""
        rows = [job for job in self._storage.tables.jobs.values() if not job.status.is_final]
        rows.sort(key=lambda row: (row.created_at, row.id))
        return [
            QueuedJob(id=row.id, kind=row.kind, status=row.status, started_at=row.started_at) for row in rows
        ]

    def claim(
        self,
        owner: str,
        *,
        now: datetime,
        lease_until: datetime,
        kinds: frozenset[JobKind] = frozenset(JobKind),
    ) -> Job | None:
        """Turn the oldest pending job of those kinds into a running one of this owner, if one waits."""
        with self._storage.transaction():
            tables = self._storage.tables
            waiting = [
                job for job in tables.jobs.values() if job.status is JobStatus.PENDING and job.kind in kinds
            ]
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
        own = copy.deepcopy(events)
        kept += [JobEvent(job.last_sequence + place, event) for place, event in enumerate(own, start=1)]
        self._storage.tables.events[job.id] = kept
        stored = copy.deepcopy(replace(job, last_sequence=job.last_sequence + len(events)))
        self._storage.tables.jobs[job.id] = stored
        return copy.deepcopy(stored)


@one_at_a_time
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

    def find(self, optimization_id: str, params: Params) -> Trial | None:
        """Return the trial of exactly these parameters, or None."""
        wanted = _typed(params)
        trials = self._storage.tables.trials.get(optimization_id, [])
        return copy.deepcopy(next((trial for trial in trials if _typed(trial.params) == wanted), None))


@one_at_a_time
class MemoryReportStore:
    """The reports of succeeded backtests."""

    def __init__(self, storage: MemoryStorage) -> None:
        self._storage = storage

    def add(self, job: Job, report: Report, html: str, *, now: datetime) -> None:
        """Store the report of a backtest."""
        with self._storage.transaction():
            self._storage.tables.report_jobs[job.id] = (copy.deepcopy(job), now)
            self._storage.tables.reports[job.id] = (copy.deepcopy(report), html)

    def page(
        self, wanted: ReportFilter, order: ReportOrder, *, after: ReportKey | None, limit: int
    ) -> list[ReportKey]:
        """Return up to `limit` places behind `after`, best or newest first."""
        sign = 1 if order is ReportOrder.DRAWDOWN else -1
        keys = [
            ReportKey(figure, job_id)
            for job_id, (job, added_at) in self._storage.tables.report_jobs.items()
            if _matches(job, wanted) and (figure := self._figure(job_id, order, added_at)) is not None
        ]
        ordered = sorted(
            sorted(keys, key=lambda key: key.id, reverse=True), key=lambda key: sign * key.figure
        )
        if after is not None:
            ordered = [
                key
                for key in ordered
                if sign * key.figure > sign * after.figure
                or (key.figure == after.figure and key.id < after.id)
            ]
        return ordered[:limit]

    def _figure(self, job_id: str, order: ReportOrder, added_at: datetime) -> float | None:
        metrics = self._storage.tables.reports[job_id][0].metrics
        match order:
            case ReportOrder.NEWEST:
                return to_microseconds(added_at)
            case ReportOrder.SHARPE:
                return metrics.sharpe_ratio
            case ReportOrder.RETURN:
                return metrics.total_return
            case ReportOrder.DRAWDOWN:
                return metrics.max_drawdown

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


@one_at_a_time
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


@one_at_a_time
class MemoryDecisionStore:
    """Decisions by id."""

    def __init__(self, storage: MemoryStorage) -> None:
        self._storage = storage

    def add(self, decision: Decision) -> None:
        """Store a new one."""
        with self._storage.transaction():
            self._storage.tables.decisions[decision.id] = copy.deepcopy(decision)

    def get(self, decision_id: str) -> Decision | None:
        """Return it, or None if there is none of that id."""
        return copy.deepcopy(self._storage.tables.decisions.get(decision_id))

    def page(self, page: Page, wanted: DecisionFilter) -> list[Decision]:
        """Return a page of the decisions that match, newest first."""
        names = ("strategy_id", "symbol", "backtest_id", "outcome")
        rows = [
            row
            for row in self._storage.tables.decisions.values()
            if all(getattr(wanted, name) in (None, getattr(row, name)) for name in names)
        ]
        return cut(rows, page)


@one_at_a_time
class MemoryPackageStore:
    """Parameter packages, and the order in which they go out."""

    def __init__(self, storage: MemoryStorage) -> None:
        self._storage = storage

    def next_place(self, *, now: datetime) -> Place:
        """Return the place of the next package."""
        last = self.last_place(now=now)
        return Place(last.epoch, last.seq + 1)

    def last_place(self, *, now: datetime) -> Place:  # noqa: ARG002 - the port's
        """Return the place of the newest package; seq 0 if there is none."""
        return Place(self._storage.epoch, len(self._storage.tables.packages))

    def add(self, package: ParameterPackage) -> None:
        """Store a new one at its place."""
        with self._storage.transaction():
            self._storage.tables.packages[package.id] = copy.deepcopy(package)

    def get(self, package_id: str) -> ParameterPackage | None:
        """Return it, or None if there is none of that id."""
        return copy.deepcopy(self._storage.tables.packages.get(package_id))

    def page(self, page: Page, wanted: PackageFilter) -> list[ParameterPackage]:
        """Return a page of the packages that match, newest first."""
        rows = [
            row
            for row in self._storage.tables.packages.values()
            if wanted.strategy_id in (None, row.strategy_id) and wanted.symbol in (None, row.symbol)
        ]
        return cut(rows, page)

    def unpublished(self, limit: int) -> list[ParameterPackage]:
        """Return the packages not handed to the socket yet, in order of their places."""
        rows = [row for row in self._storage.tables.packages.values() if row.published_at is None]
        return copy.deepcopy(sorted(rows, key=lambda row: row.seq)[:limit])

    def mark_published(self, package_id: str, *, now: datetime) -> None:
        """Note that a package was handed to the socket."""
        with self._storage.transaction():
            packages = self._storage.tables.packages
            packages[package_id] = replace(packages[package_id], published_at=now)


def _market(dataset: Dataset) -> tuple[str, str, str]:
    return dataset.exchange, dataset.symbol, dataset.timeframe


def _matches(job: Job, wanted: ReportFilter) -> bool:
    scenario = job.spec.scenario
    return (
        wanted.strategy_id in (None, scenario.strategy_id)
        and wanted.symbol in (None, scenario.symbol)
        and (wanted.start_date is None or scenario.start_date >= wanted.start_date)
        and (wanted.end_date is None or scenario.end_date <= wanted.end_date)
    )


def _typed(params: Params) -> dict[str, tuple[type, object]]:
    """Parameters with their kinds, since 1, 1.0 and True are equal to Python."""
    return {name: (type(value), value) for name, value in params.items()}
