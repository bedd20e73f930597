"""Jobs: backtests and optimizations in the queue, and the events of their lives."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from stratopt_server.domain.evidence import BracketRun, SearchEvidence
from stratopt_server.domain.metrics import Metrics
from stratopt_server.domain.optimization import (
    BestTrial,
    Plateau,
    RobustTrial,
    StopReason,
    Trial,
    WalkForwardResult,
)
from stratopt_server.domain.runs import BacktestSpec, OptimizationSpec


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
    PAUSED = "paused"

    @property
    def is_final(self) -> bool:
        """Tell whether nothing can happen to the job any more."""
        return self not in (JobStatus.PENDING, JobStatus.RUNNING, JobStatus.PAUSED)


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
    best_score: float | None = None
    """Of a search: of its best trial so far."""
    batch: int = 0
    """Of a search: batches told so far, of all its parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestResult:
    """What a succeeded backtest found."""

    metrics: Metrics
    fill_bracket: tuple[BracketRun, ...] = ()
    """Of a grid: touch, through and volume on the same bars, the kindest first. Of others empty."""
    engine: str = ""
    """Digest of the engine that made it; empty in rows that were written before it was kept."""
    cached_from: str = ""
    """The backtest that was run, where this one only asked for the same; empty where it ran itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizationResult:
    """What an optimization has found, so far or in the end."""

    best: BestTrial | None = None
    stop_reason: StopReason | None = None
    warnings: tuple[str, ...] = ()
    pareto_front: tuple[BestTrial, ...] = ()
    """Of several figures at once: trials that no other beats in all of them."""
    robust: RobustTrial | None = None
    plateau: Plateau | None = None
    walk_forward: WalkForwardResult | None = None
    trials_ever: int | None = None
    """Distinct trials of this code on this market, of every job there was."""
    evidence: SearchEvidence | None = None
    """How much of what was found may be chance; when the search is complete and has a best."""


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
    losses: int = 0
    """How many of these attempts were lost with their process or server."""
    priority: int = 0
    """Of pending jobs those of higher priority run first."""
    caller: str = ""
    """Who asked for it; callers of equal priority take turns."""
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
    created_at: datetime
    priority: int = 0
    caller: str = ""


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
