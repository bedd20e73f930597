"""Trials of a search, which of them is best, and what a search found."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from stratopt_server.domain.goals import Goal
from stratopt_server.domain.metrics import Metrics
from stratopt_server.domain.parameters import ParameterValue


class TrialStatus(Enum):
    """Whether a trial can be the best one."""

    OK = "ok"
    TOO_FEW_TRADES = "too_few_trades"
    UNDEFINED = "undefined"


class StopReason(Enum):
    """Why a search stopped trying."""

    MAX_ITERATIONS = "max_iterations"
    EXHAUSTED = "exhausted"
    CANCELLED = "cancelled"
    TIME_BUDGET = "time_budget"
    TARGET_REACHED = "target_reached"
    PLATEAU = "plateau"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One parameter set that was tried, with its in-sample metrics."""

    number: int
    """Within the job, from 0, in the order of proposal."""
    params: dict[str, ParameterValue]
    status: TrialStatus
    score: float | None
    """Of the goal; None where it is not defined."""
    metrics: Metrics
    window: int | None = None
    """Of a walk-forward, whose search made it; None for the search that finds the best."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Trials that were proposed together."""

    number: int
    """Within the job, from 0."""
    window: int | None
    first_trial: int
    count: int
    candidates: tuple[dict[str, ParameterValue], ...] | None
    """None once they are trials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BestTrial:
    """A trial that was picked, with what it did on bars the search never saw."""

    trial: Trial
    out_of_sample: Metrics | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbourhood:
    """The trials next to one in the search space."""

    count: int
    median: float
    """Of their scores, a drawdown counting negative."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RobustTrial:
    """The trial in the middle of the best neighbourhood."""

    trial: Trial
    out_of_sample: Metrics | None
    neighbours: Neighbourhood


@dataclass(frozen=True, slots=True, kw_only=True)
class Plateau:
    """How the score stands around the best trial."""

    neighbours: int
    median_ratio: float | None
    """Median score of the neighbours / the best; None unless the best is above 0."""
    share_70: float | None
    """Share of them with at least 0.7 of the best; None likewise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowResult:
    """What one window of a walk-forward found."""

    number: int
    best: BestTrial | None
    stop_reason: StopReason


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkForwardResult:
    """What a walk-forward found, as far as it has come."""

    windows: tuple[WindowResult, ...] = ()
    out_of_sample: Metrics | None = None
    """Of the tests of the best, one behind the other."""
    robust_out_of_sample: Metrics | None = None
    """Of those of the robust picks."""
    efficiency: float | None = None
    """Mean annual return out of sample / in sample; None unless the latter is above 0."""


def judge(
    number: int,
    params: dict[str, ParameterValue],
    metrics: Metrics,
    *,
    goal: Goal,
    min_trades: int,
    window: int | None = None,
) -> Trial:
    """Make the trial of one evaluated parameter set."""
    score = goal.score(metrics)
    if metrics.trade_count < min_trades:
        status = TrialStatus.TOO_FEW_TRADES
    elif score is None:
        status = TrialStatus.UNDEFINED
    else:
        status = TrialStatus.OK
    return Trial(number=number, params=params, status=status, score=score, metrics=metrics, window=window)


def is_better(trial: Trial, best: Trial | None, goal: Goal) -> bool:
    """Tell whether the trial beats the best so far; of equals the earlier stays."""
    if trial.status is not TrialStatus.OK or trial.score is None:
        return False
    if best is None or best.score is None:
        return True
    return goal.loss(trial.score) < goal.loss(best.score)


def best_of(trials: Iterable[Trial], goal: Goal) -> Trial | None:
    """Find the best trial; None if none can be it."""
    best: Trial | None = None
    for trial in trials:
        if is_better(trial, best, goal):
            best = trial
    return best
