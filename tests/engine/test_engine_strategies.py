"""Every strategy: the sweep, the report and, where it can say it, plain vectorbt give the same figures."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import vectorbt as vbt
from engine_samples import bars_of, codes_of, market_files, random_bars, read_bars, terms_of
from hypothesis import given, settings
from hypothesis import strategies as st

from stratopt_server.domain.market import Bars, from_microseconds
from stratopt_server.domain.metrics import RunStatus
from stratopt_server.domain.parameters import Params
from stratopt_server.domain.runs import (
    Carry,
    Costs,
    Direction,
    Fill,
    FillModel,
    FundingRate,
    MarketRules,
    RunTerms,
    Sizing,
    SizingKind,
    Stops,
)
from stratopt_server.engine.kernels.signals import LONG_ENTRY, LONG_EXIT, SHORT_ENTRY, SHORT_EXIT
from stratopt_server.engine.report import disagreements, make_report
from stratopt_server.engine.sweep import BLOCKS, KERNELS, Sweeper, sweep

BIG = 100_000
"""Files with more bars are run with fewer strategies."""

DEFAULTS: dict[str, Params] = {
    "ma_cross": {"fast_period": 5, "slow_period": 20, "signal_threshold": 0.002},
    "grid": {"grid_num": 12, "profit_ratio": 0.01, "stop_loss": 0.05},
    "rsi_reversion": {"period": 14, "oversold": 35.0, "overbought": 65.0},
    "bollinger_breakout": {"period": 20, "width": 2.0},
    "bollinger_reversion": {"period": 20, "width": 2.0},
    "macd": {"fast_period": 12, "slow_period": 26, "signal_period": 9},
    "donchian_breakout": {"entry_period": 20, "exit_period": 10},
    "momentum": {"lookback": 24, "threshold": 0.01},
    "dca": {"interval": 7, "order_share": 0.1, "take_profit": 0.02},
}
SHORTENED: dict[str, Params] = {
    "ma_cross": {"fast_period": 1, "slow_period": 3, "signal_threshold": 0.0},
    "grid": {"grid_num": 4, "profit_ratio": 0.02, "stop_loss": 0.1},
    "rsi_reversion": {"period": 3, "oversold": 40.0, "overbought": 60.0},
    "bollinger_breakout": {"period": 4, "width": 0.8},
    "bollinger_reversion": {"period": 4, "width": 0.8},
    "macd": {"fast_period": 2, "slow_period": 4, "signal_period": 2},
    "donchian_breakout": {"entry_period": 3, "exit_period": 2},
    "momentum": {"lookback": 2, "threshold": 0.0},
    "dca": {"interval": 3, "order_share": 0.3, "take_profit": 0.03},
}
"""Parameters that trade within a few bars."""
SIGNALLED = sorted(KERNELS.keys() - {"grid", "dca"})
"""Strategies whose runs vectorbt can express."""


def test_every_kernel_is_tested() -> None:
    """A new strategy is compared like the others."""
    assert DEFAULTS.keys() == SHORTENED.keys() == KERNELS.keys()


@st.composite
def made_up_bars(draw: st.DrawFn) -> Bars:
    """Draw up to 120 bars with wicks, gaps, repeats and bars without volume, over several days."""
    moves = st.one_of(st.just(0.0), st.floats(-0.1, 0.1), st.sampled_from([0.02, -0.02]))
    wicks = st.floats(0.0, 0.05)
    row = st.tuples(moves, st.floats(-0.02, 0.02), wicks, wicks, st.sampled_from([0.0, 1.0, 50.0, 1e6]))
    rows = np.array(draw(st.lists(row, min_size=1, max_size=120)))
    close = 10.0 ** draw(st.integers(-2, 4)) * np.exp(np.cumsum(rows[:, 0]))
    plain = bars_of(close, np.concatenate((close[:1], close[:-1])) * np.exp(rows[:, 1]))
    return replace(
        plain,
        high=np.maximum(plain.open, close) * (1 + rows[:, 2]),
        low=np.minimum(plain.open, close) * (1 - rows[:, 3]),
        volume=rows[:, 4],
    )


@st.composite
def made_up_costs(draw: st.DrawFn) -> Costs:
    """Draw costs from none to the absurd."""
    share = st.one_of(st.just(0.0), st.floats(1e-6, 0.03), st.just(0.5))
    return Costs(
        taker_fee=draw(share),
        slippage=draw(share),
        maker_fee=draw(st.one_of(st.none(), share)),
        fixed_fee=draw(st.sampled_from([0.0, 0.0, 1.5, 200.0])),
        impact=draw(st.sampled_from([0.0, 0.0, 0.01, 2.0])),
    )


@st.composite
def made_up_terms(draw: st.DrawFn, bars: Bars, *, grid: bool) -> RunTerms:
    """Draw every term that the strategy may have."""
    maybe = st.one_of(st.none(), st.floats(1e-3, 0.3))
    rate = st.floats(-0.01, 0.01)
    times = sorted(draw(st.sets(st.integers(0, len(bars) - 1), max_size=4)))
    funding = tuple(
        FundingRate(time=from_microseconds(int(bars.time[i]) + 1), rate=draw(rate)) for i in times
    )
    rules = MarketRules(
        min_notional=draw(st.sampled_from([0.0, 0.0, 100.0, 1e5])),
        lot_size=draw(st.sampled_from([0.0, 0.0, 0.01, 1.0])),
        tick_size=draw(st.sampled_from([0.0, 0.01])) if grid else 0.0,
    )
    common = {
        "costs": draw(made_up_costs()),
        "initial_cash": draw(st.sampled_from([100.0, 10_000.0, 1e7])),
        "bars_per_year": 8766.0,
        "rules": rules,
        "carry": Carry() if grid else Carry(borrow_rate=draw(st.sampled_from([0.0, 1e-3])), funding=funding),
    }
    if grid:
        costs = replace(common["costs"], fixed_fee=0.0, impact=0.0)
        return RunTerms(
            **{**common, "costs": costs}, fill=Fill.NEXT_OPEN, fill_model=draw(st.sampled_from(FillModel))
        )
    kind = draw(st.sampled_from(SizingKind))
    return RunTerms(
        **common,
        fill=draw(st.sampled_from(Fill)),
        direction=draw(st.sampled_from(Direction)),
        sizing=Sizing(kind=kind, amount=3_000.0 if kind is SizingKind.FIXED else draw(st.floats(0.05, 1.0))),
        stops=Stops(stop_loss=draw(maybe), take_profit=draw(maybe), trailing_stop=draw(maybe)),
    )


@settings(max_examples=500, deadline=None)
@given(st.data(), st.sampled_from(sorted(KERNELS)), made_up_bars())
def test_sweep_and_report_agree(data: st.DataObject, kernel: str, bars: Bars) -> None:
    """Whatever the strategy, the bars and the terms, both paths give the same metrics."""
    terms = data.draw(made_up_terms(bars, grid=kernel == "grid"))
    params = SHORTENED[kernel]
    swept = sweep(kernel, bars, [params], terms)[0]
    report = make_report(kernel, bars, params, terms)
    assert disagreements(swept, report.metrics) == []
    # A grid spends on each slot what it did before its losses, so at absurd fees it may come to owe.
    assert report.series.equity.min() >= 0.0 or kernel == "grid"


TERMS: tuple[Callable[[Bars], RunTerms], ...] = (
    lambda _: terms_of(),
    lambda _: replace(terms_of(fill=Fill.CLOSE), direction=Direction.BOTH, carry=Carry(borrow_rate=1e-6)),
    lambda _: replace(
        terms_of(),
        direction=Direction.SHORT,
        stops=Stops(stop_loss=0.02, take_profit=0.03, trailing_stop=0.025),
        sizing=Sizing(kind=SizingKind.FRACTION, amount=0.5),
    ),
    lambda bars: replace(
        terms_of(),
        costs=Costs(taker_fee=0.001, slippage=0.0005, maker_fee=0.0002, fixed_fee=0.5, impact=0.05),
        rules=MarketRules(min_notional=10.0, lot_size=1e-4),
        carry=Carry(
            funding=tuple(
                FundingRate(time=from_microseconds(moment), rate=1e-4) for moment in bars.time[::97].tolist()
            )
        ),
    ),
)


def terms_for(kernel: str, number: int, bars: Bars) -> RunTerms:
    """Choose terms by number; a grid has none of those that are not for grids."""
    if kernel == "grid":
        return replace(terms_of(), fill_model=list(FillModel)[number % len(FillModel)])
    return TERMS[number % len(TERMS)](bars)


@pytest.mark.parametrize("path", market_files() or [None], ids=lambda path: path.stem if path else "absent")
def test_sweep_and_report_agree_on_real_bars(path: Any) -> None:
    """On every clean file of real bars both paths agree, for every strategy, at terms that differ by file."""
    if path is None:
        pytest.skip("the shared market data are not beside this project")
    bars = read_bars(path)
    offset = len(bars) % 4
    for number, kernel in enumerate(sorted(KERNELS)[:: 4 if len(bars) > BIG else 1]):
        terms = terms_for(kernel, number + offset, bars)
        swept = sweep(kernel, bars, [DEFAULTS[kernel]], terms)[0]
        report = make_report(kernel, bars, DEFAULTS[kernel], terms)
        assert disagreements(swept, report.metrics) == [], (kernel, terms)


@pytest.mark.parametrize("short", [False, True])
@pytest.mark.parametrize("fill", Fill)
@pytest.mark.parametrize("kernel", SIGNALLED)
def test_agrees_with_plain_vectorbt(kernel: str, fill: Fill, short: bool) -> None:
    """vectorbt, given the same booleans, finds the same figures, long and short.

    Exceptions by name: annual figures use our own year, and vectorbt's drawdown does not count the initial
    cash as a peak before its first bar.
    """
    bars = random_bars(5_000, seed=17, step=4e-3)
    terms = replace(terms_of(fill=fill), direction=Direction.SHORT if short else Direction.LONG)
    codes = codes_of(kernel, bars, DEFAULTS[kernel])
    moved = np.concatenate((np.zeros(1, np.uint8), codes[:-1])) if fill is Fill.NEXT_OPEN else codes
    enter, leave = (SHORT_ENTRY, SHORT_EXIT) if short else (LONG_ENTRY, LONG_EXIT)
    portfolio = vbt.Portfolio.from_signals(
        bars.close,
        entries=moved & enter > 0,
        exits=moved & leave > 0,
        price=bars.open if fill is Fill.NEXT_OPEN else bars.close,
        direction="shortonly" if short else "longonly",
        size=1.0,
        size_type="percent",
        fees=terms.costs.taker_fee,
        slippage=terms.costs.slippage,
        init_cash=terms.initial_cash,
        freq="1h",
        engine="numba",
    )
    swept = sweep(kernel, bars, [DEFAULTS[kernel]], terms)[0]
    returns = portfolio.returns_acc(year_freq="365.25 days")
    pairs = {
        "total_return": portfolio.total_return(),
        "sharpe_ratio": returns.sharpe_ratio(),
        "sortino_ratio": returns.sortino_ratio(),
        "volatility": returns.annualized_volatility(),
        "max_drawdown": -portfolio.max_drawdown(),
        "trade_count": portfolio.trades.closed.count(),
        "win_rate": portfolio.trades.closed.win_rate(),
        "profit_factor": portfolio.trades.closed.profit_factor(),
        "expectancy": portfolio.trades.closed.expectancy(),
        "exposure": portfolio.position_coverage(),
        "fees_paid": portfolio.orders.fees.sum(),
        "final_equity": portfolio.final_value(),
    }
    assert swept.trade_count > 20
    for name, value in pairs.items():
        assert getattr(swept, name) == pytest.approx(value, rel=1e-9, abs=1e-12), name


@pytest.mark.parametrize("kernel", sorted(KERNELS))
def test_blocks_and_days_add_up(kernel: str) -> None:
    """Block sums and daily moments are those of the report's equity, whatever the strategy."""
    bars, terms = random_bars(5_003, seed=23, step=4e-3), terms_for(kernel, 0, random_bars(10, seed=1))
    measured = Sweeper(kernel, bars, terms).measure([DEFAULTS[kernel]])
    equity = make_report(kernel, bars, DEFAULTS[kernel], terms).series.equity
    before = np.concatenate(([terms.initial_cash], equity[:-1]))
    returns = equity / before - 1
    blocks = returns[len(returns) % BLOCKS :].reshape(BLOCKS, -1)
    expected = np.stack([blocks.sum(axis=1), (blocks**2).sum(axis=1)], axis=1)
    assert measured.blocks[0] == pytest.approx(expected, rel=1e-9, abs=1e-12)
    days = bars.time // 86_400_000_000
    ends = equity[np.flatnonzero(np.diff(days, append=days[-1] + 1))]
    daily = ends / np.concatenate(([terms.initial_cash], ends[:-1])) - 1
    moments = measured.daily[0]
    assert moments is not None
    assert moments.count == len(daily)
    assert moments.sharpe == pytest.approx(daily.mean() / daily.std(ddof=1), rel=1e-9)
    centred = daily - daily.mean()
    assert moments.skewness == pytest.approx(np.mean(centred**3) / np.mean(centred**2) ** 1.5, rel=1e-8)
    assert moments.kurtosis == pytest.approx(np.mean(centred**4) / np.mean(centred**2) ** 2, rel=1e-9)


