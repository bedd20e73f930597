"""Ready-made signals: a built-in strategy's booleans give its metrics, and what is wrong is named."""

import math
import tracemalloc
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numba
import numpy as np
import pytest
import vectorbt as vbt
from account_oracle import returns_of
from engine_samples import HOURS_A_YEAR, codes_of, random_bars, terms_of

from stratopt_server.domain.market import Bars
from stratopt_server.domain.metrics import RunStatus
from stratopt_server.domain.parameters import Params
from stratopt_server.domain.runs import Direction, Fill, Stops
from stratopt_server.engine.kernels.signals import LONG_ENTRY, LONG_EXIT, SHORT_ENTRY, SHORT_EXIT
from stratopt_server.engine.kernels.terms import Codes
from stratopt_server.engine.ready_signals import ReadySignals, SignalSweeper
from stratopt_server.engine.sweep import Sweeper

BUILT_IN: dict[str, Params] = {
    "ma_cross": {"fast_period": 5, "slow_period": 20, "signal_threshold": 0.002},
    "rsi_reversion": {"period": 14, "oversold": 35.0, "overbought": 65.0},
    "bollinger_breakout": {"period": 20, "width": 2.0},
    "bollinger_reversion": {"period": 20, "width": 2.0},
    "macd": {"fast_period": 12, "slow_period": 26, "signal_period": 9},
    "donchian_breakout": {"entry_period": 20, "exit_period": 10},
    "momentum": {"lookback": 24, "threshold": 0.01},
    "dca": {"interval": 7, "order_share": 0.1, "take_profit": 0.02},
}
DCA = {"sizes": 0.1, "take_profits": 0.02, "adds": True, "of_initial": True}


def ready_of(codes: Codes, **more: Any) -> ReadySignals:
    """Take codes apart into booleans."""
    return ReadySignals(
        entries=codes & LONG_ENTRY > 0,
        exits=codes & LONG_EXIT > 0,
        short_entries=codes & SHORT_ENTRY > 0,
        short_exits=codes & SHORT_EXIT > 0,
        **more,
    )


def some(bars: Bars, seed: int, **more: Any) -> ReadySignals:
    """Make up signals."""
    return ready_of(np.random.default_rng(seed).integers(0, 16, len(bars)).astype(np.uint8), **more)


@pytest.mark.parametrize("fill", Fill)
@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("kernel", BUILT_IN)
def test_the_booleans_of_a_strategy_give_its_metrics(kernel: str, direction: Direction, fill: Fill) -> None:
    """What a built-in strategy decides, handed in as booleans, gives its figures to the last bit."""
    bars = random_bars(3_001, seed=31, step=4e-3)
    terms = replace(terms_of(fill=fill), direction=direction, stops=Stops(stop_loss=0.03))
    ready = ready_of(codes_of(kernel, bars, BUILT_IN[kernel]), **(DCA if kernel == "dca" else {}))
    found = SignalSweeper(bars, terms).measure([ready])
    expected = Sweeper(kernel, bars, terms).measure([BUILT_IN[kernel]])
    assert found.metrics == expected.metrics
    assert found.blocks.tolist() == expected.blocks.tolist()
    assert found.daily == expected.daily
    never = kernel == "dca" and direction is Direction.SHORT
    assert (found.metrics[0].run_status is RunStatus.NEVER_TRADED) is never


@pytest.mark.parametrize("seed", range(3))
def test_vectorbt_earns_the_same_to_1e12(seed: int) -> None:
    """The exact Sharpe ratio of vectorbt's equity is ours to a part in 1e12; its own sums are off by more."""
    bars = random_bars(20_000, seed=seed)
    enter, leave = (np.random.default_rng(seed).random((2, len(bars))) < [[0.02], [0.05]]).astype(bool)
    terms = terms_of(fill=Fill.CLOSE)
    portfolio = vbt.Portfolio.from_signals(
        bars.close,
        entries=enter,
        exits=leave,
        fees=terms.costs.taker_fee,
        slippage=terms.costs.slippage,
        init_cash=terms.initial_cash,
        freq="1h",
        engine="numba",
    )
    (found,) = SignalSweeper(bars, terms).evaluate([ReadySignals(entries=enter, exits=leave)])
    returns = returns_of(portfolio.value().tolist(), terms.initial_cash)
    mean = math.fsum(returns) / len(returns)
    deviation = math.sqrt(math.fsum((r - mean) ** 2 for r in returns) / (len(returns) - 1))
    assert found.sharpe_ratio == pytest.approx(mean / deviation * math.sqrt(HOURS_A_YEAR), rel=1e-12)
    assert found.total_return == pytest.approx(portfolio.total_return(), rel=1e-12)
    assert found.trade_count == portfolio.trades.closed.count()


