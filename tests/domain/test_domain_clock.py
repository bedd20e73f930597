"""Ids and times."""

import re
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratopt_server.domain.clock import ALPHABET, Ids, SystemClock, base32
from stratopt_server.domain.market import Bars, from_microseconds, to_microseconds
from stratopt_server.domain.strategy import STRATEGY_ID

ID = re.compile(r"[A-Za-z0-9._-]{1,50}")
LATEST = datetime(3000, 1, 1, tzinfo=UTC)
moments = st.integers(0, to_microseconds(LATEST)).map(from_microseconds)


class HeldClock:
    """A clock that stands where it is put."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        """The moment it was put to."""
        return self.moment


@given(moments, st.sampled_from(["bt", "opt", "ds"]), st.integers(0, 32**8 - 1))
def test_ids_are_ids(moment: datetime, prefix: str, chance: int) -> None:
    """An id is its prefix and 17 letters that a URL, a file name and a table can hold."""
    made = Ids(HeldClock(moment), lambda _: chance).new(prefix)
    assert ID.fullmatch(made)
    assert STRATEGY_ID.fullmatch(made)
    assert made.startswith(f"{prefix}_")
    assert len(made) == len(prefix) + 18


@given(moments, moments, st.integers(0, 32**8 - 1), st.integers(0, 32**8 - 1))
def test_ids_sort_by_time(one: datetime, other: datetime, first_chance: int, second_chance: int) -> None:
    """Of ids made in different milliseconds the earlier sorts first, whatever chance adds."""
    early, late = sorted((one, other))
    first, second = (
        Ids(HeldClock(moment), lambda _, chance=chance: chance).new("bt")
        for moment, chance in ((early, first_chance), (late, second_chance))
    )
    if late - early >= timedelta(milliseconds=2):
        assert first < second
    assert first[:12] <= second[:12]


def test_ids_differ() -> None:
    """Ids of one millisecond differ."""
    ids = Ids(HeldClock(LATEST))
    assert len({ids.new("bt") for _ in range(1_000)}) == 1_000


@given(st.integers(0, 32**9 - 1), st.integers(0, 32**9 - 1))
def test_base32_sorts_as_it_counts(one: int, other: int) -> None:
    """The texts of two numbers compare as the numbers do, and read back as them."""
    assert (base32(one, 9) < base32(other, 9)) == (one < other)
    assert (
        sum(ALPHABET.index(digit) * 32**place for place, digit in enumerate(reversed(base32(one, 9)))) == one
    )


def test_system_clock() -> None:
    """The machine's clock tells UTC."""
    assert SystemClock().now().utcoffset() == timedelta(0)


@given(st.datetimes(timezones=st.just(UTC)))
def test_microseconds_of_a_moment(moment: datetime) -> None:
    """A moment survives the count of its microseconds."""
    assert from_microseconds(to_microseconds(moment)) == moment


@given(st.integers(to_microseconds(datetime.min.replace(tzinfo=UTC)), to_microseconds(LATEST)))
def test_moment_of_microseconds(microseconds: int) -> None:
    """A count survives the moment it stands for, before 1970 too."""
    assert to_microseconds(from_microseconds(microseconds)) == microseconds


def test_microseconds_of_another_zone() -> None:
    """A moment has one count, whatever zone tells it."""
    moment = datetime.fromisoformat("2024-01-01T02:00:00.000001+02:00")
    assert to_microseconds(moment) == 1_704_067_200_000_001


def test_microseconds_out_of_reach() -> None:
    """A count outside the years 1 to 9999 is an OverflowError."""
    with pytest.raises(OverflowError):
        from_microseconds(10**18)


times = st.lists(st.integers(0, 60), unique=True, max_size=20).map(sorted)


def bars_at(minutes: list[int]) -> Bars:
    """Bars that open at those minutes; each column is a number apart from the others."""
    time = np.array(minutes, np.int64) * 60_000_000
    return Bars(time, *(np.array(minutes, np.float64) + column for column in range(5)))


@given(times, st.integers(-5, 65), st.integers(-5, 65), st.sampled_from([0, 1, 59_999_999]))
def test_bars_between(minutes: list[int], start: int, end: int, beyond: int) -> None:
    """Bars between two moments are those that open at or after the one and at or before the other."""
    first, last = start * 60_000_000 - beyond, end * 60_000_000 + beyond
    found = bars_at(minutes).between(from_microseconds(first), from_microseconds(last))
    assert found.time.tolist() == [m * 60_000_000 for m in minutes if first <= m * 60_000_000 <= last]


@given(times, st.integers(0, 25), st.integers(0, 25))
def test_bars_slice(minutes: list[int], first: int, stop: int) -> None:
    """A slice cuts every column in the same place and copies none."""
    bars = bars_at(minutes)
    part = bars.slice(first, stop)
    kept = minutes[first:stop]
    assert len(part) == len(kept)
    columns = (part.open, part.high, part.low, part.close, part.volume)
    assert [column.tolist() for column in columns] == [[m + place for m in kept] for place in range(5)]
    assert all(column.base is not None for column in (part.time, *columns))
