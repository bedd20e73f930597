"""What a template measures before it serves: how fast the engine is on this machine.

Only kernels that are loaded by then are measured: another one would first be compiled, for many seconds.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial

import numba
import numpy as np

from stratopt_server.domain.market import Bars
from stratopt_server.domain.parameters import Params
from stratopt_server.domain.runs import Costs, Fill, RunTerms
from stratopt_server.engine.sweep import Sweeper

SWEEP_BARS = 20_000
REPORT_BARS = {"ma_cross": 10_000, "grid": 2_500}
"""A grid trades every few bars, and a report is mostly about trades."""
FEW_BARS = 200
"""What takes as long on few bars as on many is no part of the speed."""
SWEEP_REPEATS, REPORT_REPEATS = 3, 2
"""The fastest counts: whatever made another slower was not the engine."""
SECONDS_A_BAR_MIN = 1e-12
"""Speeds are above 0, whatever the clock says."""
HOUR_MICROSECONDS = 3_600_000_000
TERMS = RunTerms(
    costs=Costs(taker_fee=0.001, slippage=0.0005),
    initial_cash=10_000.0,
    fill=Fill.NEXT_OPEN,
    bars_per_year=8_760.0,
)
SETS: dict[str, Sequence[Params]] = {
    "ma_cross": [
        {"fast_period": fast, "slow_period": slow, "signal_threshold": 0.0}
        for fast in (5, 20)
        for slow in (40, 80, 160, 320)
    ],
    "grid": [
        {"grid_num": count, "profit_ratio": ratio, "stop_loss": 0.1}
        for count in (10, 20)
        for ratio in (0.005, 0.01, 0.02, 0.04)
    ],
}
"""What is run of each kernel: parameters as searches try them."""


def sweep_speeds() -> dict[str, float]:
    """Measure seconds a bar and parameter set of a search, which uses every thread.

    Each set is run by itself, without threads: to deal them out takes longer than the few that are run here.
    """
    many, few = walk(SWEEP_BARS), walk(FEW_BARS)
    return {kernel: _sweep_speed(kernel, sets, many, few) for kernel, sets in SETS.items()}


def _sweep_speed(kernel: str, sets: Sequence[Params], many: Bars, few: Bars) -> float:
    def taken(bars: Bars) -> float:
        sweeper = Sweeper(kernel, bars, TERMS)
        return sum(_fastest(partial(sweeper.evaluate, [params]), SWEEP_REPEATS) for params in sets)

    seconds = (taken(many) - taken(few)) / len(sets) / (SWEEP_BARS - FEW_BARS)
    return max(seconds / numba.get_num_threads(), SECONDS_A_BAR_MIN)


def report_speeds() -> dict[str, float]:
    """Measure seconds a bar of a report; only for the template that has vectorbt."""
    from stratopt_server.engine.report import make_report  # noqa: PLC0415 - takes seconds, and not all need it

    few = walk(FEW_BARS)

    def taken(kernel: str, bars: Bars) -> float:
        return _fastest(partial(make_report, kernel, bars, SETS[kernel][0], TERMS), REPORT_REPEATS)

    return {
        kernel: max((taken(kernel, walk(bars)) - taken(kernel, few)) / (bars - FEW_BARS), SECONDS_A_BAR_MIN)
        for kernel, bars in REPORT_BARS.items()
    }


def _fastest(run: Callable[[], object], repeats: int) -> float:
    """Seconds of the fastest of so many runs."""
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        run()
        taken.append(time.perf_counter() - began)
    return min(taken)


def walk(count: int) -> Bars:
    """Hourly bars of a random walk that is always the same."""
    rng = np.random.default_rng(1)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, count)))
    opened = np.concatenate([[100.0], close[:-1]])
    high, low = np.maximum(opened, close) * 1.001, np.minimum(opened, close) / 1.001
    return Bars(np.arange(count) * HOUR_MICROSECONDS, opened, high, low, close, rng.uniform(1, 9, count))