def test_results_come_in_the_order_of_the_sets_whatever_the_threads() -> None:
    """A set's figures are the same, to the last bit, alone, in company, and on any number of threads."""
    bars = random_bars(2_000, seed=1)
    sets = [some(bars, seed) for seed in range(7)]
    sweeper, threads = SignalSweeper(bars, terms_of()), numba.get_num_threads()
    together = sweeper.evaluate(sets)
    assert len({metrics.final_equity for metrics in together}) == len(sets)
    numba.set_num_threads(1)
    try:
        assert sweeper.evaluate(sets) == together
        assert [sweeper.evaluate([ready])[0] for ready in sets] == together
        assert sweeper.evaluate([]) == []
    finally:
        numba.set_num_threads(threads)


def test_an_absent_side_signals_nothing() -> None:
    """Without short signals the run is that with short signals that are never true."""
    bars = random_bars(500, seed=2)
    terms = replace(terms_of(), direction=Direction.BOTH)
    full, never = some(bars, 3), np.zeros(500, dtype=bool)
    for none in (None, never):
        part = replace(full, short_entries=none, short_exits=none)
        expected = ready_of((full.entries * LONG_ENTRY + full.exits * LONG_EXIT).astype(np.uint8))
        assert SignalSweeper(bars, terms).evaluate([part]) == SignalSweeper(bars, terms).evaluate([expected])


def test_one_number_is_that_number_on_every_bar() -> None:
    """Sizes and stops given once are those given for each bar; whole numbers and narrow floats are taken."""
    bars = random_bars(500, seed=2, step=0.01)
    levels = {"sizes": 0.5, "stop_losses": 0.03125, "take_profits": 1}
    sweeper = SignalSweeper(bars, terms_of())
    (once,) = sweeper.evaluate([some(bars, 3, **levels)])
    for kind in (np.float64, np.float32):
        each = {name: np.full(500, level, dtype=kind) for name, level in levels.items()}
        assert sweeper.evaluate([some(bars, 3, **each)]) == [once]
    assert sweeper.evaluate([some(bars, 3)]) != [once]


def strided(column: np.ndarray) -> np.ndarray:
    """Put a column between others."""
    return np.stack([column, ~column if column.dtype == bool else -column], axis=1)[:, 0]


def read_only(column: np.ndarray) -> np.ndarray:
    """Let nobody write to a column."""
    view = column.view()
    view.flags.writeable = False
    return view


def swapped(column: np.ndarray) -> np.ndarray:
    """Turn the bytes of each number round."""
    return column.astype(column.dtype.newbyteorder())


