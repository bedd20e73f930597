"""How fast the sweep of any signals is, against vectorbt: 100 sets of Bollinger reversion on 100,000 bars.

Both sides are given the same bars and booleans, and fill and measure: Sharpe ratio, return and drawdown of
every set, long only. For `ratio_with_rules` ours decides the signals within the time as well, vectorbt does
not. Both are compiled beforehand. vectorbt gets the column chunk that suits it best.
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
from stratopt_server.engine.ready_signals import ReadySignals, SignalSweeper
from stratopt_server.engine.sweep import Sweeper

NAME = "sweep_signals"
SETS: list[Params] = [
    {"period": period, "width": width}
    for period in range(10, 110, 10)
    for width in np.linspace(1.0, 2.8, 10).round(3).tolist()
]
TERMS = RunTerms(
    costs=Costs(taker_fee=FEE, slippage=SLIPPAGE), initial_cash=CASH, fill=Fill.CLOSE, bars_per_year=HOURS
)
Booleans = tuple[np.ndarray, np.ndarray]
"""Entries and exits, shape (bars, sets) each, a column in one piece."""


def ours(sample: Bars, booleans: Booleans) -> np.ndarray:
    """Sweep the booleans: a row of Sharpe ratio, return and drawdown for each set."""
    sets = [
        ReadySignals(entries=enter, exits=leave)
        for enter, leave in zip(*(b.T for b in booleans), strict=True)
    ]
    return our_figures(SignalSweeper(sample, TERMS).evaluate(sets))


def ours_with_rules(sample: Bars) -> np.ndarray:
    """Sweep the sets, signals included."""
    return our_figures(Sweeper("bollinger_reversion", sample, TERMS).evaluate(SETS))


def signals(sample: Bars) -> Booleans:
    """Decide the signals of every set."""
    market, codes = market_of(sample, Carry()), np.zeros((len(SETS), len(sample.close)), dtype=np.uint8)
    for column, params in zip(codes, SETS, strict=True):
        rule = np.array([params["period"], params["width"]], dtype=np.float64)
        decide_nb(BOLLINGER_REVERSION, market, no_tables(), rule, column)
    return (codes & LONG_ENTRY > 0).T, (codes & LONG_EXIT > 0).T


def peers(sample: Bars, booleans: Booleans, chunk: int) -> np.ndarray:
    """Fill and measure the signals with vectorbt, so many columns at a time."""
    rows = []
    for first in range(0, len(SETS), chunk):
        part = (column[:, first : first + chunk] for column in booleans)
        rows.append(peer_figures_of_signals(sample, *part, freq="1h"))
    return np.concatenate(rows)


def our_side() -> None:
    """Do our side once, alone: for its memory."""
    sample = bars()
    ours(sample, signals(sample))


def run() -> dict[str, object]:
    """Time both sides and compare their figures."""
    sample = bars()
    booleans = signals(sample)
    by_rules = ours_with_rules(sample)
    peers(sample.slice(0, 1_000), (booleans[0][:1_000], booleans[1][:1_000]), CHUNKS[0])
    left = ours(sample, booleans)
    our_seconds = best_seconds(partial(ours, sample, booleans), repeats=30)
    rules_seconds = best_seconds(partial(ours_with_rules, sample), repeats=30)
    by_chunk = {chunk: best_seconds(partial(peers, sample, booleans, chunk), repeats=2) for chunk in CHUNKS}
    peer_chunk = min(by_chunk, key=lambda chunk: by_chunk[chunk])
    right = peers(sample, booleans, peer_chunk)
    return {
        "name": NAME,
        "ratio": by_chunk[peer_chunk] / our_seconds,
        "ratio_with_rules": by_chunk[peer_chunk] / rules_seconds,
        "max_rel_diff": max(largest_difference(left, right), largest_difference(by_rules, right)),
        "peak_mb": peak_mb("bench.sweep_signals", "our_side"),
        "bars": BARS,
        "sets": len(SETS),
        "threads": numba.get_num_threads(),
        "our_seconds": our_seconds,
        "our_seconds_with_rules": rules_seconds,
        "peer_seconds": by_chunk[peer_chunk],
        "peer_chunk": peer_chunk,
        "ns_per_bar_and_set": our_seconds / BARS / len(SETS) * 1e9,
    }
