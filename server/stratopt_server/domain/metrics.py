"""What a run earned and risked."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Figures of one run. Ratios are fractions, money is in the quote currency.

    None means the figure is not defined for the run; it is never NaN or infinite.
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
