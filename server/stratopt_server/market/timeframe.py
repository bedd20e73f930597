"""The timeframe of bars and the hours of their market, as given or as the bars show them."""

import math
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from stratopt_server.domain.errors import Violations
from stratopt_server.domain.market import TIMEFRAMES, Bars, TimeColumn
from stratopt_server.market.rows import refusal, shown

MICROSECOND = timedelta(microseconds=1)
DAY = timedelta(days=1) // MICROSECOND
WEEK = timedelta(weeks=1) // MICROSECOND
LENGTHS = {name: length // MICROSECOND for name, length in TIMEFRAMES.items()}
"""Microseconds of a bar by the timeframe's name."""

EPOCH_WEEKDAY = 3
"""1970-01-01 was a Thursday, counting from Monday, 0."""
SATURDAY = 5

DAYS_PER_YEAR = 365
TRADING_DAYS_PER_YEAR = 252
WEEKS_PER_YEAR = 52
SATURDAY_SHARE_MIN = 0.07
"""Half of the seventh of its bars that a market which never closes has on Saturdays."""
FILLED_MIN = 0.9
"""Share of the bars between first and last that a short file of a market that never closes has."""
OPEN_DAYS_MIN = 6 / 7
"""Share of the year a market must be open to count as one that never closes: more than five days in seven."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """How long a bar is and how much of the year the market is open."""

    timeframe: str
    bars_per_year: float

    @property
    def step(self) -> int:
        """Microseconds of a bar."""
        return LENGTHS[self.timeframe]

    @property
    def closes(self) -> bool:
        """Tell whether the market has closing hours: its bars of a year leave much of the year open."""
        return self.bars_per_year * self.step < OPEN_DAYS_MIN * DAYS_PER_YEAR * DAY


def settle_calendar(bars: Bars, *, timeframe: str, bars_per_year: float | None) -> Calendar:
    """Take what is given if the bars agree with it, and find out the rest from the bars.

    An empty timeframe means the most frequent distance between bars, None the bars a year they show.
    """
    settled = _settle_timeframe(bars.time, timeframe)
    return Calendar(
        settled, usual_bars_per_year(bars.time, settled) if bars_per_year is None else bars_per_year
    )


def check_given(*, timeframe: str, bars_per_year: float | None) -> None:
    """Refuse a timeframe or a number of bars a year that no file could agree with."""
    violations = Violations()
    if timeframe and timeframe not in TIMEFRAMES:
        message = f"{shown(timeframe)} is no timeframe: it is one of {_known()}, or empty"
        violations.add("timeframe", "TIMEFRAME_UNKNOWN", message, timeframe=timeframe, known=_known())
    if bars_per_year is not None and not (math.isfinite(bars_per_year) and bars_per_year > 0):
        message = f"{bars_per_year} is no number of bars a year: it is finite and above 0, or unset"
        violations.add("bars_per_year", "BARS_PER_YEAR_INVALID", message, bars_per_year=bars_per_year)
    violations.refuse_if_any()


def usual_bars_per_year(time: TimeColumn, timeframe: str) -> float:
    """Bars a year of the market these times look like: open at all hours, or 252 days like the usual one."""
    step = LENGTHS[timeframe]
    if step == WEEK:
        return float(WEEKS_PER_YEAR)
    if _never_closes(time, step):
        return DAYS_PER_YEAR * DAY / step
    _, bars_per_day = np.unique(time // DAY, return_counts=True)
    return TRADING_DAYS_PER_YEAR * float(np.median(bars_per_day))


def _known() -> str:
    """Words for the timeframes there are."""
    return " ".join(TIMEFRAMES)


def _settle_timeframe(time: TimeColumn, given: str) -> str:
    """Name of the most frequent distance between the bars, which must be the one given, if one is."""
    distances, counts = np.unique(np.diff(time), return_counts=True)
    usual = int(distances[np.argmax(counts)])  # of equally frequent ones the shortest
    name = next((name for name, length in LENGTHS.items() if length == usual), "")
    found = name or str(timedelta(microseconds=usual))
    if given and given != name:
        message = f"{given} was asked for, but most rows are {found} apart: say so, or leave it empty"
        raise refusal("timeframe", "TIMEFRAME_MISMATCH", message, timeframe=given, found=found)
    if not name:
        message = f"most rows are {found} apart, which is no timeframe: it is one of {_known()}"
        raise refusal("timeframe", "TIMEFRAME_UNKNOWN", message, found=found, known=_known())
    return name


def _never_closes(time: TimeColumn, step: int) -> bool:
    """Tell whether the market looks open on every day and at every hour.

    Its Saturdays say so. A file shorter than a week may have none: then daily bars need a day of some
    weekend, and shorter bars must leave no nights out.
    """
    weekday = (time // DAY + EPOCH_WEEKDAY) % 7
    if np.mean(weekday == SATURDAY) >= SATURDAY_SHARE_MIN:
        return True
    span = int(time[-1] - time[0]) + step
    if span >= WEEK:
        return False
    if step == DAY:
        return bool(np.any(weekday >= SATURDAY))
    return len(time) >= FILLED_MIN * (span / step)
