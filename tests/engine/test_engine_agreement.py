"""One truth: the sweep, the report, plain vectorbt and the written definition give the same figures."""

import numpy as np
import pytest
import vectorbt as vbt
from engine_oracle import nearest_tie, run
from engine_samples import bars_of, codes_of, market_files, params_of, random_bars, read_bars, terms_of
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stratopt_server.domain.market import Bars
from stratopt_server.domain.parameters import Params
from stratopt_server.domain.runs import Fill, RunTerms
from stratopt_server.engine.kernels.signals import LONG_ENTRY, LONG_EXIT
from stratopt_server.engine.report import disagreements, make_report
from stratopt_server.engine.sweep import Sweeper, sweep

BIG = 100_000
"""Files with more bars are run with fewer parameter sets."""

MOVES = st.one_of(st.just(0.0), st.floats(-0.2, 0.2), st.sampled_from([0.05, -0.05, 1e-4, -1e-4, 1.0, -1.0]))
# Costs of less than a millionth make drawdowns of which rounding decides whether they are any.
COSTS = st.one_of(st.just(0.0), st.floats(1e-6, 0.05), st.just(0.5))


@st.composite
def made_up_bars(draw: st.DrawFn) -> Bars:
    """Draw up to 200 bars of any price level, with repeats, jumps, and opens away from the close before."""
    moves = np.array(draw(st.lists(st.tuples(MOVES, st.floats(-0.02, 0.02)), min_size=1, max_size=200)))
    level = 10.0 ** draw(st.integers(-4, 5))
    close = level * np.exp(np.cumsum(moves[:, 0]))
    return bars_of(close, np.concatenate(([level], close[:-1])) * np.exp(moves[:, 1]))


@st.composite
def made_up_params(draw: st.DrawFn) -> Params:
    """Draw windows from short to longer than most series, and a threshold."""
    fast = draw(st.integers(1, 12))
    slow = fast + draw(st.integers(1, 30))
    return params_of(fast, slow, draw(st.one_of(st.just(0.0), st.floats(0.0, 0.1), st.just(1.0))))


@st.composite
def made_up_terms(draw: st.DrawFn) -> RunTerms:
    """Draw costs up to the absurd, and both fills."""
    return terms_of(
        fee=draw(COSTS),
        slippage=draw(COSTS),
        cash=draw(st.sampled_from([1.0, 100.0, 10_000.0, 1e7])),
        fill=draw(st.sampled_from(Fill)),
        bars_per_year=draw(st.sampled_from([252.0, 8766.0, 525_960.0])),
    )


@settings(max_examples=400, deadline=None)
@given(made_up_bars(), made_up_params(), made_up_terms())
def test_sweep_report_and_definition_agree(bars: Bars, params: Params, terms: RunTerms) -> None:
    """Whatever the prices, windows and costs, all three computations give the same metrics."""
    assume(nearest_tie(bars, params) > 1e-13)
    swept = sweep("ma_cross", bars, [params], terms)[0]
    assert disagreements(swept, run(bars, params, terms)) == []
    assert disagreements(swept, make_report("ma_cross", bars, params, terms).metrics) == []


@pytest.mark.parametrize("fill", Fill)
@pytest.mark.parametrize("count", [1, 2, 3, 63, 64, 65, 66, 127, 128, 129, 130, 1000])
def test_all_agree_around_the_edges_of_blocks(count: int, fill: Fill) -> None:
    """Lengths at which a block, a word of bits or the data end change nothing."""
    bars, terms = random_bars(count, seed=count, step=0.01), terms_of(fill=fill)
    sets = [params_of(1, 2), params_of(2, 3), params_of(3, 40, 0.002), params_of(31, 64), params_of(5, 500)]
    for params, swept in zip(sets, sweep("ma_cross", bars, sets, terms), strict=True):
        assert disagreements(swept, run(bars, params, terms)) == []
        assert disagreements(swept, make_report("ma_cross", bars, params, terms).metrics) == []


