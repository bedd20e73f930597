"""Where bars are split into those a search sees and those its best is tested on: numbers of bars, pure."""

from dataclasses import dataclass
from itertools import pairwise

SIDE_BARS_MIN = 10
"""Fewest bars to train on, and to test on."""
WINDOWS_DEFAULT = 5
WINDOWS_MIN, WINDOWS_MAX = 2, 50
PURGE_SHARE_MAX = 0.25
"""Of the first window's training bars: most that is purged unless it was asked for."""


class TooFewBars(ValueError):
    """The bars do not suffice for what was asked; `needed` would."""

    def __init__(self, bars: int, needed: int) -> None:
        super().__init__(f"{bars} bars, and at least {needed} are needed")
        self.needed = needed


@dataclass(frozen=True, slots=True)
class Cut:
    """One split: half-open ranges of bars."""

    train_first: int
    train_stop: int
    test_first: int
    test_stop: int


def holdout(bar_count: int, share: float) -> Cut:
    """Hold the last share of the bars out; raises TooFewBars."""
    first = round(bar_count * (1 - share))
    if min(first, bar_count - first) < SIDE_BARS_MIN:
        raise TooFewBars(bar_count, _ceil(SIDE_BARS_MIN / min(share, 1 - share)))
    return Cut(0, first, first, bar_count)


def walk_forward(bar_count: int, windows: int, *, purge: int, rolling: bool) -> tuple[Cut, ...]:
    """Tile the second half of the bars with windows; raises TooFewBars.

    Each trains on the bars before it but the last `purge`: on all of them, or, rolling, on as many as the
    first window has.
    """
    middle = bar_count // 2
    edges = [middle + (bar_count - middle) * number // windows for number in range(windows + 1)]
    length = middle - purge
    if length < SIDE_BARS_MIN or (bar_count - middle) // windows < SIDE_BARS_MIN:
        raise TooFewBars(bar_count, 2 * max(SIDE_BARS_MIN + purge, SIDE_BARS_MIN * windows))
    return tuple(
        Cut(first - purge - length if rolling else 0, first - purge, first, stop)
        for first, stop in pairwise(edges)
    )


def default_purge(bar_count: int, look_back: int) -> int:
    """Bars to purge where nobody said: the longest look-back, as far as the first window can spare it."""
    return min(look_back, int(bar_count // 2 * PURGE_SHARE_MAX))


def _ceil(number: float) -> int:
    return -int(-number // 1)
