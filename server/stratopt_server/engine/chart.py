"""Line charts as inline SVG."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from stratopt_server.domain.market import FloatColumn, TimeColumn, from_microseconds

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 960, 260, 84, 12, 12, 28
MAX_POINTS = 1500
TICKS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One line of a chart."""

    name: str
    style: str
    """Class of the line in the page's style sheet."""
    values: FloatColumn


def keep_extremes(values: FloatColumn, limit: int = MAX_POINTS) -> NDArray[np.intp]:
    """Choose at most `limit` points: first, last, and the least and greatest of each of equal buckets."""
    count = len(values)
    if count <= limit:
        return np.arange(count)
    edges = np.linspace(0, count, (limit - 2) // 2 + 1).astype(np.intp)
    chosen = {0, count - 1}
    for first, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        bucket = values[first:stop]
        chosen |= {first + int(bucket.argmin()), first + int(bucket.argmax())}
    return np.array(sorted(chosen))


def line_chart(title: str, time: TimeColumn, lines: Sequence[Line], form: Callable[[float], str]) -> str:
    """Draw lines over time in one chart; `form` writes the values on the axis."""
    low = min(float(line.values.min()) for line in lines)
    high = max(float(line.values.max()) for line in lines)
    if low == high:
        low, high = low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0)
    drawn = "".join(_path(time, line, low, high) for line in lines)
    names = " and ".join(line.name for line in lines)
    return (
        f"<figure><figcaption>{escape(title)}{_legend(lines)}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}: {escape(names)}, '
        f'from {escape(form(low))} to {escape(form(high))}">'
        f"{_value_axis(low, high, form)}{_time_axis(time)}{drawn}</svg></figure>"
    )


def _legend(lines: Sequence[Line]) -> str:
    """Name the lines, where there are several."""
    if len(lines) == 1:
        return ""
    return "".join(f' <span class="key {line.style}">{escape(line.name)}</span>' for line in lines)


def _x(time: TimeColumn, points: NDArray[np.intp]) -> FloatColumn:
    """Place points in time."""
    span = max(1, int(time[-1]) - int(time[0]))
    share: FloatColumn = (time[points] - time[0]) / span
    return LEFT + (WIDTH - LEFT - RIGHT) * share


def _path(time: TimeColumn, line: Line, low: float, high: float) -> str:
    """Draw one line."""
    points = keep_extremes(line.values)
    across = _x(time, points)
    down = TOP + (HEIGHT - TOP - BOTTOM) * (high - line.values[points]) / (high - low)
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across.tolist(), down.tolist(), strict=True))
    return f'<polyline class="line {line.style}" points="{places}"/>'


def _value_axis(low: float, high: float, form: Callable[[float], str]) -> str:
    """Draw level lines with their values."""
    drawn = []
    for share in np.linspace(0.0, 1.0, TICKS).tolist():
        y = TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - share)
        label = escape(form(low + share * (high - low)))
        drawn.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        drawn.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    return "".join(drawn)


def _time_axis(time: TimeColumn) -> str:
    """Write dates below the chart."""
    drawn = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        moment = from_microseconds(int(time[0] + share * (time[-1] - time[0])))
        anchor = "start" if share == 0 else "end" if share == 1 else "middle"
        x = LEFT + share * (WIDTH - LEFT - RIGHT)
        drawn.append(f'<text x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">{moment:%Y-%m-%d}</text>')
    return "".join(drawn)
