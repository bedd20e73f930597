"""From a run's totals, as the kernels leave them, to its metrics."""

import math

from stratopt_server.domain.metrics import Metrics
from stratopt_server.domain.runs import RunTerms
from stratopt_server.engine.kernels import account as column
from stratopt_server.engine.kernels.tables import Floats2
from stratopt_server.engine.metrics import NOISE, annual_growth, defined, ratio


def to_metrics(totals: Floats2, bar_count: int, terms: RunTerms) -> list[Metrics]:
    """Turn each row of totals into metrics."""
    return [_one(total, bar_count, terms) for total in totals.tolist()]


def _one(total: list[float], bar_count: int, terms: RunTerms) -> Metrics:
    """Turn one row of totals into metrics."""
    year, root = terms.bars_per_year, math.sqrt(terms.bars_per_year)
    trades, fall = total[column.TRADES], total[column.FALL]
    total_return = total[column.EQUITY] / terms.initial_cash - 1.0
    cagr = annual_growth(total_return, year / bar_count)
    mean = total[column.SUM_RETURN] / bar_count
    squares = max(0.0, total[column.SUM_SQUARE] - mean * total[column.SUM_RETURN])
    deviation = math.sqrt(squares / (bar_count - 1)) if bar_count > 1 else None
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
        open_trade_count=int(total[column.BOUGHT] >= 0),
        win_rate=ratio(total[column.WINS], trades),
        profit_factor=ratio(total[column.GAIN], total[column.PAIN]),
        expectancy=ratio(total[column.GAIN] - total[column.PAIN], trades),
        exposure=total[column.HELD] / bar_count,
        fees_paid=defined(total[column.FEES]),
        final_equity=defined(total[column.EQUITY]),
        bar_count=bar_count,
    )
