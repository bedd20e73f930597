"""The report of one run, from a vectorbt Portfolio: the second path to the same truth as the sweep.

Only the booleans of the signals are shared with the sweep; equity, trades and metrics all come from
vectorbt's own simulation. This is the only module that imports vectorbt, which takes seconds.
"""

import math
from typing import Any

import numpy as np
import vectorbt as vbt
from numpy.typing import NDArray

from stratopt_server.domain.market import Bars, FloatColumn
from stratopt_server.domain.metrics import Metrics
from stratopt_server.domain.parameters import Params
from stratopt_server.domain.report import Report, ReportSeries, Trade
from stratopt_server.domain.runs import Costs, Fill, RunTerms
from stratopt_server.engine.catalog import kernel_named
from stratopt_server.engine.kernels.account import BREAK_EVEN, SMALLEST_SIZE
from stratopt_server.engine.metrics import NOISE, annual_growth, defined, disagreements, ratio
from stratopt_server.engine.prepare import prepare

__all__ = ["disagreements", "make_report", "preload", "simulate"]

BoolColumn = NDArray[np.bool_]

UNUSED: dict[str, Any] = {
    "short_entries": None,
    "short_exits": None,
    "size_type": "amount",
    "fixed_fees": 0.0,
    "max_size": np.inf,
    "size_granularity": np.nan,
    "reject_prob": 0.0,
    "lock_cash": False,
    "allow_partial": True,
    "raise_reject": False,
    "log": False,
    "accumulate": False,
    "upon_long_conflict": "ignore",
    "upon_short_conflict": "ignore",
    "upon_dir_conflict": "ignore",
    "upon_opposite_entry": "ignore",
    "val_price": np.inf,
    "open": np.nan,
    "high": np.nan,
    "low": np.nan,
    "sl_stop": np.nan,
    "sl_trail": False,
    "tp_stop": np.nan,
    "stop_entry_price": "close",
    "stop_exit_price": "stoplimit",
    "upon_stop_exit": "close",
    "upon_stop_update": "override",
    "use_stops": False,
    "cash_sharing": False,
    "call_seq": "default",
    "ffill_val_price": True,
    "update_value": False,
    "max_orders": None,
    "max_logs": None,
    "init_temp_records": False,
    "seed": None,
    "group_by": None,
    "broadcast_named_args": None,
    "broadcast_kwargs": None,
    "template_mapping": None,
    "wrapper_kwargs": None,
    "attach_call_seq": False,
    "fillna_close": True,
    "trades_type": "exittrades",
    # vectorbt-rust, where it is installed, would be chosen by itself; one engine everywhere.
    "engine": "numba",
}
"""What a run does not use, said all the same: vectorbt's defaults are a global that anyone may change."""


def simulate(bars: Bars, entries: BoolColumn, exits: BoolColumn, terms: RunTerms) -> Any:
    """Simulate signals, decided on each bar's close, as a vectorbt Portfolio."""
    later = terms.fill is Fill.NEXT_OPEN
    return vbt.Portfolio.from_signals(
        bars.close,
        entries=_moved(entries) if later else entries,
        exits=_moved(exits) if later else exits,
        price=bars.open if later else bars.close,
        size=np.inf,
        min_size=SMALLEST_SIZE,
        direction="longonly",
        # A whole number would be another type, for which numba compiles everything anew.
        fees=float(terms.costs.taker_fee),
        slippage=float(terms.costs.slippage),
        init_cash=float(terms.initial_cash),
        # Only vectorbt's own annual figures and durations need it, and none of them is used.
        freq=None,
        **UNUSED,
    )


def make_report(kernel: str, bars: Bars, params: Params, terms: RunTerms) -> Report:
    """Run one parameter set and keep everything.

    KeyError for an unknown kernel, ValueError for parameters or bars that it cannot run on.
    """
    compiled = kernel_named(kernel)
    signals = compiled.signals(prepare(bars, terms.fill), compiled.encode([params]))
    portfolio = simulate(bars, signals > 0, signals < 0, terms)
    equity = portfolio.value().to_numpy()
    series = ReportSeries(
        time=bars.time,
        equity=equity,
        drawdown=_drawdown(equity, terms.initial_cash),
        position=portfolio.assets().to_numpy(),
        benchmark_equity=terms.initial_cash * bars.close / bars.open[0],
    )
    trades = _trades(portfolio.trades.values, bars)
    fees = float(portfolio.orders.values["fees"].sum())
    return Report(_metrics(series, trades, terms, fees), series, trades)


