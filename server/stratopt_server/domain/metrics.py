"""What a run earned and risked."""

from dataclasses import dataclass
from enum import Enum


class RunStatus(Enum):
    """Whether a run traded: why figures of one that did not are undefined."""

    TRADED = "traded"
    NEVER_TRADED = "never_traded"
    """No signal, or every order was refused."""
    LIQUIDATED = "liquidated"
    """The equity of a short fell to 0 or below: it was closed there, and nothing was traded after."""


@dataclass(frozen=True, slots=True)
class ReturnMoments:
    """What the statistics of a Sharpe ratio need to know of a series of returns."""

    count: int
    sharpe: float
    """Per period: mean / std with ddof 1."""
    skewness: float
    """m3 / m2^1.5, biased."""
    kurtosis: float
    """m4 / m2^2, biased and not excess."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Figures of one run. Ratios are fractions, money is in the quote currency.

    None means the figure is not defined for the run; it is never NaN or infinite. Figures of runs that
    were stored before a figure was known have it as None too.
    """

    total_return: float | None
    """Last equity / initial cash - 1."""
    cagr: float | None
    """(1 + total_return) ** (bars_per_year / bar_count) - 1."""
    sharpe_ratio: float | None
    """mean(r) / std(r, ddof=1) * sqrt(bars_per_year), r the net returns per bar, flat bars kept."""
    sortino_ratio: float | None
    """mean(r) / sqrt(mean(min(r, 0)^2)) * sqrt(bars_per_year)."""
    calmar_ratio: float | None
    """cagr / max_drawdown."""
    volatility: float | None
    """std(r, ddof=1) * sqrt(bars_per_year)."""
    max_drawdown: float | None
    """Largest fall from an earlier peak of equity, a positive fraction; the initial cash is a peak."""
    trade_count: int
    """Round trips completed."""
    open_trade_count: int
    """1 if a position is still open at the end, else 0."""
    win_rate: float | None
    """Share of completed round trips with a profit above 0, rounding aside, after costs."""
    profit_factor: float | None
    """Sum of winning / sum of losing completed round trips, after costs; None without a loser."""
    expectancy: float | None
    """Mean profit of a completed round trip after costs."""
    exposure: float | None
    """Share of bars at whose close a position is held."""
    fees_paid: float | None
    """Fees paid in all."""
    final_equity: float | None
    """Equity at the last close."""
    bar_count: int
    """Bars in the run."""
    longest_drawdown_bars: int | None = None
    """Most consecutive bars whose equity is below an earlier peak."""
    turnover: float | None = None
    """Traded value a year / mean equity."""
    var_95: float | None = None
    """Loss that 95 % of the days stay below: minus the 5 % quantile (linear) of the daily returns."""
    cvar_95: float | None = None
    """Mean loss of the worst days: minus the mean of the floor(0.05 (T-1)) + 1 lowest of T daily returns."""
    skewness: float | None = None
    """m3 / m2^1.5 of the returns per bar, biased."""
    kurtosis: float | None = None
    """m4 / m2^2 of the returns per bar, biased and not excess: 3 is normal."""
    carry_paid: float | None = None
    """Borrow and funding paid; negative where it was received."""
    refused_min_notional: int | None = None
    """Opening orders below the exchange's least value."""
    refused_lot_size: int | None = None
    """Opening orders that rounded to no lot."""
    refused_no_cash: int | None = None
    """Opening orders for which there was no cash."""
    refused_no_volume: int | None = None
    """Orders in bars without volume, where the price of an order depends on the volume."""
    run_status: RunStatus = RunStatus.TRADED
