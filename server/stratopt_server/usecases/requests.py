"""What callers ask for, as plain values; None stands for what they left out."""

from dataclasses import dataclass
from datetime import datetime

from stratopt_server.domain.errors import Violation
from stratopt_server.domain.goals import Objective, Target
from stratopt_server.domain.parameters import ParameterRange, ParameterValue
from stratopt_server.domain.ports import RequestKey
from stratopt_server.domain.runs import Algorithm, Direction, Fill, FillModel, FundingRate, SizingKind
from stratopt_server.domain.validation import NO_STOP_RULE, StopRule, ValidationMethod
from stratopt_server.market.read import FileFormat


@dataclass(frozen=True, slots=True)
class Call:
    """Tells a repeated call from a new one; `key` is None where the caller gave no request_id."""

    key: RequestKey | None
    digest: str
    """Hash of everything in the request but its request_id."""
    caller: str = ""
    """Who calls, as they name themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostsRequest:
    """What trading shall cost."""

    taker_fee: float | None = None
    slippage: float | None = None
    maker_fee: float | None = None
    fixed_fee: float | None = None
    impact: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SizingRequest:
    """How large an opening order shall be."""

    kind: SizingKind | None = None
    amount: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingRequest:
    """How a run shall trade. Where 0 stands for none, it is also what is left out."""

    direction: Direction | None = None
    sizing: SizingRequest = SizingRequest()
    stop_loss: float | None = None
    take_profit: float | None = None
    trailing_stop: float | None = None
    min_notional: float = 0.0
    lot_size: float = 0.0
    tick_size: float = 0.0
    borrow_rate: float = 0.0
    funding: tuple[FundingRate, ...] = ()
    fill_model: FillModel | None = None
    participation: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What every run is asked with."""

    symbol: str
    strategy_id: str
    exchange: str | None = None
    timeframe: str | None = None
    start_date: datetime | None = None
    end_date: datetime | None = None
    costs: CostsRequest = CostsRequest()
    initial_cash: float | None = None
    fill: Fill = Fill.NEXT_OPEN
    trading: TradingRequest = TradingRequest()
    priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestRequest:
    """One run with one set of parameters. `faults` were found while it was read."""

    faults: tuple[Violation, ...] = ()

    run: RunRequest
    params: dict[str, ParameterValue]
    recompute: bool = False
    """Run it although the same run has a result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationRequest:
    """How a search shall be tested."""

    method: ValidationMethod | None = None
    windows: int | None = None
    rolling: bool = False
    purge_bars: int | None = None
    holdout: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizationRequest:
    """A search. `faults` were found while it was read."""

    faults: tuple[Violation, ...] = ()

    run: RunRequest
    param_ranges: dict[str, ParameterRange]
    fixed_params: dict[str, ParameterValue]
    constraints: tuple[str, ...] = ()
    target: Target | None = None
    objectives: tuple[Objective, ...] = ()
    max_iterations: int | None = None
    algorithm: Algorithm | None = None
    seed: int | None = None
    holdout: float | None = None
    """Short for a validation."""
    validation: ValidationRequest | None = None
    stop_rule: StopRule = NO_STOP_RULE
    initial_params: tuple[dict[str, ParameterValue], ...] = ()
    min_trades: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyRequest:
    """A strategy to store, or the fields of one to change; None leaves a field as it is."""

    id: str
    name: str | None = None
    version: str | None = None
    code: str | None = None
    default_params: dict[str, ParameterValue] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """What a file of bars holds. `faults` were found while it was read."""

    faults: tuple[Violation, ...] = ()

    symbol: str
    exchange: str | None = None
    timeframe: str = ""
    """Empty means told from the rows."""
    file_format: FileFormat = FileFormat.AUTO
    bars_per_year: float | None = None
