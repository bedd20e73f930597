"""Optimizations."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

from pydantic import BaseModel, Field

from stratopt.v1.optimization_pb2 import Optimization
from stratopt.v1.optimization_pb2 import Trial as TrialMessage
from stratopt_client import to_dict
from stratopt_gateway.schemas.base import (
    EstimatedTime,
    Failure,
    Metrics,
    Moment,
    ParamRanges,
    Params,
    Word,
    eta_seconds,
    fraction_done,
)
from stratopt_gateway.schemas.evidence import SearchEvidence
from stratopt_gateway.schemas.run import RunAnswer, run_fields
from stratopt_gateway.schemas.searches import Algorithm, Objective, StopRule, Target, ValidationMethod

OPTIMIZATION_ID = "opt_1m83w2wbg8y3q3mda"
TrialStatus = Literal["ok", "too_few_trades", "undefined"]


class OptimizationState(BaseModel):
    """Which optimization, and where it stands."""

    optimization_id: str = Field(examples=[OPTIMIZATION_ID])
    status: Word
    progress: float = Field(description="From 0 to 1.", ge=0, le=1, examples=[0.0])


class OptimizationStarted(OptimizationState):
    """The optimization as accepted."""

    estimated_time: EstimatedTime

    @classmethod
    def of(cls, optimization: Optimization, estimated_time: int) -> Self:
        """Describe an optimization, briefly."""
        plain = to_dict(optimization)
        return cls(
            optimization_id=plain["id"],
            status=plain["status"],
            progress=fraction_done(plain),
            estimated_time=estimated_time,
        )


class Trial(BaseModel):
    """One set of parameters that was tried."""

    number: int = Field(description="From 0, in the order they were made.")
    params: Params
    score: float | None = Field(description="Value of the target; null where it is not defined.")
    status: TrialStatus = Field(description="Whether it can be the best.")
    window: int | None = Field(
        description="Window of a walk-forward whose search made it; null for the search for the best."
    )
    metrics: Metrics = Field(description="Over the bars that the search sees.")

    @classmethod
    def of(cls, trial: TrialMessage) -> Self:
        """Describe a trial."""
        return cls.model_validate(to_dict(trial))


class Best(Trial):
    """The best trial so far."""

    out_of_sample: Metrics | None = Field(
        description="Over the held-out bars, which the search did not see; set at the end."
    )


class Trials(BaseModel):
    """A page of trials."""

    trials: list[Trial]
    next_page_token: str = Field(description="Asks for the next page; empty at the end.")

    @classmethod
    def of(cls, trials: Sequence[TrialMessage], next_page_token: str) -> Self:
        """Describe a page."""
        return cls(trials=[Trial.of(trial) for trial in trials], next_page_token=next_page_token)


class Robust(Best):
    """The trial in the middle of the best neighbourhood."""

    neighbours: int = Field(description="Trials that count as its neighbours.")
    neighbour_median: float = Field(description="Their median score, a drawdown counting negative.")


class Plateau(BaseModel):
    """How the score stands around the best."""

    neighbours: int
    median_ratio: float | None = Field(description="Median score of the neighbours / the best.")
    share_70: float | None = Field(description="Share of them with at least 0.7 of the best score.")


class Window(BaseModel):
    """One window of a walk-forward."""

    number: int
    train_start_date: Moment
    train_end_date: Moment
    test_start_date: Moment
    test_end_date: Moment
    best: Best | None = Field(description="Best of its search, with its metrics over the test.")
    stop_reason: str | None


class WalkForward(BaseModel):
    """Evidence about the procedure of searching: each window's best, run on the bars behind it."""

    windows: list[Window]
    out_of_sample: Metrics | None = Field(description="Of the tests, one behind the other; set at the end.")
    robust_out_of_sample: Metrics | None = Field(description="The same with each window's robust trial.")
    efficiency: float | None = Field(description="Mean annual return out of sample / in sample.")


class Validation(BaseModel):
    """How a search is tested."""

    method: ValidationMethod
    windows: int | None
    rolling: bool
    purge_bars: int | None
    holdout: float | None


class OptimizationStatus(RunAnswer, OptimizationState):
    """An optimization as it stands, with the best so far."""

    trials_done: int
    trials_total: int
    eta_seconds: float | None = Field(description="Seconds until the end, once measured.")
    best: Best | None = Field(description="Null while no trial can be it.")
    param_ranges: ParamRanges
    fixed_params: Params
    optimization_target: Target = Field(description="Of several objectives the first.")
    objectives: list[Objective] = Field(description="Empty where there is one figure alone.")
    constraints: list[str] = Field(description="The strategy's own among them.")
    max_iterations: int
    algorithm: Algorithm
    validation: Validation
    stop_rule: StopRule | None
    initial_params: list[Params]
    batch: int = Field(description="Batches so far; of a genetic algorithm its generations.")
    pareto_front: list[Best] = Field(description="Of objectives without weights: trials that none beats.")
    robust: Robust | None = Field(description="The robust pick beside the best; set at the end.")
    plateau: Plateau | None = Field(description="How the score stands around the best; set at the end.")
    walk_forward: WalkForward | None = Field(description="Its windows, as far as they have come.")
    trials_ever: int | None = Field(
        description="Distinct trials of this code on this market, of every job there was; set at the end."
    )
    evidence: SearchEvidence | None = Field(
        description="How much of what was found may be chance; set at the end."
    )
    seed: int = Field(description="The same seed gives the same trials.")
    holdout: float
    holdout_start_date: Moment | None = Field(description="Open time of the first held-out bar.")
    min_trades: int
    stop_reason: str | None
    warnings: list[str] = Field(description="What a reader of the result should know.")
    failure: Failure | None = Field(description="Set if it failed.")

    @classmethod
    def of(cls, optimization: Optimization) -> Self:
        """Describe an optimization."""
        plain = to_dict(optimization)
        progress = plain["progress"] or {"done": 0, "total": 0}
        return cls.model_validate(
            run_fields(plain)
            | {
                "optimization_id": plain["id"],
                "progress": fraction_done(plain),
                "trials_done": progress["done"],
                "trials_total": progress["total"],
                "eta_seconds": eta_seconds(plain),
                "batch": progress.get("batch", 0),
                "best": _best(plain["best"]),
                "robust": _best(plain["robust"]),
                "pareto_front": [_best(best) for best in plain["pareto_front"]],
                "walk_forward": _walk_forward(plain["walk_forward"]),
                "initial_params": [one["params"] for one in plain["initial_params"]],
            }
        )


def _best(plain: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Put the trial's own fields beside what it did out of sample."""
    return None if plain is None else {**plain["trial"], **plain}


def _walk_forward(plain: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if plain is None:
        return None
    windows = [{**window, "best": _best(window["best"])} for window in plain["windows"]]
    return {**plain, "windows": windows}
