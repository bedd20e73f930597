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

import numpy as np
from numpy.typing import NDArray

from stratopt_server.domain.advice import AdviceStore
from stratopt_server.domain.counts import Counts
from stratopt_server.domain.decisions import Decision, DecisionOutcome
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
from stratopt_server.domain.leases import LeaseStore
from stratopt_server.domain.ledger import LedgerKey, LedgerTrial, TrialTally
from stratopt_server.domain.market import Bars, Dataset
from stratopt_server.domain.opportunities import DeadLetterStore
from stratopt_server.domain.optimization import Batch, Trial, TrialStatus
from stratopt_server.domain.packages import PackageStore, RevocationStore
from stratopt_server.domain.paging import Page
from stratopt_server.domain.parameters import Params
from stratopt_server.domain.pipelines import PipelineStore
from stratopt_server.domain.report import Report, ReportSeries, Trade
from stratopt_server.domain.runs import OptimizationSpec
from stratopt_server.domain.seals import SealedHoldout, SealedTest
from stratopt_server.domain.strategy import Strategy

BlockSums = NDArray[np.float64]
"""Sums of r and r^2 over each block of bars, shape (trials, blocks, 2)."""


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

    def locked(self, kind: JobKind, job_id: str) -> Job | None:
        """Return it as `get` does; nobody changes it until the transaction ends."""
        ...

    def page(self, page: Page, wanted: JobFilter) -> list[Job]:
        """Return a page of the jobs that match, newest first."""
        ...

    def queue(self) -> list[QueuedJob]:
        """Return the running jobs, then the pending ones in the order in which they are claimed."""
        ...

    def pending(self) -> int:
        """Count the pending jobs."""
        ...

    def tally(self) -> dict[str, dict[str, int]]:
        """Count the jobs of each kind by status, those there are."""
        ...

    def claim(
        self,
        owner: str,
        *,
        now: datetime,
        lease_until: datetime,
        kinds: frozenset[JobKind] = frozenset(JobKind),
    ) -> Job | None:
        """Turn a pending job of those kinds into a running one of this owner, if one waits.

        Which one, says `queueing.in_turn`.
        """
        ...

    def renew(self, owner: str, *, lease_until: datetime) -> None:
        """Prolong every lease the owner holds."""
        ...

    def held(self, owner: str) -> list[tuple[str, int]]:
        """Return the id and the attempt of every running job whose lease the owner holds."""
        ...

    def lapsed(self, now: datetime, *, longest: datetime | None = None) -> list[Job]:
        """Return the running jobs whose lease ended before `now`.

        Those too whose lease ends after `longest`: it was taken by a clock that was wrong.
        """
        ...

    def release(self, job_id: str, attempt: int, *, lost: bool = False) -> None:
        """Turn a running job of that attempt back into a pending one; raises LeaseLost if it is not.

        `lost` counts the attempt as lost with its process or server.
        """
        ...

    def hold(self, job_id: str, attempt: int) -> None:
        """Raise LeaseLost unless the job is running in that attempt."""
        ...

    def pause(self, job_id: str) -> Job:
        """Turn a pending or running job into a paused one; raises LeaseLost if it is neither."""
        ...

    def resume(self, job_id: str) -> Job:
        """Turn a paused job into a pending one; raises LeaseLost if it is not paused."""
        ...

    def reopen(self, job_id: str, spec: OptimizationSpec, *, progress: Progress) -> Job:
        """Turn an ended optimization into a pending one of another spec.

        Its result stays, without a stop reason; its documented result goes. Raises LeaseLost if it has not
        ended.
        """
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialFilter:
    """Which trials of an optimization a list is about."""

    status: TrialStatus | None = None
    """None means any."""
    window: int | None = None
    """None means the search that finds the best."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOrder:
    """What a list of trials is ordered by."""

    figure: str = "number"
    """`number`, `score`, or a field of Metrics that is a number."""
    descending: bool = False


@dataclass(frozen=True, slots=True)
class TrialKey:
    """Place of a trial in a list: the figure it is ordered by, and its number."""

    figure: float
    number: int


class TrialStore(Protocol):
    """The trials of optimizations, journalled by batches: proposed, then evaluated."""

    def propose(self, optimization_id: str, batch: Batch) -> None:
        """Store a batch that is about to be evaluated, with its candidates."""
        ...

    def evaluate(self, optimization_id: str, batch: int, trials: Sequence[Trial], blocks: BlockSums) -> None:
        """Store the trials of the batch of that number, in whose place its candidates then go.

        `blocks` are the sums of r and r^2 of each, shape (trials, blocks, 2).
        """
        ...

    def batches(self, optimization_id: str) -> list[Batch]:
        """Return all batches in order; those with candidates are not evaluated."""
        ...

    def span(self, optimization_id: str, first: int, count: int) -> list[Trial]:
        """Return the trials of these numbers, in order, whichever search made them."""
        ...

    def page(
        self,
        optimization_id: str,
        wanted: TrialFilter,
        order: TrialOrder,
        *,
        after: TrialKey | None,
        limit: int,
    ) -> list[Trial]:
        """Return up to `limit` trials behind `after`; equal figures in order of number.

        Trials without the figure are left out.
        """
        ...

    def find(self, optimization_id: str, params: Params) -> Trial | None:
        """Return the first trial of exactly these parameters, or None."""
        ...

    def blocks(self, optimization_id: str, wanted: TrialFilter) -> BlockSums:
        """Return the block sums of the trials that match, in order of number: (trials, blocks, 2)."""
        ...


class Ledger(Protocol):
    """Distinct trials by code lineage and market, of every job there was."""

    def link(self, code_hash: str, *, to: str) -> None:
        """Note that a code replaces another: from now on both are of one lineage, if the first had none."""
        ...

    def add(self, key: LedgerKey, trials: Sequence[LedgerTrial]) -> None:
        """Count these trials; those that were counted before change nothing, but for a first Sharpe ratio."""
        ...

    def lineage(self, code_hash: str) -> str:
        """Name the lineage of a code; its own hash if it has none yet."""
        ...

    def count(self, key: LedgerKey) -> int:
        """Return how many distinct trials of the key's lineage there are on its market."""
        ...

    def tally(self, key: LedgerKey) -> TrialTally:
        """Return what its Sharpe ratios come to; trials of the same returns count as one."""
        ...


