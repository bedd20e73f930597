"""The sweep as its callers see it: order, refusals, precision, memory, and nothing it should not import."""

import math
import os
import subprocess
import sys
import tracemalloc
from dataclasses import asdict, replace
from pathlib import Path

import numba
import numpy as np
import pytest
from engine_samples import bars_of, params_of, random_bars, terms_of

from stratopt_server.domain.market import Bars
from stratopt_server.domain.metrics import Metrics, RunStatus
from stratopt_server.domain.parameters import Params
from stratopt_server.domain.runs import Fill
from stratopt_server.engine.cache import kernel_cache
from stratopt_server.engine.kernels.ma_cross import BUY, NONE, rule_nb, signal_nb
from stratopt_server.engine.kernels.tables import build_tables
from stratopt_server.engine.names import KERNEL_NAMES
from stratopt_server.engine.sweep import KERNELS, Sweeper, sweep, warm


def test_results_come_in_the_order_of_the_sets_whatever_the_threads() -> None:
    """A set's metrics are the same, to the last bit, alone, in company, and on any number of threads."""
    bars, terms = random_bars(3_000, seed=1), terms_of()
    sets = [params_of(fast, slow) for fast in range(1, 8) for slow in (9, 30, 77)]
    sweeper, threads = Sweeper("ma_cross", bars, terms), numba.get_num_threads()
    together = sweeper.evaluate(sets)
    numba.set_num_threads(1)
    try:
        assert sweeper.evaluate(sets) == together
        assert [sweeper.evaluate([params])[0] for params in sets] == together
    finally:
        numba.set_num_threads(threads)


def test_a_run_sees_only_its_own_bars() -> None:
    """Bars before or after a slice change nothing of a run on it."""
    bars, terms, sets = random_bars(5_000, seed=2), terms_of(), [params_of(5, 50), params_of(2, 9)]
    part = bars.slice(1_000, 2_500)
    alone = Bars(
        *(np.array(column) for column in (part.time, part.open, part.high, part.low, part.close, part.volume))
    )
    assert sweep("ma_cross", part, sets, terms) == sweep("ma_cross", alone, sets, terms)


def test_read_only_mapped_and_strided_columns_are_taken(tmp_path: object) -> None:
    """Columns as the catalog maps them, or as views of a table, give what plain arrays give."""
    bars, terms, sets = random_bars(500, seed=3), terms_of(), [params_of(3, 11)]
    expected = sweep("ma_cross", bars, sets, terms)
    table = np.stack([bars.open, bars.high, bars.low, bars.close, bars.volume], axis=1)
    path = f"{tmp_path}/table"
    table.tofile(path)
    mapped = np.memmap(path, dtype=np.float64, mode="r", shape=table.shape)
    assert sweep("ma_cross", Bars(bars.time, *mapped.T), sets, terms) == expected


def test_no_sets_no_metrics() -> None:
    """An empty batch is not an error."""
    assert sweep("ma_cross", random_bars(10, seed=1), [], terms_of()) == []


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"fast_period": 5, "slow_period": 20},
        params_of(20, 20),
        params_of(0, 20),
        params_of(5, 20, -0.1),
        params_of(5, 20, math.nan),
        {**params_of(5, 20), "fast_period": 5.5},
        {**params_of(5, 20), "fast_period": True},
    ],
)
def test_params_that_cannot_be_run_are_refused(params: Params) -> None:
    """Missing, mistyped or impossible parameters are a ValueError that speaks of ma_cross."""
    with pytest.raises(ValueError, match="ma_cross"):
        sweep("ma_cross", random_bars(10, seed=1), [params_of(5, 20), params], terms_of())


def test_an_unknown_kernel_is_named_with_those_there_are() -> None:
    """Asking for a kernel that does not exist says which do."""
    assert set(KERNELS) == KERNEL_NAMES
    with pytest.raises(KeyError, match=r"'crystal_ball'.*ma_cross"):
        Sweeper("crystal_ball", random_bars(10, seed=1), terms_of())