@pytest.mark.parametrize("change", [strided, read_only, swapped])
def test_arrays_of_any_layout_are_taken(change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Columns of a table, of a read-only file or in another byte order give what plain arrays give."""
    bars = random_bars(300, seed=4, step=0.01)
    plain = some(bars, 5, sizes=np.linspace(0.1, 1.0, 300), stop_losses=np.linspace(0.01, 0.1, 300))
    arrays = {field.name: getattr(plain, field.name) for field in fields(plain)}
    other = replace(plain, **{n: change(a) for n, a in arrays.items() if isinstance(a, np.ndarray)})
    sweeper = SignalSweeper(bars, terms_of())
    assert sweeper.evaluate([other]) == sweeper.evaluate([plain])


def test_any_byte_but_0_is_yes() -> None:
    """Booleans made of other bytes than 0 and 1 are no other signals."""
    bars = random_bars(300, seed=4)
    plain = some(bars, 5)
    odd = replace(plain, entries=(plain.entries * np.uint8(254)).view(np.bool_))
    sweeper = SignalSweeper(bars, terms_of())
    assert sweeper.evaluate([odd]) == sweeper.evaluate([plain])


@pytest.mark.parametrize("name", ["entries", "exits", "short_entries", "short_exits"])
@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros(9, dtype=bool),
        np.zeros(0, dtype=bool),
        np.zeros((10, 1), dtype=bool),
        np.array(True),  # noqa: FBT003
        np.zeros(10, dtype=np.uint8),
        np.zeros(10),
        np.full(10, np.nan),
        np.zeros(10, dtype=object),
        [False] * 10,
        True,
    ],
)
def test_flags_that_are_none_are_refused(name: str, wrong: Any) -> None:
    """What is no array of booleans, one for each bar, is a ValueError that names the field."""
    flags = {"entries": np.zeros(10, dtype=bool), "exits": np.zeros(10, dtype=bool), name: wrong}
    with pytest.raises(ValueError, match=r"^(short_)?(entries|exits) must"):
        SignalSweeper(random_bars(10, seed=1), terms_of()).evaluate([ReadySignals(**flags)])
    if name != "entries":
        with pytest.raises(ValueError, match=f"^{name} must"):
            ReadySignals(**flags)


@pytest.mark.parametrize("name", ["entries", "exits"])
def test_the_long_side_must_be_told(name: str) -> None:
    """Long signals may not be left out: whoever has none says so."""
    flags: dict[str, Any] = {
        "entries": np.zeros(10, dtype=bool),
        "exits": np.zeros(10, dtype=bool),
        name: None,
    }
    with pytest.raises(ValueError, match=f"^{name} must"):
        ReadySignals(**flags)


@pytest.mark.parametrize("name", ["sizes", "stop_losses", "take_profits"])
@pytest.mark.parametrize(
    "wrong",
    [
        0.0,
        -0.1,
        math.nan,
        -math.inf,
        True,
        "0.5",
        0.5j,
        np.full(9, 0.5),
        np.full(1, 0.5),
        np.full(0, 0.5),
        np.full((10, 1), 0.5),
        np.ones(10, dtype=bool),
        np.array([0.5] * 9 + [math.nan]),
        np.array([0.5] * 9 + [0.0]),
        [0.5] * 9 + [None],
    ],
)
def test_numbers_that_are_none_are_refused(name: str, wrong: Any) -> None:
    """A size or stop of the wrong length, kind or range, on any bar, is a ValueError that names the field."""
    with pytest.raises(ValueError, match=f"^{name} must"):
        some(random_bars(10, seed=1), 1, **{name: wrong})


@pytest.mark.parametrize("size", [1.0 + 1e-15, 2, math.inf, np.array([1.0] * 9 + [1.1])])
def test_no_size_is_above_all_the_cash(size: Any) -> None:
    """A share above 1 is refused; a stop may be infinite, which is none."""
    bars = random_bars(10, seed=1)
    with pytest.raises(ValueError, match="sizes must be above 0 and at most 1"):
        some(bars, 1, sizes=size)
    some(bars, 1, sizes=1, stop_losses=math.inf, take_profits=np.full(10, math.inf))


def test_signals_of_other_bars_are_refused() -> None:
    """A set that is longer or shorter than the bars is refused before anything runs."""
    bars = random_bars(10, seed=1)
    sets = [some(bars, 1), some(random_bars(11, seed=1), 1)]
    with pytest.raises(ValueError, match="entries must have a value for each of 10 bars, not 11"):
        SignalSweeper(bars, terms_of()).evaluate(sets)


def test_memory_does_not_grow_with_the_sets() -> None:
    """Beside the signals, a hundred sets need room for their totals and a thread's codes, no series each."""
    bars = random_bars(100_000, seed=4)
    ready = some(bars, 1)
    sweeper = SignalSweeper(bars, terms_of())
    sweeper.evaluate([ready] * 2)
    tracemalloc.start()
    try:
        found = sweeper.evaluate([ready] * 100)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found) == 100
    assert peak < 2_000_000, "one series of codes alone has 100,000 bytes a set"