@pytest.mark.parametrize("kernel", sorted(KERNELS))
def test_a_set_that_never_trades_says_so(kernel: str) -> None:
    """Without a trade nothing is earned, no ratio is defined, and the status says why."""
    bars = random_bars(300, seed=5)
    terms = terms_for(kernel, 0, bars)
    if kernel in ("grid", "dca"):
        terms = replace(terms, rules=MarketRules(min_notional=1e9))
    params = {**DEFAULTS[kernel]}
    never: dict[str, Params] = {
        "ma_cross": {"signal_threshold": 1.0},
        "rsi_reversion": {"oversold": 0.0, "overbought": 100.0},
        "bollinger_breakout": {"width": 50.0},
        "bollinger_reversion": {"width": 50.0},
        "macd": {"slow_period": 5_000},
        "donchian_breakout": {"entry_period": 5_000},
        "momentum": {"threshold": 1.0},
    }
    params |= never.get(kernel, {})
    swept = sweep(kernel, bars, [params], terms)[0]
    assert (swept.run_status, swept.trade_count, swept.total_return) == (RunStatus.NEVER_TRADED, 0, 0.0)
    assert (swept.sharpe_ratio, swept.skewness, swept.win_rate) == (None, None, None)
    assert kernel not in ("grid", "dca") or (swept.refused_min_notional or 0) > 0
    assert disagreements(swept, make_report(kernel, bars, params, terms).metrics) == []


