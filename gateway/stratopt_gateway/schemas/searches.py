"""What to search, how to test it, and when to stop."""

from typing import Literal

from pydantic import ConfigDict, Field

from stratopt_gateway.schemas.base import DATE, ParamRanges, Params, Request
from stratopt_gateway.schemas.run import RunRequest

Target = Literal["sharpe", "return", "drawdown", "sortino", "calmar", "profit_factor"]
Algorithm = Literal["grid", "random", "genetic", "bayesian", "sobol", "nsga2", "tpe"]
ValidationMethod = Literal["walk_forward", "holdout", "none"]


class Objective(Request):
    """One of several figures to make best at once."""

    target: Target
    weight: float | None = Field(
        None,
        description=(
            "Above 0. All objectives have one: their weighted sum is made largest, a drawdown counting "
            "negative. None has: the answer is a Pareto front."
        ),
        examples=[0.7],
    )


class ValidationAsked(Request):
    """How to test what is found on bars that the search does not see."""

    method: ValidationMethod | None = Field(
        None, description="Not given: walk_forward, or holdout where holdout is given."
    )
    windows: int | None = Field(
        None,
        description="Of a walk-forward: how many windows tile the second half of the bars, 2 to 50; "
        "not given: 5.",
    )
    rolling: bool | None = Field(
        None, description="Of a walk-forward: train each window on equally many bars, not on all before it."
    )
    purge_bars: int | None = Field(
        None,
        description="Of a walk-forward: bars left out between training and test; not given: the longest "
        "look-back that the ranges allow, at most a quarter of the first training bars.",
    )
    holdout: float | None = Field(
        None, description="Of a holdout: share of the bars, above 0 and up to 0.9; not given: 0.3."
    )


class StopRule(Request):
    """When to stop before max_iterations."""

    time_budget_seconds: float | None = Field(
        None, description="No batch is begun after it; what is found then depends on the machine."
    )
    target_score: float | None = Field(None, description="Stop once the best score reaches it.")
    plateau: bool | None = Field(
        None,
        description="Stop once the score has not risen by more than 0.01 or 1 % over a fifth of the budget.",
    )


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
            "number real numbers; [5, 50] from one to the other in the parameter's own type; three values "
            'and more, words, or {"choices": [...]} these values.'
        )
    )
    optimization_target: Target | None = Field(
        None, description="What to make best; not given: sharpe. A drawdown is made smallest."
    )
    objectives: list[Objective] | None = Field(
        None,
        description="Two to four figures to make best at once, in place of optimization_target.",
        examples=[[{"target": "sharpe"}, {"target": "drawdown"}]],
    )
    constraints: list[str] | None = Field(
        None,
        description="Relations between parameters that every trial satisfies: arithmetic and comparisons of "
        "names and numbers, and, or, not.",
        examples=[["fast_period * 2 < slow_period"]],
    )
    max_iterations: int = Field(
        100,
        description="Most trials of each search: of the one for the best, and of each window's.",
    )
    start_date: str | None = Field(None, description=f"First bar. {DATE}")
    end_date: str | None = Field(None, description=f"Last bar; a day without a time is included. {DATE}")
    fixed_params: Params | None = Field(None, description="Values of parameters that are not searched.")
    algorithm: Algorithm | None = Field(
        None,
        description="Not given: nsga2 for objectives without weights, grid if it fits into max_iterations, "
        "bayesian for slow runs and up to 200 trials, else genetic.",
    )
    seed: int | None = Field(None, description="Makes the search repeatable.", ge=0)
    validation: ValidationAsked | None = Field(None, description="Not given: a walk-forward of five windows.")
    holdout: float | None = Field(
        None,
        description="Short for a validation: share of the bars, at the end, that the search does not see; "
        "0 for none. Refused beside validation.",
    )
    stop_rule: StopRule | None = Field(None, description="Not given: it makes all its trials.")
    initial_params: list[Params] | None = Field(
        None,
        description="Sets to try first, within the ranges and on their steps.",
        examples=[[{"fast_period": 10, "slow_period": 60}]],
    )
    min_trades: int | None = Field(None, description="Round trips a trial needs to be the best.")


class Extend(Request):
    """How far to extend a search."""

    model_config = ConfigDict(json_schema_extra={"example": {"max_iterations": 500}})

    max_iterations: int = Field(description="The new max_iterations; more than before.")
