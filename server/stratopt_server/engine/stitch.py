"""Out-of-sample tests, one behind the other: the equity of an account that runs each in turn.

A test may run over bars before its own, on which its strategy warms up and cannot trade; they do not count.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stratopt_server.domain.market import Bars, FloatColumn
from stratopt_server.domain.metrics import Metrics, RunStatus
from stratopt_server.domain.parameters import Params
from stratopt_server.domain.report import ReportSeries
from stratopt_server.domain.runs import RunTerms
from stratopt_server.engine.kernels import columns as column
from stratopt_server.engine.measure import Paid, measure
from stratopt_server.engine.metrics import ratio
from stratopt_server.engine.replay import replay
from stratopt_server.engine.sweep import Sweeper
from stratopt_server.engine.totals import run_status

MONEY = (column.GAIN, column.PAIN, column.FEES, column.TRADED, column.CARRY)
"""Totals that grow with the account."""


@dataclass(frozen=True, slots=True, eq=False)
class Test:
    """One test, of an account that begins it with the initial cash."""

    time: NDArray[np.int64]
    equity: FloatColumn
    """At each close."""
    position: FloatColumn
    totals: FloatColumn
    """Of the run, in the order of `kernels.columns`; zeros where nothing was run."""


def run_test(kernel: str, bars: Bars, params: Params, terms: RunTerms, *, warm_up: int) -> Test:
    """Run one parameter set on bars of which the first `warm_up` are not part of the test."""
    sweeper = Sweeper(kernel, bars, terms)
    fills, _ = sweeper.orders(params)
    booked = replay(sweeper.market, fills, terms)
    return Test(
        bars.time[warm_up:],
        booked.equity[warm_up:],
        booked.position[warm_up:],
        sweeper.totals([params]).rows[0],
    )


def no_test(bars: Bars, terms: RunTerms) -> Test:
    """The test of an account that stays out of the market."""
    flat = np.full(len(bars), terms.initial_cash)
    return Test(bars.time, flat, np.zeros(len(bars)), np.zeros(column.TOTALS))


@dataclass(frozen=True, slots=True, eq=False)
class Stitched:
    """Tests as one run."""

    metrics: Metrics
    time: NDArray[np.int64]
    equity: FloatColumn


def stitch(tests: Sequence[Test], terms: RunTerms) -> Stitched:
    """Measure the tests as one run, in their order; each begins with what the one before it left.

    Amounts of money are those of that account. Refused orders are added up.
    """
    growth = np.array([test.equity[-1] / terms.initial_cash for test in tests])
    scale = np.concatenate(([1.0], np.cumprod(growth)[:-1]))
    equity = np.concatenate([test.equity * factor for test, factor in zip(tests, scale, strict=True)])
    totals = np.sum([_scaled(test.totals, factor) for test, factor in zip(tests, scale, strict=True)], axis=0)
    peak = np.maximum(np.maximum.accumulate(equity), terms.initial_cash)
    series = ReportSeries(
        time=np.concatenate([test.time for test in tests]),
        equity=equity,
        drawdown=(peak - equity) / peak,
        position=np.concatenate([test.position for test in tests]),
        benchmark_equity=np.zeros(len(equity)),
    )
    paid = Paid(fees=totals[column.FEES], traded=totals[column.TRADED], carry=totals[column.CARRY])
    metrics = Metrics(**measure(series, (), terms, paid), run_status=_status(totals))
    return Stitched(replace(metrics, **_of_trades(totals)), series.time, equity)


def _scaled(totals: FloatColumn, factor: float) -> FloatColumn:
    scaled = totals.copy()
    scaled[list(MONEY)] *= factor
    return scaled


def _of_trades(totals: FloatColumn) -> dict[str, Any]:
    """What a sweep knows of the trades."""
    trades = float(totals[column.TRADES])
    return {
        "trade_count": int(trades),
        "open_trade_count": int(totals[column.OPEN_TRADES]),
        "win_rate": ratio(float(totals[column.WINS]), trades),
        "profit_factor": ratio(float(totals[column.GAIN]), float(totals[column.PAIN])),
        "expectancy": ratio(float(totals[column.GAIN] - totals[column.PAIN]), trades),
        "refused_min_notional": int(totals[column.REFUSED_NOTIONAL]),
        "refused_lot_size": int(totals[column.REFUSED_LOT]),
        "refused_no_cash": int(totals[column.REFUSED_CASH]),
        "refused_no_volume": int(totals[column.REFUSED_VOLUME]),
    }


def _status(totals: FloatColumn) -> RunStatus:
    trades = float(totals[column.TRADES] + totals[column.OPEN_TRADES])
    return run_status(trades, liquidated=bool(totals[column.LIQUIDATED] > 0.0))