@pytest.mark.parametrize("price", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("column", ["open", "high", "low", "close"])
def test_prices_that_are_none_are_refused(column: str, price: float) -> None:
    """A price that is not finite and above 0 is a ValueError naming the column."""
    bars = random_bars(10, seed=1)
    prices = np.array(getattr(bars, column))
    prices[4] = price
    with pytest.raises(ValueError, match=column):
        sweep("ma_cross", replace(bars, **{column: prices}), [params_of(1, 2)], terms_of())


def test_bars_out_of_order_or_absent_are_refused() -> None:
    """No bars, bars that go back in time, or two at one time are a ValueError."""
    bars = random_bars(10, seed=1)
    with pytest.raises(ValueError, match="no bars"):
        sweep("ma_cross", bars.slice(0, 0), [params_of(1, 2)], terms_of())
    for time in (bars.time[::-1], np.zeros(10, dtype=np.int64)):
        with pytest.raises(ValueError, match="ascending"):
            sweep("ma_cross", replace(bars, time=time), [params_of(1, 2)], terms_of())


def nothing_odd(metrics: Metrics) -> bool:
    """Tell whether no figure is NaN or infinite."""
    return all(
        value is None or isinstance(value, RunStatus) or math.isfinite(value)
        for value in asdict(metrics).values()
    )


@pytest.mark.parametrize("fill", Fill)
def test_no_figure_is_ever_nan_or_infinite(fill: Fill) -> None:
    """However wild the prices, what is not defined is None."""
    for moves in ([1.0], [1.0, 1e9], [1.0, 1e9, 1e-9, 1e9, 1.0], [1e-300, 1e-290, 1.0, 1e290]):
        bars = bars_of(moves)
        for metrics in sweep("ma_cross", bars, [params_of(1, 2), params_of(1, 3)], terms_of(fill=fill)):
            assert nothing_odd(metrics)
            assert metrics.bar_count == len(moves)


def window_sums(bars: Bars, window: int, at: list[int]) -> list[float]:
    """Read sums of closes off the tables as the signals do: the window ending with each bar."""
    tables = build_tables(bars.close)
    head, tail = tables.head, tables.tail
    return [float((head[i + 1] - head[i + 1 - window]) + (tail[i + 1] - tail[i + 1 - window])) for i in at]


@pytest.mark.parametrize("window", [1, 2, 5, 200, 100_000])
@pytest.mark.parametrize("kind", ["walk", "tall then tiny", "ticks"])
def test_sums_are_exact_to_a_part_in_1e11(kind: str, window: int) -> None:
    """Sums over any window stay exact to a part in 1e11 after 655,120 bars at 1e5, or after a fall by 1e8."""
    count = 655_120
    bars = random_bars(count, seed=11, level=1e5)
    if kind == "tall then tiny":
        bars = bars_of(bars.close * np.where(np.arange(count) < count // 2, 1.0, 1e-8))
    if kind == "ticks":
        bars = bars_of(np.round(bars.close, 2))
    at = [*range(count - 40, count), *range(window - 1, count, 20_011)]
    exact = [math.fsum(bars.close[i + 1 - window : i + 1].tolist()) for i in at]
    assert window_sums(bars, window, at) == pytest.approx(
        exact, rel=1e-14 if kind != "tall then tiny" else 1e-11
    )


def test_long_flat_stretches_signal_nothing() -> None:
    """The band around the threshold is wider than every rounding, also where no block is certain of it."""
    close = np.concatenate((np.full(300_000, 99_999.99), np.full(300_000, 99_999.98)))
    tables = build_tables(close)
    rule = rule_nb(3, 10_000, 0.0)
    assert {signal_nb(tables, rule, bar) for bar in range(20_000, 290_000, 997)} == {NONE}
    found = sweep("ma_cross", bars_of(close), [params_of(3, 10_000)], terms_of())[0]
    assert (found.trade_count, found.open_trade_count) == (0, 0)
    assert signal_nb(build_tables(np.array([1.0, 1.0 + 3e-9])), rule_nb(1, 2, 0.0), 1) == BUY


def test_memory_does_not_grow_with_the_sets() -> None:
    """A thousand sets take what their totals and metrics need, not a series each."""
    bars = random_bars(100_000, seed=4)
    sweeper = Sweeper("ma_cross", bars, terms_of())
    sets = [params_of(fast, slow) for fast in range(5, 25) for slow in range(50, 100)]
    sweeper.evaluate(sets[:2])
    tracemalloc.start()
    try:
        found = sweeper.evaluate(sets)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found) == 1000
    assert peak < 4_000_000, "one series of doubles alone has 800,000 bytes a set"


def run_python(*arguments: str, **environment: str) -> str:
    """Run Python in its own process; give what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_sweep_needs_neither_vectorbt_nor_pandas() -> None:
    """Importing and warming the sweep leaves vectorbt, pandas and the wire unimported."""
    code = (
        "import sys, stratopt_server.engine.sweep as s; s.warm();"
        "print({'vectorbt', 'pandas', 'grpc', 'peewee'} & set(sys.modules))"
    )
    assert run_python("-c", code).strip() == "set()"


FORKED = """
import os
import numpy as np
from stratopt_server.domain.market import Bars
from stratopt_server.domain.runs import Costs, Fill, RunTerms
from stratopt_server.engine.sweep import sweep, warm
warm()
close = np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.02, 5_000)))
bars = Bars(np.arange(5_000), close, close, close, close, close)
costs = Costs(taker_fee=0.001, slippage=0.0)
terms = RunTerms(costs=costs, initial_cash=1.0, fill=Fill.CLOSE, bars_per_year=1.0)
sets = [dict(fast_period=f, slow_period=50, signal_threshold=0.0) for f in range(1, 40)]
expected = sweep("ma_cross", bars, sets, terms)
children = []
for _ in range(3):
    child = os.fork()
    if child == 0:
        os._exit(0 if sweep("ma_cross", bars, sets, terms) == expected else 1)
    children.append(child)
