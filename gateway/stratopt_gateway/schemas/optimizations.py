"""Optimizations."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from stratopt.v1.optimization_pb2 import Optimization
from stratopt.v1.optimization_pb2 import Trial as TrialMessage
from stratopt_client import to_dict
from stratopt_gateway.schemas.base import (
    DATE,
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
from stratopt_gateway.schemas.run import RunAnswer, RunRequest, run_fields

OPTIMIZATION_ID = "opt_1m83w2wbg8y3q3mda"
Target = Literal["sharpe", "return", "drawdown"]
Algorithm = Literal["grid", "random"]


class StartOptimization(RunRequest):
    """What to search, and what to make best."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "symbol": "BTC/USDT",
                "strategy_id": "ma_cross_v1.0",
                "param_ranges": {
                    "fast_period": {"min": 5, "max": 50, "step": 5},
                    "slow_period": [60, 240],
                },
                "optimization_target": "sharpe",
                "max_iterations": 100,
            }
        }
    )

    param_ranges: ParamRanges = Field(
        description=(
            'What may be tried, by parameter: {"min": 5, "max": 50, "step": 1}, with "log" or any real '
            "number real numbers; [5, 50] from one to the other; three values and more, words, or "
            '{"choices": [...]} these values.'
        )
    )
    optimization_target: Target = Field("sharpe", description="What to make best.")
    max_iterations: int = Field(100, description="Most trials made.")
    start_date: str | None = Field(None, description=f"First bar. {DATE}")
    end_date: str | None = Field(None, description=f"Last bar; a day without a time is included. {DATE}")
    fixed_params: Params | None = Field(None, description="Values of parameters that are not searched.")
    algorithm: Algorithm | None = Field(
        None, description="Not given: grid if it fits into max_iterations, else random."
    )
    seed: int | None = Field(None, description="Makes the search repeatable.", ge=0)
    holdout: float | None = Field(
        None, description="Share of the bars, at the end, that the search does not see; not given: 0.3."
    )
    min_trades: int | None = Field(None, description="Round trips a trial needs to be the best.")


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


class OptimizationStatus(RunAnswer, OptimizationState):
    """An optimization as it stands, with the best so far."""

    trials_done: int
    trials_total: int
    eta_seconds: float | None = Field(description="Seconds until the end, once measured.")
    best: Best | None = Field(description="Null while no trial can be it.")
    param_ranges: ParamRanges
    fixed_params: Params
    optimization_target: Target
    max_iterations: int
    algorithm: Algorithm
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
                "best": _best(plain["best"]),
            }
        )


def _best(plain: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if plain is None else {**plain["trial"], "out_of_sample": plain["out_of_sample"]}