@pytest.mark.parametrize("fill", Fill)
@pytest.mark.parametrize("price", [1e-6, 1.0, 0.1, 65_535.99])
def test_flat_prices_never_trade(price: float, fill: Fill) -> None:
    """Prices that do not move give no signal, and so neither a return nor a risk."""
    bars, terms = bars_of(np.full(5_000, price)), terms_of(fill=fill)
    params = params_of(3, 700)
    swept = sweep("ma_cross", bars, [params], terms)[0]
    assert (swept.trade_count, swept.open_trade_count, swept.total_return) == (0, 0, 0.0)
    assert (swept.sharpe_ratio, swept.sortino_ratio, swept.calmar_ratio) == (None, None, None)
    assert disagreements(swept, make_report("ma_cross", bars, params, terms).metrics) == []


@pytest.mark.parametrize("fill", Fill)
def test_ruin_agrees(fill: Fill) -> None:
    """An account that costs have eaten stops trading at the same bar on every path."""
    bars, terms = random_bars(30_000, seed=5, level=50_000.0), terms_of(fee=0.01, slippage=0.01, fill=fill)
    params = params_of(1, 2)
    swept = sweep("ma_cross", bars, [params], terms)[0]
    assert swept.final_equity is not None
    assert swept.final_equity < 1e-3
    assert disagreements(swept, run(bars, params, terms)) == []
    assert disagreements(swept, make_report("ma_cross", bars, params, terms).metrics) == []


@pytest.mark.parametrize("path", market_files() or [None], ids=lambda path: path.stem if path else "absent")
def test_sweep_and_report_agree_on_real_bars(path: object) -> None:
    """On every clean file of real bars the two paths agree, at costs and without, at both fills."""
    if path is None:
        pytest.skip("the shared market data are not beside this project")
    bars = read_bars(path)
    sets = [
        params_of(5, 20),
        params_of(1, 2),
        params_of(10, 100, 0.005),
        params_of(50, 2000),
        params_of(3, 7, 0.02),
    ]
    for terms in (terms_of(), terms_of(fee=0.0, slippage=0.0, fill=Fill.CLOSE)):
        sweeper = Sweeper("ma_cross", bars, terms)
        for params in sets[: 2 if len(bars) > BIG else None]:
            report = make_report("ma_cross", bars, params, terms)
            assert disagreements(sweeper.evaluate([params])[0], report.metrics) == []


@pytest.mark.parametrize("fill", Fill)
def test_agrees_with_plain_vectorbt(fill: Fill) -> None:
    """vectorbt, called as its documentation shows and given the same booleans, finds the same figures."""
    bars, terms, params = random_bars(20_000, seed=7), terms_of(fill=fill), params_of(8, 40, 0.0005)
    codes = codes_of("ma_cross", bars, params)
    moved = np.concatenate(([0], codes[:-1])) if fill is Fill.NEXT_OPEN else codes
    portfolio = vbt.Portfolio.from_signals(
        bars.close,
        entries=moved & LONG_ENTRY > 0,
        exits=moved & LONG_EXIT > 0,
        price=bars.open if fill is Fill.NEXT_OPEN else bars.close,
        fees=terms.costs.taker_fee,
        slippage=terms.costs.slippage,
        init_cash=terms.initial_cash,
        freq="1h",
        engine="numba",
    )
    swept = sweep("ma_cross", bars, [params], terms)[0]
    assert swept.trade_count == portfolio.trades.closed.count()
    year = "365.25 days"
    pairs = {
        "total_return": portfolio.total_return(),
        "sharpe_ratio": portfolio.returns_acc(year_freq=year).sharpe_ratio(),
        "sortino_ratio": portfolio.returns_acc(year_freq=year).sortino_ratio(),
        "volatility": portfolio.returns_acc(year_freq=year).annualized_volatility(),
        "max_drawdown": -portfolio.max_drawdown(),
        "win_rate": portfolio.trades.closed.win_rate(),
        "profit_factor": portfolio.trades.closed.profit_factor(),
        "expectancy": portfolio.trades.closed.expectancy(),
        "exposure": portfolio.position_coverage(),
        "fees_paid": portfolio.orders.fees.sum(),
        "final_equity": portfolio.final_value(),
    }
    for name, value in pairs.items():
        assert getattr(swept, name) == pytest.approx(value, rel=1e-9, abs=1e-12), name
