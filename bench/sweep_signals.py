"""How fast the sweep of any signals is, against vectorbt: 100 sets of Bollinger reversion on 100,000 bars.

Both sides start from the same bars; ours decides its signals within the time, vectorbt is given its booleans
and only fills and measures: Sharpe ratio, return and drawdown of every set, long only. Both are compiled
beforehand. vectorbt gets the column chunk that suits it best.
"""

from bench.harness import best_seconds, peak_mb  # isort: skip - sets up numba before it is imported

from functools import partial

import numba
import numpy as np

from bench.figures import CASH, FEE, SLIPPAGE, largest_difference, our_figures, peer_figures_of_signals
from bench.sweep_ma_cross import BARS, CHUNKS, HOURS, bars
from stratopt_server.domain.market import Bars
from stratopt_server.domain.parameters import Params
from stratopt_server.domain.runs import Carry, Costs, Fill, RunTerms
from stratopt_server.engine.kernels.rules import BOLLINGER_REVERSION, decide_nb
from stratopt_server.engine.kernels.signals import LONG_ENTRY, LONG_EXIT
from stratopt_server.engine.kernels.tables import no_tables
from stratopt_server.engine.prepare import market_of
from stratopt_server.engine.sweep import Sweeper

NAME = "sweep_signals"
SETS: list[Params] = [
    {"period": period, "width": width}
    for period in range(10, 110, 10)
    for width in np.linspace(1.0, 2.8, 10).round(3).tolist()
]


def ours(sample: Bars) -> np.ndarray:
    """Sweep the sets, signals included: a row of Sharpe ratio, return and drawdown each."""
    costs = Costs(taker_fee=FEE, slippage=SLIPPAGE)
    terms = RunTerms(costs=costs, initial_cash=CASH, fill=Fill.CLOSE, bars_per_year=HOURS)
    found = Sweeper("bollinger_reversion", sample, terms).evaluate(SETS)
    return our_figures(found)


def signals(sample: Bars) -> np.ndarray:
    """Decide the signals of every set, a column each."""
    market, codes = market_of(sample, Carry()), np.zeros((len(SETS), len(sample.close)), dtype=np.uint8)
    for column, params in zip(codes, SETS, strict=True):
        rule = np.array([params["period"], params["width"]], dtype=np.float64)
        decide_nb(BOLLINGER_REVERSION, market, no_tables(), rule, column)
    return codes.T


def peers(sample: Bars, codes: np.ndarray, chunk: int) -> np.ndarray:
    """Fill and measure the signals with vectorbt, so many columns at a time."""
    rows = []
    for first in range(0, codes.shape[1], chunk):
        part = codes[:, first : first + chunk]
        rows.append(peer_figures_of_signals(sample, part & LONG_ENTRY > 0, part & LONG_EXIT > 0, freq="1h"))
    return np.concatenate(rows)


def our_side() -> None:
    """Do our side once, alone: for its memory."""
    ours(bars())


def run() -> dict[str, object]:
    """Time both sides and compare their figures."""
    sample = bars()
    ours(sample)
    codes = signals(sample)
    peers(sample.slice(0, 1_000), codes[:1_000], CHUNKS[0])
    our_seconds = best_seconds(partial(ours, sample), repeats=10)
    by_chunk = {chunk: best_seconds(partial(peers, sample, codes, chunk), repeats=2) for chunk in CHUNKS}
    peer_chunk = min(by_chunk, key=lambda chunk: by_chunk[chunk])
    left, right = ours(sample), peers(sample, codes, peer_chunk)
    return {
        "name": NAME,
        "ratio": by_chunk[peer_chunk] / our_seconds,
        "max_rel_diff": largest_difference(left, right),
        "peak_mb": peak_mb("bench.sweep_signals", "our_side"),
        "bars": BARS,
        "sets": len(SETS),
        "threads": numba.get_num_threads(),
        "our_seconds": our_seconds,
        "peer_seconds": by_chunk[peer_chunk],
        "peer_chunk": peer_chunk,
        "ns_per_bar_and_set": our_seconds / BARS / len(SETS) * 1e9,
    }
