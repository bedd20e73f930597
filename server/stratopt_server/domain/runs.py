"""What a run is: on which bars, at what cost, with which parameters or searching which."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from stratopt_server.domain.parameters import ParameterRange, ParameterValue


class Fill(Enum):
    """When an order decided on a bar's close is filled."""

    NEXT_OPEN = "next_open"
    CLOSE = "close"


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What trading costs, as fractions in [0, 1)."""

    taker_fee: float
    """Of the traded value."""
    slippage: float
    """How far each fill price moves against us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTerms:
    """Everything but bars and parameters that the result of a run depends on."""

    costs: Costs
    initial_cash: float
    fill: Fill
    bars_per_year: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One strategy on one stretch of one dataset, on its terms: a run without its parameters."""

    strategy_id: str
    code_hash: str
    exchange: str
    symbol: str
    timeframe: str
    dataset_hash: str
    start_date: datetime
    """Open time of the first bar."""
    end_date: datetime
    """Open time of the last bar."""
    terms: RunTerms


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestSpec:
    """One run with one set of parameters, every parameter given."""

    scenario: Scenario
    params: dict[str, ParameterValue]


class Target(Enum):
    """What a search makes best."""

    SHARPE = "sharpe"
    RETURN = "return"
    DRAWDOWN = "drawdown"


class Algorithm(Enum):
    """How a search chooses what to try."""

    GRID = "grid"
    RANDOM = "random"


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizationSpec:
    """A search, with everything its result depends on."""

    scenario: Scenario
    fixed_params: dict[str, ParameterValue]
    """Every parameter that is not searched."""
    param_ranges: dict[str, ParameterRange]
    target: Target
    max_iterations: int
    algorithm: Algorithm
    seed: int
    holdout: float
    """Share of the bars, at the end, that the search does not see."""
    holdout_start_date: datetime | None
    """Open time of the first held-out bar."""
    min_trades: int
    batch_size: int
    """Trials proposed at a time; part of the spec, so that the same seed gives the same trials."""
