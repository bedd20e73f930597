"""The report of one backtest: its metrics, what happened at every bar, and its trades."""

from dataclasses import dataclass

from stratopt_server.domain.market import FloatColumn, TimeColumn
from stratopt_server.domain.metrics import Metrics


@dataclass(frozen=True, slots=True, eq=False)
class ReportSeries:
    """A column each, one entry a bar."""

    time: TimeColumn
    """Open time, microseconds since 1970-01-01 UTC."""
    equity: FloatColumn
    """At the close, in the quote currency."""
    drawdown: FloatColumn
    """Fall of equity from its peak, a positive fraction; the initial cash is a peak."""
    position: FloatColumn
    """Quantity held at the close, in the base currency; negative when short."""
    benchmark_equity: FloatColumn
    """Equity of buying at the first open and holding, without costs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """A round trip, or the position still open at the end. Times are open times of bars, in microseconds."""

    entry_time: int
    entry_price: float
    """Slippage included."""
    exit_time: int | None
    """None while open."""
    exit_price: float
    """Slippage included; of an open one the last close."""
    size: float
    """In the base currency."""
    profit: float
    """After fees and carry, in the quote currency."""
    return_: float
    """Profit / value at the entry."""
    fees: float
    """Of both sides."""
    short: bool = False
    """Whether it was sold first and bought back."""
    carry: float = 0.0
    """Borrow and funding paid while it was held; the profit is net of it."""


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """Everything that is kept of a succeeded backtest."""

    metrics: Metrics
    series: ReportSeries
    trades: tuple[Trade, ...]
