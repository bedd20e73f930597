"""From a run's totals, as the kernels leave them, to its metrics."""

import math

from stratopt_server.domain.metrics import Metrics, ReturnMoments, RunStatus
from stratopt_server.domain.runs import RunTerms
from stratopt_server.engine.kernels import columns as column
from stratopt_server.engine.kernels.terms import Floats2
from stratopt_server.engine.metrics import NOISE, PowerSums, annual_growth, defined, ratio


def to_metrics(totals: Floats2, bar_count: int, terms: RunTerms) -> list[Metrics]:
    """Turn each row of totals into metrics."""
    return [_one(total, bar_count, terms) for total in totals.tolist()]


def to_daily(totals: Floats2) -> list[ReturnMoments | None]:
    """Turn each row of totals into the moments of its daily returns; None where they do not vary."""
    return [_powers(total, column.DAYS, column.DAY_SUM).moments() for total in totals.tolist()]


def _powers(total: list[float], count: int, first: int) -> PowerSums:
    """Read four sums of powers that stand side by side."""
    return PowerSums(int(total[count]), *total[first : first + 4])


def _one(total: list[float], bar_count: int, terms: RunTerms) -> Metrics:
    """Turn one row of totals into metrics."""
    year, root = terms.bars_per_year, math.sqrt(terms.bars_per_year)
    trades, fall = total[column.TRADES], total[column.FALL]
    total_return = total[column.EQUITY] / terms.initial_cash - 1.0
    cagr = annual_growth(total_return, year / bar_count)
    returns = PowerSums(bar_count, *total[column.SUM_RETURN : column.SUM_RETURN + 4])
    mean, deviation = returns.mean, returns.deviation
    downside = math.sqrt(total[column.SUM_LOSS] / bar_count)
    return Metrics(
        total_return=defined(total_return),
        cagr=cagr,
        sharpe_ratio=None if deviation is None else ratio(mean * root, deviation, NOISE),
        sortino_ratio=ratio(mean * root, downside, NOISE),
        calmar_ratio=None if cagr is None else ratio(cagr, fall, NOISE),
        volatility=None if deviation is None else defined(deviation * root),
        max_drawdown=defined(fall),
        trade_count=int(trades),
        open_trade_count=int(total[column.OPEN_TRADES]),
        win_rate=ratio(total[column.WINS], trades),
        profit_factor=ratio(total[column.GAIN], total[column.PAIN]),
        expectancy=ratio(total[column.GAIN] - total[column.PAIN], trades),
        exposure=total[column.HELD] / bar_count,
        fees_paid=defined(total[column.FEES]),
        final_equity=defined(total[column.EQUITY]),
        bar_count=bar_count,
        longest_drawdown_bars=int(total[column.LONGEST]),
        turnover=ratio(total[column.TRADED] * year, total[column.SUM_EQUITY]),
        var_95=defined(total[column.VAR]),
        cvar_95=defined(total[column.CVAR]),
        skewness=returns.skewness,
        kurtosis=returns.kurtosis,
        carry_paid=defined(total[column.CARRY]),
        refused_min_notional=int(total[column.REFUSED_NOTIONAL]),
        refused_lot_size=int(total[column.REFUSED_LOT]),
        refused_no_cash=int(total[column.REFUSED_CASH]),
        refused_no_volume=int(total[column.REFUSED_VOLUME]),
        run_status=run_status(trades + total[column.OPEN_TRADES], liquidated=total[column.LIQUIDATED] > 0.0),
    )


def run_status(trades: float, *, liquidated: bool) -> RunStatus:
    """Tell whether the run traded; trades are those completed and those still open."""
    if liquidated:
        return RunStatus.LIQUIDATED
    return RunStatus.TRADED if trades > 0 else RunStatus.NEVER_TRADED