class SealStore(Protocol):
    """Sealed holdouts, by code lineage and market. One at a time holds bars back."""

    def add(self, seal: SealedHoldout) -> None:
        """Store a new one; raises AlreadyExists while another of its lineage and market is not spent."""
        ...

    def get(self, seal_id: str) -> SealedHoldout | None:
        """Return it, or None if there is none of that id."""
        ...

    def latest(self, key: LedgerKey) -> SealedHoldout | None:
        """Return the newest for this code's lineage and market, spent or not, or None."""
        ...

    def spend(self, seal_id: str, *, on: str, test: SealedTest, now: datetime) -> bool:
        """Note what a decision about that backtest read in it; False if it was spent before."""
        ...

    def page(self, page: Page) -> list[SealedHoldout]:
        """Return a page of them, spent ones too, newest first."""
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

    def copy(self, backtest_id: str, job: Job, *, now: datetime) -> None:
        """Store the report of one backtest as another's, which ran the same."""
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

    def forget(self, *, before: datetime, limit: int) -> int:
        """Remove up to `limit` calls answered before that; return how many went."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionFilter:
    """Which decisions a list is about; None means any."""

    strategy_id: str | None = None
    symbol: str | None = None
    backtest_id: str | None = None
    outcome: DecisionOutcome | None = None


class DecisionStore(Protocol):
    """Decisions by id."""

    def put(self, decision: Decision) -> None:
        """Store it, in place of one of the same id."""
        ...

    def get(self, decision_id: str) -> Decision | None:
        """Return it, or None if there is none of that id."""
        ...

    def page(self, page: Page, wanted: DecisionFilter) -> list[Decision]:
        """Return a page of the decisions that match, newest first."""
        ...


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
    def ledger(self) -> Ledger:
        """Distinct trials ever made."""
        ...

    @property
    def advice(self) -> AdviceStore:
        """Advice."""
        ...

    @property
    def seals(self) -> SealStore:
        """Sealed holdouts."""
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
    def revocations(self) -> RevocationStore:
        """Revocations of packages."""
        ...

    @property
    def pipelines(self) -> PipelineStore:
        """Pipelines."""
        ...

    @property
    def dead_letters(self) -> DeadLetterStore:
        """What came in and could not be used."""
        ...

    @property
    def requests(self) -> RequestLog:
        """Answered calls."""
        ...

    @property
    def leases(self) -> LeaseStore:
        """What one server does for all."""
        ...

    @property
    def is_shared(self) -> bool:
        """Whether servers on other machines may use it too."""
        ...

    def now(self, own: datetime) -> datetime:
        """Return the time by the clock that all its servers share; `own` if this one's is all there is."""
        ...

    def transaction(self, *, alone: bool = True) -> AbstractContextManager[object]:
        """Everything inside is stored together or not at all; may be nested.

        One that is alone waits for every other one that is, so that nothing it has read is changed by them
        before it ends. Else only what the stores say that they lock is safe from others: enough for what
        concerns a single job.
        """
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
