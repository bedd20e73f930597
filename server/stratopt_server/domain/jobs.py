"""Jobs: backtests and optimizations in the queue, and the events of their lives."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from stratopt_server.domain.metrics import Metrics
from stratopt_server.domain.optimization import BestTrial, StopReason, Trial
from stratopt_server.domain.runs import BacktestSpec, FillModel, OptimizationSpec


class JobKind(Enum):
    """What a job does."""

    BACKTEST = "backtest"
    OPTIMIZATION = "optimization"


class JobStatus(Enum):
    """Where a job stands in its life."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Tell whether nothing can happen to the job any more."""
        return self not in (JobStatus.PENDING, JobStatus.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a job failed."""

    reason: str
    """Stable word for programs, UPPER_SNAKE."""
    message: str
    metadata: dict[str, str] = field(default_factory=dict)
    """Every value the message names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a job has come."""

    done: int
    total: int
    rate: float | None = None
    """Units a second since the job's process began."""
    eta_seconds: float | None = None
    stage: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BracketRun:
    """The same run of a grid under another fill model."""

    fill_model: FillModel
    metrics: Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestResult:
    """What a succeeded backtest found."""

    metrics: Metrics
    fill_bracket: tuple[BracketRun, ...] = ()
    """Of a grid: touch, through and volume on the same bars, the kindest first. Of others empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizationResult:
    """What an optimization has found, so far or in the end."""

    best: BestTrial | None = None
    stop_reason: StopReason | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One backtest or optimization: what was asked, where it stands, what came of it."""

    id: str
    spec: BacktestSpec | OptimizationSpec
    status: JobStatus
    progress: Progress
    result: BacktestResult | OptimizationResult | None
    failure: Failure | None
    attempt: int
    """How many times a process has begun on it."""
    last_sequence: int
    """Sequence of its newest event."""
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None

    @property
    def kind(self) -> JobKind:
        """Told by the spec."""
        return JobKind.BACKTEST if isinstance(self.spec, BacktestSpec) else JobKind.OPTIMIZATION


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedJob:
    """Place of a job that has not ended, without what it is about."""

    id: str
    kind: JobKind
    status: JobStatus
    started_at: datetime | None
    """When its newest attempt began, if one has."""


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """The job's status changed; the job's row shows to what."""


Event = StatusChanged | Progress | Trial
"""What can happen to a job; a Trial is an improvement on every one before it."""


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One event with its place in the job's life."""

    sequence: int
    event: Event
