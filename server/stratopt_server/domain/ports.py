"""What the use-cases need of the outside: stores of rows. One conformance suite proves every implementation.

Every method is blocking and safe to call from any thread. Values given and returned are immutable or
copies: changing one does not change what is stored.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from stratopt_server.domain.decisions import Decision, DecisionOutcome, ParameterPackage, Place
from stratopt_server.domain.jobs import (
    BacktestResult,
    Failure,
    Job,
    JobEvent,
    JobKind,
    JobStatus,
    OptimizationResult,
    Progress,
    QueuedJob,
)
from stratopt_server.domain.market import Bars, Dataset
from stratopt_server.domain.optimization import Trial, TrialStatus
from stratopt_server.domain.parameters import Params
from stratopt_server.domain.report import Report, ReportSeries, Trade
from stratopt_server.domain.strategy import Strategy


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page begins: behind the row of this moment and id, newest first."""

    created_at: datetime
    id: str


@dataclass(frozen=True, slots=True)
class Page:
    """Which rows of a list are wanted."""

    limit: int
    after: Cursor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs a list is about; None means any."""

    kind: JobKind
    strategy_id: str | None = None
    symbol: str | None = None
    status: JobStatus | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetFilter:
    """Which datasets a list is about; None means any."""

    symbol: str | None = None
    exchange: str | None = None
    timeframe: str | None = None


class LeaseLost(Exception):
    """The job is no longer this process's to write: it was cancelled, or taken up by another."""


class StrategyStore(Protocol):
    """Strategies by id."""

    def add(self, strategy: Strategy) -> None:
        """Store a new one; raises AlreadyExists if the id is taken."""
        ...

    def get(self, strategy_id: str) -> Strategy | None:
        """Return it, or None if there is none of that id."""
        ...

    def page(self, page: Page, *, name: str | None = None) -> list[Strategy]:
        """Return a page, newest first."""
        ...

    def update(self, strategy: Strategy) -> None:
        """Replace the row of the same id; raises NotFound if there is none."""
        ...

    def delete(self, strategy_id: str) -> None:
        """Remove it; raises NotFound, or InUse while a job refers to it."""
        ...


class DatasetStore(Protocol):
    """The catalog of datasets; one row an exchange, symbol and timeframe."""

    def put(self, dataset: Dataset) -> None:
        """Store it, replacing the row of the same id."""
        ...

    def get(self, dataset_id: str) -> Dataset | None:
        """Return it, or None if there is none of that id."""
        ...

    def page(self, page: Page, wanted: DatasetFilter) -> list[Dataset]:
        """Return a page of the datasets that match, newest first."""
        ...


class JobStore(Protocol):
    """Jobs, their leases and their events. Every change of status appends an event."""

    def add(self, job: Job) -> None:
        """Store a new pending job."""
        ...

    def get(self, kind: JobKind, job_id: str) -> Job | None:
        """Return it, or None if there is none of that kind and id."""
        ...

    def page(self, page: Page, wanted: JobFilter) -> list[Job]:
        """Return a page of the jobs that match, newest first."""
        ...

    def queue(self) -> list[QueuedJob]:
        """Return the jobs that have not ended, in the order in which they are claimed."""
        ...

    def claim(
        self,
        owner: str,
        *,
        now: datetime,
        lease_until: datetime,
        kinds: frozenset[JobKind] = frozenset(JobKind),
    ) -> Job | None:
        """Turn the oldest pending job of those kinds into a running one of this owner, if one waits."""
        ...

    def renew(self, owner: str, *, lease_until: datetime) -> None:
        """Prolong every lease the owner holds."""
        ...

    def lapsed(self, now: datetime) -> list[Job]:
        """Return the running jobs whose lease ended before `now`."""
        ...

    def release(self, job_id: str, attempt: int) -> None:
        """Turn a running job of that attempt back into a pending one; raises LeaseLost if it is not."""
        ...

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
        """Store where a running job of that attempt stands; raises LeaseLost if it is not running in it.

        Improvements become events and are kept; the progress becomes one if `announce`, in place of
        the one before it. A result of None leaves the stored one.
        """
        ...

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
        """Give the job its final status; a result of None leaves the stored one.

        Raises LeaseLost if it has a final status already, or if `attempt` is given and the job is
        not running in it.
        """
        ...

    def events(self, job_id: str, after_sequence: int) -> list[JobEvent]:
        """Return what happened later than that, in order."""
        ...


class TrialStore(Protocol):
    """The trials of optimizations."""

    def add(self, optimization_id: str, trials: Sequence[Trial]) -> None:
        """Store a batch."""
        ...

    def page(
        self, optimization_id: str, *, after: int, limit: int, status: TrialStatus | None = None
    ) -> list[Trial]:
        """Return up to `limit` trials numbered above `after`, in order."""
        ...

    def find(self, optimization_id: str, params: Params) -> Trial | None:
        """Return the trial of exactly these parameters, or None."""
        ...


class ReportOrder(Enum):
    """What a list of reports is ordered by."""

    NEWEST = "newest"
    SHARPE = "sharpe"
    RETURN = "return"
    DRAWDOWN = "drawdown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFilter:
    """Which reports a list is about; None means any."""

    strategy_id: str | None = None
    symbol: str | None = None
    start_date: datetime | None = None
    """Only runs whose first bar opens at or after it."""
    end_date: datetime | None = None
    """Only runs whose last bar opens at or before it."""