def test_nearly_equal_returns_agree() -> None:
    """Two bars' returns of nearly one value: their shape is rounding, and no reason to refuse a report."""
    prices, spread = np.array([1.0, 1.01574771]), np.ones(2)
    bars = Bars(np.array([0, 3_600_000_000]), prices, prices, spread, spread, np.zeros(2))
    terms = RunTerms(
        costs=Costs(taker_fee=0.5, slippage=0.027397959180966238),
        initial_cash=100.0,
        fill=Fill.CLOSE,
        bars_per_year=8_766.0,
        sizing=Sizing(kind=SizingKind.FIXED, amount=3_000.0),
        stops=Stops(trailing_stop=0.015625),
    )
    found = sweep("dca", bars, [SHORTENED["dca"]], terms)[0]
    assert found.kurtosis is not None
    assert disagreements(found, make_report("dca", bars, SHORTENED["dca"], terms).metrics) == []


@pytest.mark.parametrize("fill", Fill)
@pytest.mark.parametrize("rate", [1e-4, 3e-3, 0.05, 0.4, 0.9])
def test_a_short_that_carry_ruins_agrees(rate: float, fill: Fill) -> None:
    """Borrow that eats the account ends it at the same close on both paths, with the same profit."""
    for seed in range(12):
        bars = random_bars(2_000, seed=seed, step=4e-3)
        terms = replace(terms_of(fill=fill), direction=Direction.SHORT, carry=Carry(borrow_rate=rate))
        params: Params = {"lookback": 2, "threshold": 0.0}
        swept = sweep("momentum", bars, [params], terms)[0]
        report = make_report("momentum", bars, params, terms)
        assert disagreements(swept, report.metrics) == [], seed


