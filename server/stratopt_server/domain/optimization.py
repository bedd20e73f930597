"""Trials of a search and which of them is best."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from stratopt_server.domain.metrics import Metrics
from stratopt_server.domain.parameters import ParameterValue
from stratopt_server.domain.runs import Target


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One parameter set that was tried, with its in-sample metrics."""

    number: int
    params: dict[str, ParameterValue]
    status: TrialStatus
    score: float | None
    """Value of the target itself; None where it is not defined."""
    metrics: Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class BestTrial:
    """The best trial, with what it did on bars the search never saw."""

    trial: Trial
    out_of_sample: Metrics | None


def score(metrics: Metrics, target: Target) -> float | None:
    """Read the target's figure off the metrics."""
    match target:
        case Target.SHARPE:
            return metrics.sharpe_ratio
        case Target.RETURN:
            return metrics.total_return
        case Target.DRAWDOWN:
            return metrics.max_drawdown


def judge(
    number: int, params: dict[str, ParameterValue], metrics: Metrics, *, target: Target, min_trades: int
) -> Trial:
    """Make the trial of one evaluated parameter set."""
    value = score(metrics, target)
    if metrics.trade_count < min_trades:
        status = TrialStatus.TOO_FEW_TRADES
    elif value is None:
        status = TrialStatus.UNDEFINED
    else:
        status = TrialStatus.OK
    return Trial(number=number, params=params, status=status, score=value, metrics=metrics)


def is_better(trial: Trial, best: Trial | None, target: Target) -> bool:
    """Tell whether the trial beats the best so far; of equals the earlier stays."""
    if trial.status is not TrialStatus.OK or trial.score is None:
        return False
    if best is None or best.score is None:
        return True
    return trial.score < best.score if target is Target.DRAWDOWN else trial.score > best.score


def best_of(trials: Iterable[Trial], target: Target) -> Trial | None:
    """Find the best trial; None if none can be it."""
    best: Trial | None = None
    for trial in trials:
        if is_better(trial, best, target):
            best = trial
    return best
