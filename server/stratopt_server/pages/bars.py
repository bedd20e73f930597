"""Bars side by side, with whiskers and marks: a picture that needs no legend."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, ROW, LEFT, RIGHT, TOP = 900.0, 30.0, 220.0, 80.0, 22.0
BAR = 14.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One figure; None is shown as not known."""

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None
    """Ends of its interval."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A threshold."""

    label: str
    value: float


def bar_chart(
    title: str, bars: Sequence[Bar], *, shown: Callable[[float], str], marks: Sequence[Mark] = ()
) -> str:
    """Draw a figure of bars; empty without one."""
    if not bars:
        return ""
    values = [0.0, *(mark.value for mark in marks)]
    values += [part for bar in bars for part in (bar.value, bar.low, bar.high) if part is not None]
    low, high = min(values), max(values)
    span = (high - low) or 1.0

    def across(value: float) -> float:
        return LEFT + (value - low) / span * (WIDTH - LEFT - RIGHT)

    height = TOP + ROW * len(bars) + 6
    parts = [_mark(mark, across(mark.value), height) for mark in marks]
    parts += [_bar(bar, TOP + ROW * number, across, shown) for number, bar in enumerate(bars)]
    zero = f'<line class="grid" x1="{across(0):.1f}" x2="{across(0):.1f}" y1="{TOP}" y2="{height:.1f}"/>'
    label = escape(title)
    return (
        f'<figure><figcaption>{label}</figcaption><svg viewBox="0 0 {WIDTH:g} {height:g}" role="img" '
        f'aria-label="{label}">{zero}{"".join(parts)}</svg></figure>'
    )


def _mark(mark: Mark, x: float, height: float) -> str:
    return (
        f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6:g}" y2="{height:.1f}"/>'
        f'<text x="{x:.1f}" y="12" text-anchor="middle">{escape(mark.label)}</text>'
    )


def _bar(bar: Bar, y: float, across: Callable[[float], float], shown: Callable[[float], str]) -> str:
    middle = y + ROW / 2
    label = f'<text x="{LEFT - 10:g}" y="{middle + 4:.1f}" text-anchor="end">{escape(bar.label)}</text>'
    if bar.value is None:
        return f'{label}<text x="{across(0) + 6:.1f}" y="{middle + 4:.1f}">not computable</text>'
    zero, end = across(0), across(bar.value)
    kind = "bar" if bar.value >= 0 else "bar down"
    drawn = (
        f'<rect class="{kind}" x="{min(zero, end):.1f}" y="{middle - BAR / 2:.1f}" '
        f'width="{max(abs(end - zero), 1):.1f}" height="{BAR:g}"/>'
    )
    far = end
    if bar.low is not None and bar.high is not None:
        left, right = across(bar.low), across(bar.high)
        far = max(end, right)
        drawn += (
            f'<line class="whisker" x1="{left:.1f}" x2="{right:.1f}" y1="{middle:.1f}" y2="{middle:.1f}"/>'
        )
    value = f'<text x="{max(far, zero) + 6:.1f}" y="{middle + 4:.1f}">{escape(shown(bar.value))}</text>'
    return label + drawn + value