@dataclass(frozen=True, slots=True)
class ReportKey:
    """Place of a report in a list: the figure it is ordered by, and its id."""

    figure: float
    id: str


class ReportStore(Protocol):
    """The reports of succeeded backtests, under the backtest's id."""

    def page(
        self, wanted: ReportFilter, order: ReportOrder, *, after: ReportKey | None, limit: int
    ) -> list[ReportKey]:
        """Return up to `limit` places behind `after`, best or newest first.

        The figure of NEWEST is microseconds since 1970. Reports without the figure are left out.
        """
        ...

    def add(self, job: Job, report: Report, html: str, *, now: datetime) -> None:
        """Store the report of a backtest."""
        ...

    def series(self, backtest_id: str) -> Iterator[ReportSeries]:
        """Yield the series in chunks of consecutive bars."""
        ...

    def trades(self, backtest_id: str) -> Iterator[tuple[Trade, ...]]:
        """Yield the trades in chunks, in order of entry."""
        ...

    def html(self, backtest_id: str) -> str | None:
        """Return the page, or None if there is no report."""
        ...


@dataclass(frozen=True, slots=True)
class RequestKey:
    """Names one call of one caller, so that a repeat can be told from a new call."""

    method: str
    request_id: str


@dataclass(frozen=True, slots=True)
class AnsweredRequest:
    """What a call asked for and which resource it was about."""

    digest: str
    resource_id: str


class RequestLog(Protocol):
    """Calls that were answered, for callers that repeat them."""

    def find(self, key: RequestKey, *, since: datetime) -> AnsweredRequest | None:
        """Return the call of that key answered at or after `since`, or None."""
        ...

    def add(self, key: RequestKey, answered: AnsweredRequest, *, now: datetime) -> None:
        """Remember a call, in place of an older one of the same key."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionFilter:
    """Which decisions a list is about; None means any."""

    strategy_id: str | None = None
    symbol: str | None = None
    backtest_id: str | None = None
    outcome: DecisionOutcome | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFilter:
    """Which packages a list is about; None means any."""

    strategy_id: str | None = None
    symbol: str | None = None


class DecisionStore(Protocol):
    """Decisions by id."""

    def add(self, decision: Decision) -> None:
        """Store a new one."""
        ...

    def get(self, decision_id: str) -> Decision | None:
        """Return it, or None if there is none of that id."""
        ...

    def page(self, page: Page, wanted: DecisionFilter) -> list[Decision]:
        """Return a page of the decisions that match, newest first."""
        ...


class PackageStore(Protocol):
    """Parameter packages, and the order in which they go out."""

    def next_place(self, *, now: datetime) -> Place:
        """Return the place of the next package; use inside the transaction that adds it."""
        ...

    def add(self, package: ParameterPackage) -> None:
        """Store a new one at its place, approved and not yet published."""
        ...

    def get(self, package_id: str) -> ParameterPackage | None:
        """Return it, or None if there is none of that id."""
        ...

    def page(self, page: Page, wanted: PackageFilter) -> list[ParameterPackage]:
        """Return a page of the packages that match, newest first."""
        ...

    def unpublished(self, limit: int) -> list[ParameterPackage]:
        """Return the packages not handed to the socket yet, in order of their places."""
        ...

    def mark_published(self, package_id: str, *, now: datetime) -> None:
        """Note that a package was handed to the socket."""
        ...

    def last_place(self, *, now: datetime) -> Place:
        """Return the place of the newest package; seq 0 if there is none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many rows there are, by status or outcome where they have one."""

    backtests: dict[str, int]
    optimizations: dict[str, int]
    decisions: dict[str, int]
    strategies: int
    datasets: int
    trials: int
    packages_unpublished: int


class Storage(Protocol):
    """All stores over one database."""

    @property
    def strategies(self) -> StrategyStore:
        """Strategies."""
        ...

    @property
    def datasets(self) -> DatasetStore:
        """Datasets."""
        ...

    @property
    def jobs(self) -> JobStore:
        """Jobs."""
        ...

    @property
    def trials(self) -> TrialStore:
        """Trials."""
        ...

    @property
    def reports(self) -> ReportStore:
        """Reports."""
        ...

    @property
    def decisions(self) -> DecisionStore:
        """Decisions."""
        ...

    @property
    def packages(self) -> PackageStore:
        """Parameter packages."""
        ...

    @property
    def requests(self) -> RequestLog:
        """Answered calls."""
        ...

    def transaction(self) -> AbstractContextManager[object]:
        """Everything inside is stored together or not at all; may be nested."""
        ...

    def counts(self) -> Counts:
        """Count the rows."""
        ...

    def ping(self) -> None:
        """Ask the database for a sign of life; raises whatever keeps it from giving one."""
        ...

    def close(self) -> None:
        """Let go of the database."""
        ...


class BarsStore(Protocol):
    """The bars of datasets, by content."""

    def open(self, content_hash: str) -> Bars:
        """Return them, mapped from disk and read-only; raises FileNotFoundError if they are not there."""
        ...
