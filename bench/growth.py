"""How the time of a sweep grows with the bars (10^3 .. 10^6) and with the sets (1 .. 10^5): it is linear.

Prints the seconds of each, and writes the picture that docs/performance.md shows.
"""

from bench.harness import best_seconds  # isort: skip - sets up numba before it is imported

import math
from pathlib import Path

import numpy as np

from stratopt_server.domain.market import Bars
from stratopt_server.domain.parameters import Params
from stratopt_server.domain.runs import Costs, Fill, RunTerms
from stratopt_server.engine.sweep import Sweeper

NAME = "growth"
PICTURE = Path(__file__).parents[1] / "docs" / "growth.svg"
BAR_COUNTS = [10**3, 10**4, 10**5, 10**6]
SET_COUNTS = [1, 10, 100, 1_000, 10_000, 100_000]
SETS_FOR_BARS, BARS_FOR_SETS = 20, 1_000
KERNELS: dict[str, Params] = {
    "ma_cross": {"fast_period": 10, "slow_period": 60, "signal_threshold": 0.0},
    "grid": {"grid_num": 10, "profit_ratio": 0.01, "stop_loss": 0.1},
    "macd": {"fast_period": 12, "slow_period": 26, "signal_period": 9},
}
WIDTH, HEIGHT, MARGIN = 460, 300, 60


def bars(count: int) -> Bars:
    """Make a seeded random walk with wicks."""
    random = np.random.default_rng(7)
    close = 100.0 * np.exp(np.cumsum(random.normal(0.0, 1e-3, count)))
    opened = np.concatenate(([100.0], close[:-1]))
    return Bars(
        np.arange(count) * 3_600_000_000,
        opened,
        np.maximum(opened, close) * 1.0005,
        np.minimum(opened, close) / 1.0005,
        close,
        np.ones(count),
    )


def seconds(kernel: str, count: int, sets: int) -> float:
    """Time a sweep, tables included."""
    terms = RunTerms(
        costs=Costs(taker_fee=0.001, slippage=0.0005),
        initial_cash=10_000.0,
        fill=Fill.NEXT_OPEN,
        bars_per_year=8_760.0,
    )
    sample, params = bars(count), [KERNELS[kernel]] * sets
    return best_seconds(lambda: Sweeper(kernel, sample, terms).evaluate(params), repeats=3)


def run() -> dict[str, object]:
    """Time every point, draw them, and give the slope of each line in the logarithms: 1 is linear."""
    for kernel in KERNELS:
        seconds(kernel, 1_000, 2)
    by_bars = {k: [seconds(k, count, SETS_FOR_BARS) for count in BAR_COUNTS] for k in KERNELS}
    by_sets = {k: [seconds(k, BARS_FOR_SETS, count) for count in SET_COUNTS] for k in KERNELS}
    left = _plot(BAR_COUNTS, by_bars, f"bars, {SETS_FOR_BARS} sets", 0)
    right = _plot(SET_COUNTS, by_sets, f"sets, {BARS_FOR_SETS:,} bars", WIDTH)
    PICTURE.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * WIDTH} {HEIGHT}" font-family="sans" '
        f'font-size="12"><rect width="100%" height="100%" fill="#fff"/>{left}{right}</svg>\n',
        encoding="utf-8",
    )
    return {
        "name": NAME,
        "slope_bars": {k: _slope(BAR_COUNTS[1:], times[1:]) for k, times in by_bars.items()},
        "slope_sets": {k: _slope(SET_COUNTS[2:], times[2:]) for k, times in by_sets.items()},
        "seconds_by_bars": by_bars,
        "seconds_by_sets": by_sets,
    }


def _slope(counts: list[int], times: list[float]) -> float:
    """Fit the exponent of growth."""
    return float(np.polyfit(np.log(counts), np.log(times), 1)[0])


def _plot(counts: list[int], lines: dict[str, list[float]], label: str, left: int) -> str:
    """Draw seconds over counts, both in logarithms."""
    every = [time for times in lines.values() for time in times]
    low, high = math.floor(math.log10(min(every))), math.ceil(math.log10(max(every)))
    across = math.log10(counts[-1]) - math.log10(counts[0])

    def at(count: float, time: float) -> tuple[float, float]:
        x = left + MARGIN + (WIDTH - 2 * MARGIN) * (math.log10(count) - math.log10(counts[0])) / across
        y = HEIGHT - 40 - (HEIGHT - 80) * (math.log10(time) - low) / (high - low)
        return x, y

    parts = [f'<text x="{left + WIDTH / 2}" y="{HEIGHT - 8}" text-anchor="middle">{label}</text>']
    for power in range(low, high + 1):
        x, y = at(counts[0], 10.0**power)
        parts.append(f'<path d="M{x:.1f} {y:.1f}h{WIDTH - 2 * MARGIN}" stroke="#ddd"/>')
        parts.append(f'<text x="{x - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">1e{power} s</text>')
    for count in counts:
        x, y = at(count, 10.0**low)
        parts.append(
            f'<text x="{x:.1f}" y="{y + 16:.1f}" text-anchor="middle">1e{math.log10(count):.0f}</text>'
        )
    for (name, times), colour in zip(lines.items(), ("#1463c9", "#b3261e", "#136c3a"), strict=True):
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(at, counts, times))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        x, y = at(counts[-1], times[-1])
        parts.append(f'<text x="{x + 4:.1f}" y="{y + 4:.1f}" fill="{colour}">{name}</text>')
    return "".join(parts)
