"""How fast the sweep of ma_cross is, against vectorbt at its best: 100 parameter sets on 100,000 bars.

Both sides start from the same bars, compute averages, signals, fills, and Sharpe ratio, return and
drawdown of every set; both are compiled beforehand. vectorbt gets the column chunk that suits it best.
"""

from bench.harness import best_seconds, peak_mb  # isort: skip - sets up numba before it is imported

from functools import partial

import numba
import numpy as np

from bench.figures import CASH, FEE, SLIPPAGE, largest_difference, our_figures, peer_figures_of_signals
from stratopt_server.domain.market import Bars
from stratopt_server.domain.parameters import Params
from stratopt_server.domain.runs import Costs, Fill, RunTerms
from stratopt_server.engine.sweep import Sweeper, warm

NAME = "sweep_ma_cross"
BARS = 100_000
SETS = [(fast, slow) for fast in range(5, 55, 5) for slow in range(60, 260, 20)]
CHUNKS = (10, 20, 50, 100)
HOURS = 24 * 365
BAND = 1e-9
NEVER = 1e9
"""A threshold no average passes: what remains is looking for signals."""


def bars() -> Bars:
    """Make the seeded random walk."""
    random = np.random.default_rng(20240101)
    close = 100.0 * np.exp(np.cumsum(random.normal(0.0, 1e-3, BARS)))
    opened = np.concatenate(([100.0], close[:-1]))
    return Bars(np.arange(BARS) * 3_600_000_000, opened, close, close, close, np.ones(BARS))


def param_sets(threshold: float = 0.0) -> list[Params]:
    """Make the hundred parameter sets."""
    return [{"fast_period": f, "slow_period": w, "signal_threshold": threshold} for f, w in SETS]


def ours(sample: Bars, sets: list[Params]) -> np.ndarray:
    """Sweep the sets, tables included: a row of Sharpe ratio, return and drawdown each."""
    costs = Costs(taker_fee=FEE, slippage=SLIPPAGE)
    terms = RunTerms(costs=costs, initial_cash=CASH, fill=Fill.CLOSE, bars_per_year=HOURS)
    found = Sweeper("ma_cross", sample, terms).evaluate(sets)
    return our_figures(found)


def peers(sample: Bars, chunk: int) -> np.ndarray:
    """Do the same with vectorbt, so many columns at a time; each distinct average is computed once."""
    import vectorbt as vbt  # noqa: PLC0415 - the memory of our own side is measured without it

    windows = sorted({window for pair in SETS for window in pair})
    averages = vbt.MA.run(sample.close, windows).ma.to_numpy()
    column = {window: averages[:, place] for place, window in enumerate(windows)}
    rows = []
    for first in range(0, len(SETS), chunk):
        part = SETS[first : first + chunk]
        distance = np.stack([column[f] / column[w] - 1.0 for f, w in part], axis=1)
        rows.append(peer_figures_of_signals(sample, distance > BAND, distance < -BAND, freq="1h"))
    return np.concatenate(rows)


def our_side() -> None:
    """Do our side once, alone: for its memory."""
    warm()
    ours(bars(), param_sets())


def peer_side() -> None:
    """Do vectorbt's side once, alone, at the chunk that needs least: for its memory."""
    peers(bars(), CHUNKS[0])


def run() -> dict[str, object]:
    """Time both sides, compare their figures, and say where our time goes."""
    sample, sets, silent = bars(), param_sets(), param_sets(NEVER)
    warm()
    peers(sample.slice(0, 1_000), CHUNKS[0])
    our_seconds = best_seconds(partial(ours, sample, sets), repeats=30)
    scan_seconds = best_seconds(partial(ours, sample, silent), repeats=30)
    by_chunk = {chunk: best_seconds(partial(peers, sample, chunk), repeats=2) for chunk in CHUNKS}
    peer_chunk = min(by_chunk, key=lambda chunk: by_chunk[chunk])
    left, right = ours(sample, sets), peers(sample, peer_chunk)
    return {
        "name": NAME,
        "ratio": by_chunk[peer_chunk] / our_seconds,
        "max_rel_diff": largest_difference(left, right),
        "peak_mb": peak_mb("bench.sweep_ma_cross", "our_side"),
        "peer_peak_mb": peak_mb("bench.sweep_ma_cross", "peer_side"),
        "bars": BARS,
        "sets": len(SETS),
        "threads": numba.get_num_threads(),
        "our_seconds": our_seconds,
        "peer_seconds": by_chunk[peer_chunk],
        "peer_chunk": peer_chunk,
        "peer_seconds_by_chunk": {str(chunk): seconds for chunk, seconds in by_chunk.items()},
        "ns_per_bar_and_set": our_seconds / BARS / len(SETS) * 1e9,
        # The floor: the same sweep when no signal ever comes, so tables and the search for signals alone.
        "scan_ns_per_bar_and_set": scan_seconds / BARS / len(SETS) * 1e9,
    }