def preload() -> None:
    """Compile what a report needs of vectorbt, or load it from numba's cache."""
    prices = np.array([1.0, 1.0, 2.0, 3.0, 1.0, 1.0, 2.0, 1.0])
    bars = Bars(np.arange(prices.size), prices, prices, prices, prices, prices)
    params: Params = {"fast_period": 1, "slow_period": 2, "signal_threshold": 0.0}
    for fill in Fill:
        costs = Costs(taker_fee=0.001, slippage=0.001)
        make_report(
            "ma_cross", bars, params, RunTerms(costs=costs, initial_cash=1.0, fill=fill, bars_per_year=1.0)
        )


def _moved(signals: BoolColumn) -> BoolColumn:
    """Move each signal to the next bar, where it is filled; the last one has none."""
    moved = np.zeros_like(signals)
    moved[1:] = signals[:-1]
    return moved


def _drawdown(equity: FloatColumn, initial_cash: float) -> FloatColumn:
    """Fall of equity from its peak so far; the initial cash is a peak."""
    peak = np.maximum(np.maximum.accumulate(equity), initial_cash)
    return (peak - equity) / peak


def _trades(records: NDArray[Any], bars: Bars) -> tuple[Trade, ...]:
    """Read the trades off vectorbt's records.

    The profit is taken from sizes and prices: vectorbt's own counts a move of up to 1e-9 as none.
    """
    bought = records["size"] * records["entry_price"]
    fees = records["entry_fees"] + records["exit_fees"]
    profit = records["size"] * records["exit_price"] - bought - fees
    ended = records["status"] == vbt.portfolio.enums.TradeStatus.Closed
    columns = (
        bars.time[records["entry_idx"]],
        records["entry_price"],
        bars.time[records["exit_idx"]],
        records["exit_price"],
        records["size"],
        profit,
        profit / bought,
        fees,
        ended,
    )
    return tuple(_trade(values) for values in zip(*(column.tolist() for column in columns), strict=True))


def _trade(values: tuple[Any, ...]) -> Trade:
    """Make one trade of a row of `_trades`."""
    entry_time, entry_price, exit_time, exit_price, size, profit, return_, fees, ended = values
    return Trade(
        entry_time=entry_time,
        entry_price=entry_price,
        exit_time=exit_time if ended else None,
        exit_price=exit_price,
        size=size,
        profit=profit,
        return_=return_,
        fees=fees,
    )


def _metrics(series: ReportSeries, trades: tuple[Trade, ...], terms: RunTerms, fees: float) -> Metrics:
    """Compute the metrics from the equity at every bar and the list of trades."""
    count, root = len(series.equity), math.sqrt(terms.bars_per_year)
    before = np.concatenate(([terms.initial_cash], series.equity[:-1]))
    # An account that has lost everything earns nothing more: 0 / 0 is a return of 0.
    returns = np.divide(series.equity - before, before, out=np.zeros(count), where=before > 0)
    mean = math.fsum(returns) / count
    deviation = float(np.std(returns, ddof=1)) if count > 1 else None
    downside = math.sqrt(math.fsum(np.minimum(returns, 0.0) ** 2) / count)
    final, fall = float(series.equity[-1]), float(series.drawdown.max())
    total_return = final / terms.initial_cash - 1.0
    cagr = annual_growth(total_return, terms.bars_per_year / count)
    closed = [trade for trade in trades if trade.exit_time is not None]
    profits = [trade.profit for trade in closed]
    wins = [trade.profit for trade in closed if trade.return_ > BREAK_EVEN]
    gain = math.fsum(wins)
    pain = -math.fsum(trade.profit for trade in closed if trade.return_ < -BREAK_EVEN)
    return Metrics(
        total_return=defined(total_return),
        cagr=cagr,
        sharpe_ratio=None if deviation is None else ratio(mean * root, deviation, NOISE),
        sortino_ratio=ratio(mean * root, downside, NOISE),
        calmar_ratio=None if cagr is None else ratio(cagr, fall, NOISE),
        volatility=None if deviation is None else defined(deviation * root),
        max_drawdown=defined(fall),
        trade_count=len(profits),
        open_trade_count=len(trades) - len(profits),
        win_rate=ratio(len(wins), len(closed)),
        profit_factor=ratio(gain, pain),
        expectancy=ratio(math.fsum(profits), len(profits)),
        exposure=float(np.mean(series.position > 0)),
        fees_paid=defined(fees),
        final_equity=defined(final),
        bar_count=count,
    )
