"""The keyword arguments of the calls, written once for the async and the sync face.

Every one may be left out or be None: the server, or the strategy, then has its default.
"""

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, Required, TypedDict

from stratopt_client._params import Params
from stratopt_client._times import When

Fill = Literal["next_open", "close"]
"""When an order decided on a bar's close is filled."""
Direction = Literal["long", "short", "both"]
"""Which side of the market a strategy may take."""
Sizing = Literal["all_in"] | tuple[Literal["fraction", "fixed"], float]
"""How large an opening order is: all cash, a share of it, or an amount of the quote currency."""
Funding = Iterable[tuple[When, float]]
"""When longs pay shorts, and how much of the position's value; negative where shorts pay longs."""
FillModel = Literal["touch", "through", "volume", "touch_path"]
"""When a resting limit order of a grid fills inside a bar."""
Target = Literal["sharpe", "return", "drawdown", "sortino", "calmar", "profit_factor"]
"""What a search makes best."""
Algorithm = Literal["grid", "random", "genetic", "bayesian", "sobol", "nsga2", "tpe"]
"""How a search chooses; None lets the server choose."""
ValidationMethod = Literal["walk_forward", "holdout", "none"]
"""How a search is tested on bars that it does not see."""
Format = Literal["parquet", "csv"]
"""How a file of bars is written; None lets the server tell from its first bytes."""
Status = Literal["pending", "running", "succeeded", "failed", "cancelled", "paused"]
"""Where a job stands."""
TrialStatus = Literal["ok", "too_few_trades", "undefined"]
"""Whether a trial can be the best one."""
ReportOrder = Literal["sharpe", "return", "drawdown"]
"""What a list of reports begins with: the best by one figure; None is the newest."""
TrialFormat = Literal["csv", "parquet"]
"""How a file of trials is written."""
Outcome = Literal["approve", "review", "reject"]
"""What a decision came to."""
ImportProgress = Callable[[int, int], None]
"""Called with the bytes sent so far and the bytes in all."""


class RunOptions(TypedDict, total=False):
    """What backtests and optimizations have in common."""

    exchange: str | None
    timeframe: str | None
    start_date: When | None
    end_date: When | None
    """A date without a time includes that day, in UTC."""
    taker_fee: float | None
    """Of the traded value of orders that take: market orders and stops."""
    slippage: float | None
    maker_fee: float | None
    """Of the traded value of resting limit orders; the taker fee where it is left out."""
    fixed_fee: float | None
    """Of each order, in the quote currency."""
    impact: float | None
    """Further slippage of an order as large as the bar's whole volume."""
    initial_cash: float | None
    fill: Fill | None
    direction: Direction | None
    sizing: Sizing | None
    """`"all_in"`, `("fraction", 0.5)` or `("fixed", 1000.0)`."""
    stop_loss: float | None
    """Loss at which a position is closed, a fraction of its entry price."""
    take_profit: float | None
    trailing_stop: float | None
    """Fall from the best price since the entry."""
    min_notional: float | None
    """Least value of an opening order that the exchange takes."""
    lot_size: float | None
    tick_size: float | None
    borrow_rate: float | None
    """What a short pays on its value each bar, a fraction."""
    funding: Funding | None
    """Pairs of (time, rate), times ascending; read once."""
    fill_model: FillModel | None
    """Of grids alone, as is the next."""
    participation: float | None
    """Largest share of a bar's volume that fills under the fill model `volume`."""
    priority: int | None
    """Place in the queue, -10 to 10: of pending jobs those of higher priority run first."""
    caller: str | None
    """Who asks, where it is not the client's own name: callers take turns in the queue."""
    request_id: str | None
    """The same id again gives the same answer; where none is given the client makes one."""


class BacktestOptions(RunOptions, total=False):
    """How to run a backtest."""

    params: Params | None
    recompute: bool | None
    """Run it although the same run, by the same engine, has a result that could be the answer at once."""


class Objective(TypedDict, total=False):
    """One of several figures to make best at once."""

    target: Required[Target]
    weight: float | None
    """All of them have one: their weighted sum is made largest. None has: the answer is a Pareto front."""


class ValidationOptions(TypedDict, total=False):
    """How a search is tested on bars that it does not see."""

    method: ValidationMethod | None
    windows: int | None
    """Of a walk-forward, as are the next two."""
    rolling: bool | None
    purge_bars: int | None
    holdout: float | None
    """Share of the bars that a holdout holds out."""


class StopRuleOptions(TypedDict, total=False):
    """When a search stops before it has made all its trials."""

    time_budget_seconds: float | None
    target_score: float | None
    plateau: bool | None
    """Once the score no longer rises."""


class OptimizationOptions(RunOptions, total=False):
    """How to search."""

    optimization_target: Target | None
    objectives: Sequence[Target | Objective] | None
    """Two to four figures, in place of optimization_target."""
    constraints: Sequence[str] | None
    """Relations between parameters, e.g. `fast_period * 2 < slow_period`."""
    max_iterations: int | None
    algorithm: Algorithm | None
    seed: int | None
    validation: ValidationMethod | ValidationOptions | None
    """Left out: a walk-forward of five windows."""
    holdout: float | None
    """Short for a validation: a share of the bars to hold out, 0 for none."""
    stop_rule: StopRuleOptions | None
    initial_params: Sequence[Params] | None
    """Sets to try first."""
    min_trades: int | None
    fixed_params: Params | None


class ImportOptions(TypedDict, total=False):
    """What a file of bars holds."""

    exchange: str | None
    timeframe: str | None
    format: Format | None
    bars_per_year: float | None


class StrategyFields(TypedDict, total=False):
    """What can be changed of a strategy; what is left out or None stays as it is."""

    name: str | None
    version: str | None
    code: str | None
    default_params: Params | None


class JobFilter(TypedDict, total=False):
    """Which jobs to list."""

    strategy_id: str | None
    symbol: str | None
    status: Status | None


class DatasetFilter(TypedDict, total=False):
    """Which datasets to list."""

    symbol: str | None
    exchange: str | None
    timeframe: str | None


class ReportFilter(TypedDict, total=False):
    """Which reports to list, and what comes first."""

    strategy_id: str | None
    symbol: str | None
    start_date: When | None
    """Only runs whose first bar opens at or after it."""
    end_date: When | None
    """Only runs whose last bar opens at or before it; a date without a time includes that day."""
    order: ReportOrder | None


class DecisionFilter(TypedDict, total=False):
    """Which decisions to list."""

    strategy_id: str | None
    symbol: str | None
    backtest_id: str | None
    outcome: Outcome | None


class PackageFilter(TypedDict, total=False):
    """Which parameter packages to list."""

    strategy_id: str | None
    symbol: str | None
    drafts: bool
    """Those that wait for a person's word, instead of those that may trade."""


class PipelineFilter(TypedDict, total=False):
    """Which pipelines to list."""

    symbol: str | None
    status: Status | None


def refuse_unknown(given: object, of: type, *, call: str) -> None:
    """Raise TypeError, as Python does, for a keyword the call does not have."""
    assert isinstance(given, dict), "keyword arguments are a dictionary"
    known = sorted(of.__optional_keys__)  # type: ignore[attr-defined]  # every TypedDict has it
    for name in given:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it takes {', '.join(known)}"
            raise TypeError(f"{call}() got an unexpected keyword argument {name!r}; {hint}")
