"""Tests one behind the other, and what a strategy may look at before one begins."""

import math

import numpy as np
import pytest
from engine_samples import bars_of, random_bars, terms_of
from hypothesis import given
from hypothesis import strategies as st
from test_engine_strategies import SHORTENED

from stratopt_server.engine.metrics import disagreements
from stratopt_server.engine.stitch import no_test, run_test, stitch
from stratopt_server.engine.sweep import KERNELS, Sweeper, sweep
from stratopt_server.strategies.look_back import look_back

TERMS = terms_of()


@pytest.mark.parametrize("kernel", sorted(KERNELS))
def test_one_test_is_a_run(kernel: str) -> None:
    """A single test without a warm-up has the figures of the sweep of its bars."""
    bars, params = random_bars(300, seed=3, step=0.01), SHORTENED[kernel]
    stitched = stitch([run_test(kernel, bars, params, TERMS, warm_up=0)], TERMS)
    assert disagreements(sweep(kernel, bars, [params], TERMS)[0], stitched.metrics) == []


@pytest.mark.parametrize("kernel", sorted(KERNELS.keys() - {"grid", "dca"}))
@given(seed=st.integers(0, 2**32 - 1), late=st.integers(0, 30))
def test_nothing_is_traded_while_it_warms_up(kernel: str, seed: int, late: int) -> None:
    """Whatever the bars, no order fills before the bar behind the first that can be decided on."""
    bars, params = random_bars(60, seed=seed, step=0.05), SHORTENED[kernel]
    fills, _ = Sweeper(kernel, bars.slice(late, 60), TERMS).orders(params)
    assert all(fill[0] >= look_back(kernel, params) for fill in fills.tolist())


def test_warm_up_decides_on_the_first_bar() -> None:
    """With the bars before it to look at, a test may trade on its second bar; without them it cannot."""
    bars = bars_of(np.linspace(100.0, 200.0, 40))
    params = {"fast_period": 2, "slow_period": 20, "signal_threshold": 0.0}
    warm = look_back("ma_cross", params) - 1
    seen = run_test("ma_cross", bars.slice(20 - warm, 40), params, TERMS, warm_up=warm)
    blind = run_test("ma_cross", bars.slice(20, 40), params, TERMS, warm_up=0)
    assert len(seen.time) == len(blind.time) == 20
    assert seen.equity[0] == TERMS.initial_cash
    assert seen.position.nonzero()[0][0] == 1
    assert not blind.position.any()


def test_accounts_are_chained_in_numbers() -> None:
    """An account that doubles and one that halves leave what there was; the fall is a half."""
    rising, falling = bars_of([100.0, 100.0, 200.0, 200.0]), bars_of([100.0, 100.0, 50.0, 50.0])
    terms, params = terms_of(fee=0.0, slippage=0.0), {"interval": 100, "order_share": 1.0, "take_profit": 1e9}
    tests = [run_test("dca", bars, params, terms, warm_up=0) for bars in (rising, falling)]
    stitched = stitch(tests, terms)
    assert stitched.metrics.total_return == pytest.approx(0.0)
    assert stitched.metrics.max_drawdown == pytest.approx(0.5)
    assert stitched.metrics.open_trade_count == 2
    assert stitched.metrics.bar_count == 8


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=4))
def test_returns_multiply(seeds: list[int]) -> None:
    """The total return is the product of the tests', and trades add up."""
    params = SHORTENED["momentum"]
    tests = [
        run_test("momentum", random_bars(50, seed=seed, step=0.02), params, TERMS, warm_up=0)
        for seed in seeds
    ]
    alone, together = [stitch([test], TERMS).metrics for test in tests], stitch(tests, TERMS).metrics
    product = math.prod(1 + (metrics.total_return or 0.0) for metrics in alone)
    assert 1 + (together.total_return or 0.0) == pytest.approx(product, rel=1e-9)
    assert together.trade_count == sum(metrics.trade_count for metrics in alone)


def test_staying_out() -> None:
    """A window that found nothing leaves the account as it is, and counts its bars."""
    bars = random_bars(30, seed=1)
    metrics = stitch([no_test(bars, TERMS)], TERMS).metrics
    assert (metrics.total_return, metrics.trade_count, metrics.bar_count) == (0.0, 0, 30)
    assert metrics.sharpe_ratio is None
