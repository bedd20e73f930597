"""The metrics of a run from its equity at every bar and the list of its trades: the report's path."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stratopt_server.domain.market import FloatColumn
from stratopt_server.domain.report import ReportSeries, Trade
from stratopt_server.domain.runs import RunTerms
from stratopt_server.engine.kernels.book import BREAK_EVEN
from stratopt_server.engine.kernels.book import NOISE as FALL_NOISE
from stratopt_server.engine.kernels.lows import TAIL
from stratopt_server.engine.metrics import NOISE, annual_growth, defined, ratio
from stratopt_server.engine.prepare import day_ends


@dataclass(frozen=True, slots=True, eq=False)
class Paid:
    """What a run traded and paid in all."""

    fees: float
    traded: float
    carry: float


def measure(series: ReportSeries, trades: tuple[Trade, ...], terms: RunTerms, paid: Paid) -> dict[str, Any]:
    """Compute every figure of `Metrics` but the counts of refused orders and the run's status."""
    count, root = len(series.equity), math.sqrt(terms.bars_per_year)
    returns = changes(series.equity, terms.initial_cash)
    mean = math.fsum(returns) / count
    deviation = float(np.std(returns, ddof=1)) if count > 1 else None
    downside = math.sqrt(math.fsum(np.minimum(returns, 0.0) ** 2) / count)
    final, fall = float(series.equity[-1]), float(series.drawdown.max())
    total_return = final / terms.initial_cash - 1.0
    cagr = annual_growth(total_return, terms.bars_per_year / count)
    skewness, kurtosis = _shape(returns, mean)
    value_at_risk, tail = _tail(series, terms.initial_cash)
    return {
        "total_return": defined(total_return),
        "cagr": cagr,
        "sharpe_ratio": None if deviation is None else ratio(mean * root, deviation, NOISE),
        "sortino_ratio": ratio(mean * root, downside, NOISE),
        "calmar_ratio": None if cagr is None else ratio(cagr, fall, NOISE),
        "volatility": None if deviation is None else defined(deviation * root),
        "max_drawdown": defined(fall),
        **_of_trades(trades),
        "exposure": float(np.mean(series.position != 0)),
        "fees_paid": defined(paid.fees),
        "final_equity": defined(final),
        "bar_count": count,
        "longest_drawdown_bars": _longest_run(series.drawdown > FALL_NOISE),
        "turnover": ratio(paid.traded * terms.bars_per_year, math.fsum(series.equity)),
        "var_95": defined(value_at_risk),
        "cvar_95": defined(tail),
        "skewness": skewness,
        "kurtosis": kurtosis,
        "carry_paid": defined(paid.carry),
    }


def changes(equity: FloatColumn, initial_cash: float) -> FloatColumn:
    """Compute the return of each step; an account that has lost everything earns nothing more."""
    before = np.concatenate(([initial_cash], equity[:-1]))
    return np.divide(equity - before, before, out=np.zeros(len(equity)), where=before > 0)


def _of_trades(trades: tuple[Trade, ...]) -> dict[str, Any]:
    """Compute what is known from the trades that have ended."""
    closed = [trade for trade in trades if trade.exit_time is not None]
    profits = [trade.profit for trade in closed]
    wins = [trade.profit for trade in closed if trade.return_ > BREAK_EVEN]
    gain = math.fsum(wins)
    pain = -math.fsum(trade.profit for trade in closed if trade.return_ < -BREAK_EVEN)
    return {
        "trade_count": len(closed),
        "open_trade_count": len(trades) - len(closed),
        "win_rate": ratio(len(wins), len(closed)),
        "profit_factor": ratio(gain, pain),
        "expectancy": ratio(math.fsum(profits), len(profits)),
    }


def _shape(returns: FloatColumn, mean: float) -> tuple[float | None, float | None]:
    """Compute skewness and kurtosis; None where the returns do not vary."""
    distance = returns - mean
    with np.errstate(over="ignore", invalid="ignore"):
        variance, third, fourth = (float(np.mean(distance**power)) for power in (2, 3, 4))
    if not NOISE < math.sqrt(variance) < math.inf:
        return None, None
    return ratio(third, variance * math.sqrt(variance)), ratio(fourth, variance * variance)


def _tail(series: ReportSeries, initial_cash: float) -> tuple[float, float]:
    """Compute value at risk and the mean loss of the tail, of daily returns."""
    days = np.sort(changes(series.equity[day_ends(series.time)], initial_cash))
    worst = days[: int(TAIL * (len(days) - 1)) + 1]
    return 0.0 - float(np.quantile(days, TAIL)), 0.0 - float(worst.mean())


def _longest_run(flags: NDArray[np.bool_]) -> int:
    """Count the longest run of flags that are set."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return int(np.max(edges[1::2] - edges[::2], initial=0))