@pytest.mark.parametrize("seed", range(3))
def test_what_a_thousand_slots_leave_is_no_position(seed: int) -> None:
    """When every slot of a large grid has sold, what rounding left of their sum is not held."""
    bars = random_bars(3_000, seed=seed, step=0.05)
    params: Params = {"grid_num": 1_000, "profit_ratio": 0.002, "stop_loss": 0.3}
    terms = terms_of(slippage=0.6)
    swept = sweep("grid", bars, [params], terms)[0]
    assert disagreements(swept, make_report("grid", bars, params, terms).metrics) == []


def test_funding_at_an_open_is_owed_on_what_was_held_until_then() -> None:
    """Who sells at the open at which funding is due pays it, and who buys at it does not."""
    bars = bars_of([100.0, 101.0, 102.0, 103.0, 90.0, 80.0, 70.0])
    params: Params = {"lookback": 1, "threshold": 0.0}
    free = terms_of(fee=0.0, slippage=0.0)
    plain = make_report("momentum", bars, params, free)
    (trade,) = plain.trades
    assert trade.exit_time is not None
    for moment, pays in ((trade.entry_time, False), (trade.exit_time, True)):
        rate = FundingRate(time=from_microseconds(moment), rate=0.01)
        charged = sweep("momentum", bars, [params], replace(free, carry=Carry(funding=(rate,))))[0]
        assert ((charged.carry_paid or 0.0) > 0.0) is pays