assert all(os.waitpid(child, 0)[1] == 0 for child in children)
print("alive")
"""


def test_jobs_forked_from_a_warm_process_sweep_too() -> None:
    """Children forked after the kernels ran on all threads compute the same figures as their parent."""
    assert run_python("-c", FORKED).strip() == "alive"


def test_no_kernel_reads_beyond_its_arrays() -> None:
    """All kernels survive made-up runs with every index checked, and with forbidden memory behind arrays."""
    # They take half a minute to compile: kept, apart from the others, while the engine is as it is.
    kept = kernel_cache(Path.home() / ".cache" / "stratopt" / "checked")
    checked = {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(kept), "NUMBA_NUM_THREADS": "1"}
    run_python(str(Path(__file__).with_name("engine_bounds.py")), "0", **checked)


WARMED = """
import sys
sys.argv = ["", "1"]
import engine_bounds
from stratopt_server.engine.kernels import grid, ma_cross, tables, work
from stratopt_server.engine.sweep import warm
warm()
engine_bounds.main()
doors = (grid.work_grid_nb, ma_cross.work_ma_cross_nb, work.work_signals_nb, work.work_ready_nb)
print([len(door.signatures) for door in (*doors, tables._prefix_nb)])
"""


def test_nothing_is_compiled_after_warming() -> None:
    """Whatever is run on whatever terms, each kernel is the one that was warmed."""
    assert run_python("-c", WARMED, PYTHONPATH=str(Path(__file__).parent)).strip() == "[1, 1, 1, 1, 1]"


def test_warming_twice_is_harmless() -> None:
    """The template process may warm what is warm."""
    warm()
    warm()
