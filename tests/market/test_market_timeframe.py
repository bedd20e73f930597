"""The timeframe and the bars a year: as given, or as the bars show them."""

from datetime import UTC, datetime, timedelta

import pytest
from market_files import DAY, HOUR, MONDAY, bars_at, hourly

from stratopt_server.domain.errors import RequestRefused
from stratopt_server.domain.market import TIMEFRAMES, to_microseconds
from stratopt_server.market.timeframe import LENGTHS, Calendar, check_given, settle_calendar

WEEKDAYS = [MONDAY + day * DAY for day in range(400) if day % 7 < 5]


def settled(times: list[int], timeframe: str = "", bars_per_year: float | None = None) -> Calendar:
    """Settle the calendar of bars at these times."""
    return settle_calendar(bars_at(times), timeframe=timeframe, bars_per_year=bars_per_year)


@pytest.mark.parametrize("name", TIMEFRAMES)
def test_found_and_given(name: str) -> None:
    """Every timeframe is recognised, and accepted when it is the one given."""
    times = [MONDAY + index * LENGTHS[name] for index in range(20)]
    assert settled(times).timeframe == name
    assert settled(times, name) == settled(times)


def test_most_frequent_distance_wins() -> None:
    """Gaps do not change the timeframe."""
    times = hourly(50)
    assert settled([*times[:10], *times[20:30], times[49]]).timeframe == "1h"


def test_equally_frequent_distances() -> None:
    """Of equally frequent distances the shortest is the timeframe."""
    assert settled([MONDAY, MONDAY + HOUR, MONDAY + 3 * HOUR]).timeframe == "1h"


def test_contradicted() -> None:
    """A timeframe that the rows contradict is refused naming both."""
    with pytest.raises(RequestRefused) as caught:
        settled(hourly(10), "1d")
    assert caught.value.reason == "TIMEFRAME_MISMATCH"
    assert caught.value.facts == {"field": "timeframe", "timeframe": "1d", "found": "1h"}


@pytest.mark.parametrize("given", ["", "1h"])
def test_unknown_distance(given: str) -> None:
    """Rows at a distance that is no timeframe are refused naming it."""
    with pytest.raises(RequestRefused) as caught:
        settled([MONDAY + index * 7 * 60_000_000 for index in range(10)], given)
    assert caught.value.violations[0].field == "timeframe"
    assert caught.value.facts["found"] == "0:07:00"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("1m", 525_600), ("5m", 105_120), ("1h", 8_760), ("4h", 2_190), ("1d", 365), ("1w", 52)],
)
def test_market_that_never_closes(name: str, expected: float) -> None:
    """Bars at all hours of all days make 365 days a year, or 52 weeks."""
    times = [MONDAY + index * LENGTHS[name] for index in range(max(20, 14 * DAY // LENGTHS[name]))]
    calendar = settled(times)
    assert (calendar.bars_per_year, calendar.closes) == (expected, False)


def test_daily_market_that_closes() -> None:
    """Daily bars without Saturdays make 252 days a year."""
    calendar = settled(WEEKDAYS)
    assert (calendar.bars_per_year, calendar.closes) == (252, True)


def test_intraday_market_that_closes() -> None:
    """Shorter bars without Saturdays make 252 of the usual day."""
    times = [day + hour * HOUR for day in WEEKDAYS[:60] for hour in range(14, 21)]
    short_day = [time for time in times if time < WEEKDAYS[59] + 17 * HOUR]
    assert settled(short_day).bars_per_year == 252 * 7


def test_weekly_bars_of_any_market() -> None:
    """Weekly bars make 52 a year on whichever weekday they open."""
    friday = MONDAY + 4 * DAY
    assert settled([friday + week * 7 * DAY for week in range(10)]).bars_per_year == 52


def test_few_saturdays() -> None:
    """A rare Saturday session does not open a market for all hours."""
    saturday = MONDAY + 5 * DAY
    assert settled(sorted([*WEEKDAYS, saturday])).bars_per_year == 252


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (hourly(30), 8_760),
        ([MONDAY + day * DAY for day in range(5)], 252),
        ([MONDAY + day * DAY for day in range(3, 7)], 365),
        ([MONDAY + day * DAY + hour * HOUR for day in range(3) for hour in range(14, 21)], 252 * 7),
        ([MONDAY + index * HOUR for index in range(-4, 48)], 8_760),
    ],
    ids=["no night left out", "weekdays only", "with a weekend", "nights left out", "from a Sunday on"],
)
def test_less_than_a_week(times: list[int], expected: float) -> None:
    """A short file is of a market that never closes if it has a Saturday or leaves nothing out."""
    assert settled(times).bars_per_year == expected


@pytest.mark.parametrize(("given", "closes"), [(8_760, False), (8_766, False), (6_048, True), (1, True)])
def test_given_bars_per_year(given: float, closes: bool) -> None:
    """Bars a year that are given stand, and tell whether the market closes."""
    calendar = settled(hourly(24 * 14), bars_per_year=given)
    assert (calendar.bars_per_year, calendar.closes) == (given, closes)


@pytest.mark.parametrize("given", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_givens(given: float) -> None:
    """A timeframe and bars a year that cannot be are refused together."""
    with pytest.raises(RequestRefused) as caught:
        check_given(timeframe="7m", bars_per_year=given)
    reasons = [(violation.field, violation.reason) for violation in caught.value.violations]
    assert reasons == [("timeframe", "TIMEFRAME_UNKNOWN"), ("bars_per_year", "BARS_PER_YEAR_INVALID")]


def test_monday_is_a_monday() -> None:
    """The day all these tests begin on is what its name says."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=MONDAY)
    assert (moment.weekday(), to_microseconds(moment)) == (0, MONDAY)
