"""Dates and times: UTC, and a day is the whole day."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratopt_client import InvalidInput
from stratopt_client._shape import Shape
from stratopt_client._times import moment_to_proto


def moment(value: object, *, whole_day: bool = False) -> datetime:
    """Convert there and back."""
    shape = Shape()
    stamp = moment_to_proto(shape, "end_date", value, whole_day=whole_day)
    shape.refuse_if_any()
    assert stamp is not None
    return stamp.ToDatetime(tzinfo=UTC)


@given(st.datetimes())
def test_naive_datetimes_are_utc(value: datetime) -> None:
    """Microseconds survive; no zone means UTC, whatever the machine's zone is."""
    assert moment(value) == value.replace(tzinfo=UTC)
    assert moment(value.isoformat()) == value.replace(tzinfo=UTC)


@given(
    st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 12, 31)),  # noqa: DTZ001 - zones are added
    st.integers(-23, 23),
)
def test_aware_datetimes_keep_their_moment(value: datetime, hours: int) -> None:
    """A zone is converted, not dropped."""
    aware = value.replace(tzinfo=timezone(timedelta(hours=hours)))
    assert moment(aware) == aware
    assert moment(aware.isoformat()) == aware


@given(st.dates())
def test_day_is_its_first_moment_or_its_last(day: date) -> None:
    """As a start it is midnight; as an end the last microsecond before the next."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    for written in (day, day.isoformat()):
        assert moment(written) == midnight
        assert moment(written, whole_day=True) == midnight + timedelta(days=1, microseconds=-1)


def test_time_of_an_end_is_kept() -> None:
    """Only a date without a time means the whole day."""
    assert moment("2024-01-31T00:00", whole_day=True) == datetime(2024, 1, 31, tzinfo=UTC)
    assert moment("2024-01-31T12:30:00Z", whole_day=True) == datetime(2024, 1, 31, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize("value", ["", "yesterday", "31.01.2024", "2024-02-30", 1706659200, ["2024-01-31"]])
def test_what_is_no_time_is_refused(value: object) -> None:
    """The error names the field and shows what would do."""
    with pytest.raises(InvalidInput, match=r"end_date: must be a date or time such as 2024-01-31"):
        moment(value)


def test_moment_outside_the_calendar_is_refused() -> None:
    """A zone may not push a time out of the years 1 to 9999."""
    with pytest.raises(InvalidInput):
        moment(datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))))
