"""A thousand parameter sets of ma_cross on fifteen months of minutes: 655,120 bars of BTC/USDT.

The bars are the real ones of `shared/data/market` where that folder lies beside the project, else a random
walk of the same length. vectorbt holds whole frames: it is run on the largest slice of columns that fits
PEER_MB, found by doubling, and its time for all sets is that of the slice times their number: said so, not
measured. Our figures of those sets are compared with vectorbt's.
"""

from bench.harness import best_seconds, peak_mb  # isort: skip - sets up numba before it is imported

import time
from pathlib import Path

import numba
import numpy as np
import psutil

from bench.figures import CASH, FEE, SLIPPAGE, largest_difference, our_figures, peer_figures_of_signals
from stratopt_server.domain.market import Bars
from stratopt_server.domain.parameters import Params
from stratopt_server.domain.runs import Costs, Fill, RunTerms
from stratopt_server.engine.sweep import Sweeper

NAME = "sweep_year"
FILE = Path(__file__).parents[2] / "shared" / "data" / "market" / "binance_BTC-USDT_1m.parquet"
BARS = 655_120
SETS: list[Params] = [
    {"fast_period": fast, "slow_period": slow, "signal_threshold": 0.0}
    for fast in range(10, 110, 4)
    for slow in range(120, 920, 20)
]
MINUTES = 60 * 24 * 365
BAND = 1e-9
PEER_MB = 6_000
"""Memory that vectorbt may take."""
WIDEST = 64


def bars() -> Bars:
    """Read the minutes of BTC/USDT, or make as many."""
    if FILE.exists():
        import pyarrow.parquet as pq  # noqa: PLC0415 - only to read this file

        table = pq.read_table(FILE)
        columns = [table[name].to_numpy() for name in ("open", "high", "low", "close", "volume")]
        return Bars(table["timestamp"].to_numpy().astype("datetime64[us]").astype(np.int64), *columns)
    random = np.random.default_rng(20220101)
    close = 40_000.0 * np.exp(np.cumsum(random.normal(0.0, 6e-4, BARS)))
    return Bars(np.arange(BARS) * 60_000_000, close, close, close, close, np.ones(BARS))


def ours(sample: Bars) -> np.ndarray:
    """Sweep all sets: a row of Sharpe ratio, return and drawdown each."""
    costs = Costs(taker_fee=FEE, slippage=SLIPPAGE)
    terms = RunTerms(costs=costs, initial_cash=CASH, fill=Fill.CLOSE, bars_per_year=MINUTES)
    found = Sweeper("ma_cross", sample, terms).evaluate(SETS)
    return our_figures(found)


def peers(sample: Bars, columns: int) -> np.ndarray:
    """Do the first sets with vectorbt, all at once."""
    import vectorbt as vbt  # noqa: PLC0415 - the memory of our own side is measured without it

    pairs = [(int(params["fast_period"]), int(params["slow_period"])) for params in SETS[:columns]]
    windows = sorted({window for pair in pairs for window in pair})
    averages = vbt.MA.run(sample.close, windows).ma.to_numpy()
    place = {window: number for number, window in enumerate(windows)}
    distance = np.stack([averages[:, place[f]] / averages[:, place[w]] - 1.0 for f, w in pairs], axis=1)
    return peer_figures_of_signals(sample, distance > BAND, distance < -BAND, freq="1min")


def our_side() -> None:
    """Do our side once, alone: for its memory."""
    ours(bars())


def run() -> dict[str, object]:
    """Time our side; then give vectorbt twice as many columns until it holds too much."""
    sample = bars()
    ours(sample)
    our_seconds = best_seconds(lambda: ours(sample), repeats=3)
    peers(sample.slice(0, 2_000), 1)
    columns, seconds, theirs, held = 0, 0.0, np.empty((0, 3)), 0.0
    process, wanted = psutil.Process(), 1
    while wanted <= WIDEST:
        began = time.perf_counter()
        theirs = peers(sample, wanted)
        columns, seconds = wanted, time.perf_counter() - began
        held = max(held, process.memory_info().rss / (1 << 20))
        if 2 * held > PEER_MB:
            break
        wanted *= 2
    left = ours(sample)[:columns]
    return {
        "name": NAME,
        "ratio": seconds / columns * len(SETS) / our_seconds,
        "ratio_is": f"extrapolated from vectorbt's time for {columns} sets",
        "max_rel_diff": largest_difference(left, theirs),
        "peak_mb": peak_mb("bench.sweep_year", "our_side"),
        "peer_columns": columns,
        "peer_rss_mb": held,
        "bars": len(sample.close),
        "sets": len(SETS),
        "threads": numba.get_num_threads(),
        "our_seconds": our_seconds,
        "ns_per_bar_and_set": our_seconds / len(sample.close) / len(SETS) * 1e9,
        "real_bars": FILE.exists(),
    }
