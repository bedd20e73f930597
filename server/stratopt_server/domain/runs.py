"""What a run is: on which bars, at what cost, with which parameters or searching which."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from stratopt_server.domain.goals import Goal
from stratopt_server.domain.parameters import ParameterRange, ParameterValue
from stratopt_server.domain.validation import NO_STOP_RULE, StopRule, Validation


class Fill(Enum):
    """When an order decided on a bar's close is filled."""

    NEXT_OPEN = "next_open"
    CLOSE = "close"


class Direction(Enum):
    """Which side of the market a strategy may take."""

    LONG = "long"
    SHORT = "short"
    BOTH = "both"


class SizingKind(Enum):
    """How large an opening order is."""

    ALL_IN = "all_in"
    """All cash at hand, fees included."""
    FRACTION = "fraction"
    """A share of the cash at hand, fees included."""
    FIXED = "fixed"
    """An amount of the quote currency at the price before slippage, as far as the cash goes."""


class FillModel(Enum):
    """When a resting limit order of a grid fills inside a bar."""

    TOUCH = "touch"
    """When the bar reaches its line."""
    THROUGH = "through"
    """When the bar trades through it by one tick."""
    VOLUME = "volume"
    """As through, while the bar's fills stay within a share of its volume."""
    TOUCH_PATH = "touch_path"
    """As touch, along the path open, low, high, close of a rising bar, else open, high, low, close."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What trading costs. Fractions lie in [0, 1)."""

    taker_fee: float
    """Of the traded value of orders that take: market orders and stops."""
    slippage: float
    """How far the price of each order that takes moves against us."""
    maker_fee: float | None = None
    """Of the traded value of resting limit orders: those of a grid, and take profit. None: the taker fee."""
    fixed_fee: float = 0.0
    """Of each order, in the quote currency."""
    impact: float = 0.0
    """Further slippage of an order as large as the bar's whole volume; it grows in proportion."""

    @property
    def resting_fee(self) -> float:
        """Of the traded value of resting limit orders."""
        return self.taker_fee if self.maker_fee is None else self.maker_fee


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketRules:
    """What the exchange takes; 0 stands for no such rule."""

    min_notional: float = 0.0
    """Least value of an opening order, in the quote currency; one below it is refused and counted."""
    lot_size: float = 0.0
    """Quantities are whole multiples of it, in the base currency; one that rounds to 0 is refused."""
    tick_size: float = 0.0
    """Step of prices: how far a bar must trade through a line of a grid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """How large an opening order is."""

    kind: SizingKind = SizingKind.ALL_IN
    amount: float = 1.0
    """The share, or the amount of the quote currency; without meaning for all_in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stops:
    """Exits that wait inside the bars, as shares of the mean entry price, slippage included; None: none."""

    stop_loss: float | None = None
    take_profit: float | None = None
    trailing_stop: float | None = None
    """Of the best price since the entry: the entry's, or an extreme of a bar that has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingRate:
    """What longs pay shorts, once, on the value of the position at the close of the bar it falls into.

    A moment between two bars falls into the first of them, which closes then.
    """

    time: datetime
    rate: float
    """A fraction; negative where shorts pay longs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carry:
    """What holding a position costs."""

    borrow_rate: float = 0.0
    """What a short pays on its value at each bar's close, a fraction."""
    funding: tuple[FundingRate, ...] = ()
    """In ascending time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTerms:
    """Everything but bars and parameters that the result of a run depends on."""

    costs: Costs
    initial_cash: float
    fill: Fill
    bars_per_year: float
    direction: Direction = Direction.LONG
    sizing: Sizing = Sizing()
    stops: Stops = Stops()
    rules: MarketRules = MarketRules()
    carry: Carry = Carry()
    fill_model: FillModel = FillModel.THROUGH
    """Of grids."""
    participation: float = 0.1
    """Largest share of a bar's volume that fills under the fill model `volume`, in (0, 1]."""


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
    bar_count: int = 0
    """Bars between the dates; 0 in rows that were written before it was kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestSpec:
    """One run with one set of parameters, every parameter given."""

    scenario: Scenario
    params: dict[str, ParameterValue]


class Algorithm(Enum):
    """How a search chooses what to try."""

    GRID = "grid"
    RANDOM = "random"
    GENETIC = "genetic"
    BAYESIAN = "bayesian"
    SOBOL = "sobol"
    NSGA2 = "nsga2"
    TPE = "tpe"


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizationSpec:
    """A search, with everything its result depends on."""

    scenario: Scenario
    fixed_params: dict[str, ParameterValue]
    """Every parameter that is not searched."""
    param_ranges: dict[str, ParameterRange]
    constraints: tuple[str, ...] = ()
    """Relations that every trial satisfies, the strategy's own among them."""
    goal: Goal
    max_iterations: int
    """Most trials of each search: the one for the best, and each window's."""
    planned_iterations: int
    """The same before it was extended: what the searcher was made for."""
    algorithm: Algorithm
    seed: int
    validation: Validation
    stop_rule: StopRule = NO_STOP_RULE
    initial_params: tuple[dict[str, ParameterValue], ...] = ()
    """Sets that are tried first, every parameter given."""
    min_trades: int
    batch_size: int
    """Trials proposed at a time; part of the spec, so that the same seed gives the same trials."""
    points: int | None = None
    """Feasible points, where they were counted: no search makes more trials."""
    feasible_share: float | None = None
    """Of all points, where it was estimated."""

    @property
    def trials_max(self) -> int:
        """Most trials that all searches together make."""
        each = self.max_iterations if self.points is None else min(self.points, self.max_iterations)
        return each * (1 + len(self.validation.windows))
