"""Tiny runs worked out by hand."""

import numpy as np
import pytest
from engine_samples import bars_of, params_of, terms_of

from stratopt_server.domain.market import Bars
from stratopt_server.domain.runs import Costs, Fill, RunTerms
from stratopt_server.engine.report import disagreements, make_report
from stratopt_server.engine.sweep import sweep

CLOSE = [10.0, 11.0, 12.0, 9.0, 8.0, 10.0]
OPEN = [10.0, 10.0, 12.0, 12.0, 8.0, 8.0]
# Windows 1 and 2: above the average on bars 1, 2 and 5, below it on bars 3 and 4.


def test_next_open_by_hand() -> None:
    """Bought at 12 the bar after the first signal, sold at 8 the bar after the fall; the last signal is lost.

    fee 10 %, slippage 25 %: 1,650 buys 1,500 / 15 = 100 units and pays 150; sold at 8 * 0.75 for 600 - 60.
    """
    terms = terms_of(fee=0.1, slippage=0.25, cash=1650.0, bars_per_year=6.0)
    found = sweep("ma_cross", bars_of(CLOSE, OPEN), [params_of(1, 2)], terms)[0]
    assert found.final_equity == pytest.approx(540.0)
    assert found.total_return == pytest.approx(540 / 1650 - 1)
    assert found.cagr == pytest.approx(540 / 1650 - 1)
    assert (found.trade_count, found.open_trade_count, found.bar_count) == (1, 0, 6)
    assert found.fees_paid == pytest.approx(150 + 60)
    assert found.expectancy == pytest.approx(540 - 1650)
    assert (found.win_rate, found.profit_factor) == (0.0, 0.0)
    assert found.exposure == pytest.approx(2 / 6)
    assert found.max_drawdown == pytest.approx(1 - 540 / 1650)
    # Equity: 1650, 1650, 1200, 900, 540, 540.
    returns = [0, 0, 1200 / 1650 - 1, 900 / 1200 - 1, 540 / 900 - 1, 0]
    mean = sum(returns) / 6
    deviation = (sum((r - mean) ** 2 for r in returns) / 5) ** 0.5
    downside = (sum(r * r for r in returns) / 6) ** 0.5
    assert found.volatility == pytest.approx(deviation * 6**0.5)
    assert found.sharpe_ratio == pytest.approx(mean / deviation * 6**0.5)
    assert found.sortino_ratio == pytest.approx(mean / downside * 6**0.5)
    assert found.calmar_ratio == pytest.approx((540 / 1650 - 1) / (1 - 540 / 1650))


def test_close_fill_by_hand() -> None:
    """Bought at the close of bar 1, sold at that of bar 3, bought again at the last and left open."""
    terms = terms_of(fee=0.0, slippage=0.0, cash=1100.0, fill=Fill.CLOSE)
    found = sweep("ma_cross", bars_of(CLOSE, OPEN), [params_of(1, 2)], terms)[0]
    assert found.final_equity == pytest.approx(900.0)
    assert (found.trade_count, found.open_trade_count) == (1, 1)
    assert found.exposure == pytest.approx(3 / 6)
    assert found.max_drawdown == pytest.approx(0.25)
    assert found.fees_paid == 0.0


def test_the_threshold_leaves_the_position_alone() -> None:
    """Between the two thresholds nothing is bought and nothing sold."""
    close = [100.0, 100.0, 110.0, 109.0, 108.0, 50.0]
    terms = terms_of(fee=0.0, slippage=0.0, cash=110.0, fill=Fill.CLOSE)
    found = sweep("ma_cross", bars_of(close), [params_of(1, 2, 0.04), params_of(1, 2, 0.9)], terms)
    assert (found[0].trade_count, found[0].final_equity) == (1, 50.0)
    assert (found[1].trade_count, found[1].open_trade_count, found[1].final_equity) == (0, 0, 110.0)


def test_the_report_by_hand() -> None:
    """Series and trades say what happened at every bar, the position and the benchmark included."""
    terms = terms_of(fee=0.1, slippage=0.25, cash=1650.0, bars_per_year=6.0)
    bars = bars_of(CLOSE, OPEN)
    report = make_report("ma_cross", bars, params_of(1, 2), terms)
    series = report.series
    assert series.equity == pytest.approx([1650, 1650, 1200, 900, 540, 540])
    assert series.position == pytest.approx([0, 0, 100, 100, 0, 0])
    assert series.drawdown == pytest.approx(
        [0, 0, 1 - 1200 / 1650, 1 - 900 / 1650, 1 - 540 / 1650, 1 - 540 / 1650]
    )
    assert series.benchmark_equity == pytest.approx([165 * close for close in CLOSE])
    (trade,) = report.trades
    assert (trade.entry_time, trade.exit_time) == (bars.time[2], bars.time[4])
    assert (trade.entry_price, trade.exit_price, trade.size) == pytest.approx((15.0, 6.0, 100.0))
    assert (trade.profit, trade.return_, trade.fees) == pytest.approx((-1110.0, -0.74, 210.0))
    swept = sweep("ma_cross", bars, [params_of(1, 2)], terms)[0]
    assert disagreements(swept, report.metrics) == []


def test_an_open_trade_has_no_exit_time() -> None:
    """A position still held is told as a trade without an end, valued at the last close."""
    report = make_report("ma_cross", bars_of([1.0, 1.0, 2.0, 3.0, 4.0]), params_of(1, 2), terms_of(fee=0.0))
    (trade,) = report.trades
    assert (trade.exit_time, trade.exit_price) == (None, 4.0)
    assert (report.metrics.trade_count, report.metrics.open_trade_count) == (0, 1)


def test_breaking_even_is_neither_won_nor_lost() -> None:
    """A round trip that ends where it began, up to rounding, wins and loses nothing, on both paths."""
    prices = np.array([3.3, 3.3, 3.4, 3.5, 3.4, 3.3])
    bars = Bars(np.arange(len(prices)) * 3_600_000_000, prices, prices, prices, prices, prices)
    params = {"fast_period": 1, "slow_period": 2, "signal_threshold": 0.0}
    costs = Costs(taker_fee=0.0, slippage=0.0)
    terms = RunTerms(costs=costs, initial_cash=7.7, fill=Fill.CLOSE, bars_per_year=8_760)
    swept = sweep("ma_cross", bars, [params], terms)[0]
    assert swept.trade_count == 1
    assert (swept.win_rate, swept.profit_factor) == (0.0, None)
    assert disagreements(swept, make_report("ma_cross", bars, params, terms).metrics) == []
