"""Cleaning: what is dropped, mended, sorted and counted."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from market_files import HOUR, MONDAY, hourly, raw

from stratopt_server.domain.errors import RequestRefused
from stratopt_server.market.clean import clean
from stratopt_server.market.columns import content_hash
from stratopt_server.market.rows import RawRows

NAN, INFINITY = float("nan"), float("inf")


def counts_of(rows: RawRows) -> dict[str, int]:
    """Everything cleaning counted that is not 0, except the rows."""
    _, counts = clean(rows)
    names = ("rows_unsorted", "duplicates_dropped", "conflicts_dropped", "bad_prices_dropped", "bad_volumes")
    return {name: getattr(counts, name) for name in names if getattr(counts, name)}


def test_clean_rows_stay() -> None:
    """Rows without fault become the same bars."""
    rows = raw(hourly(5))
    bars, counts = clean(rows)
    assert bars.time.tolist() == rows.time.tolist()
    assert bars.close.tolist() == rows.close.tolist()
    assert counts.rows_read == 5
    assert counts_of(rows) == {}


def test_descending_rows() -> None:
    """A descending file is turned round; all its rows but the first are out of order."""
    bars, counts = clean(raw(hourly(5)[::-1]))
    assert bars.time.tolist() == hourly(5)
    assert bars.close.tolist() == [104.0, 103.0, 102.0, 101.0, 100.0]
    assert counts.rows_unsorted == 4


def test_one_row_out_of_place() -> None:
    """A late row counts once, however far back it belongs."""
    times = hourly(5)
    assert counts_of(raw([*times[1:], times[0]])) == {"rows_unsorted": 1}


def test_exact_duplicates() -> None:
    """Further copies of a row are dropped wherever they stand."""
    rows = raw(hourly(3))
    doubled = rows.take(np.array([0, 1, 1, 2, 0, 1]))
    assert counts_of(doubled) == {"rows_unsorted": 1, "duplicates_dropped": 3}
    assert clean(doubled)[0].time.tolist() == hourly(3)


@pytest.mark.parametrize(
    ("closes", "duplicates", "conflicts", "kept"),
    [
        ([1.0, 2.0], 0, 1, 2.0),
        ([2.0, 1.0], 0, 1, 1.0),
        ([1.0, 1.0, 2.0], 1, 1, 2.0),
        ([1.0, 2.0, 1.0], 1, 1, 1.0),
        ([1.0, 2.0, 3.0], 0, 2, 3.0),
        ([1.0, 1.0, 1.0], 2, 0, 1.0),
    ],
)
def test_rows_of_one_time(closes: list[float], duplicates: int, conflicts: int, kept: float) -> None:
    """The last row in the file stays; copies are duplicates, each further set of values is a conflict."""
    times = [MONDAY] * len(closes) + [MONDAY + HOUR]
    bars, counts = clean(raw(times, close=[*closes, 9.0]))
    assert (counts.duplicates_dropped, counts.conflicts_dropped) == (duplicates, conflicts)
    assert bars.close.tolist() == [kept, 9.0]


@pytest.mark.parametrize("column", ["open", "high", "low", "close"])
@pytest.mark.parametrize("price", [0.0, -1.0, NAN, INFINITY, -INFINITY])
def test_bad_prices(column: str, price: float) -> None:
    """A row with one price that is absent, not finite or not above 0 is dropped."""
    rows = raw(hourly(4))
    changed = getattr(rows, column).copy()
    changed[2] = price
    bars, counts = clean(replace(rows, **{column: changed}))
    assert counts.bad_prices_dropped == 1
    assert bars.time.tolist() == [time for index, time in enumerate(hourly(4)) if index != 2]


def test_bad_price_beside_good_row() -> None:
    """A later row of the same time that has no price does not displace the good one."""
    rows = raw([MONDAY, MONDAY, MONDAY + HOUR], close=[5.0, NAN, 6.0])
    assert counts_of(rows) == {"bad_prices_dropped": 1}
    assert clean(rows)[0].close.tolist() == [5.0, 6.0]


@pytest.mark.parametrize("volume", [-1.0, NAN, INFINITY, -INFINITY])
def test_bad_volumes(volume: float) -> None:
    """A volume that is absent, not finite or negative becomes 0, and its bar stays."""
    rows = raw(hourly(3))
    bars, counts = clean(replace(rows, volume=np.array([1.0, volume, 3.0])))
    assert bars.volume.tolist() == [1.0, 0.0, 3.0]
    assert counts.bad_volumes == 1


def test_bad_volumes_are_counted_in_bars() -> None:
    """A row that is dropped does not count for its volume."""
    rows = raw([MONDAY, MONDAY, MONDAY + HOUR], close=[5.0, 5.0, NAN], volume=NAN)
    kept = raw([MONDAY + 2 * HOUR])
    assert counts_of(RawRows.joined([rows, kept])) == {
        "duplicates_dropped": 1,
        "bad_prices_dropped": 1,
        "bad_volumes": 1,
    }


def test_negative_zero_volume() -> None:
    """Minus zero is zero, so equal bars have one hash."""
    zero, minus = (
        clean(replace(raw(hourly(2)), volume=np.array([1.0, volume])))[0] for volume in (0.0, -0.0)
    )
    assert content_hash(zero) == content_hash(minus)


@pytest.mark.parametrize("rows", [raw([]), raw(hourly(1)), raw([MONDAY] * 3, close=[1.0, 2.0, 1.0])], ids=len)
def test_too_few_bars(rows: RawRows) -> None:
    """Fewer than two bars are refused, with the number of rows they came from."""
    with pytest.raises(RequestRefused) as caught:
        clean(rows)
    assert caught.value.reason == "TOO_FEW_BARS"
    assert caught.value.facts["rows"] == str(len(rows))


numbers = st.one_of(st.floats(min_value=1e-9, max_value=1e9), st.sampled_from([0.0, -1.0, NAN, INFINITY]))
row_values = st.tuples(st.integers(0, 50), *[numbers] * 5)


def rows_of(values: list[tuple[Any, ...]]) -> RawRows:
    """Rows from tuples."""
    time, *columns = (np.array(column) for column in zip(*values, strict=True))
    return RawRows(MONDAY + HOUR * time.astype(np.int64), *(column.astype(np.float64) for column in columns))


@given(st.lists(row_values, min_size=1, max_size=60))
def test_clean_bars_are_clean(values: list[tuple[Any, ...]]) -> None:
    """Whatever the rows, the bars keep their promise and every row is accounted for."""
    rows = rows_of(values)
    try:
        bars, counts = clean(rows)
    except RequestRefused:
        return
    assert (np.diff(bars.time) > 0).all()
    for prices in (bars.open, bars.high, bars.low, bars.close):
        assert (np.isfinite(prices) & (prices > 0)).all()
    assert (np.isfinite(bars.volume) & (bars.volume >= 0)).all()
    dropped = counts.duplicates_dropped + counts.conflicts_dropped + counts.bad_prices_dropped
    assert len(bars) + dropped == len(rows)


@given(
    st.lists(row_values, min_size=2, max_size=40, unique_by=lambda row: row[0]),
    st.lists(st.integers(0, 39), max_size=40),
    st.randoms(use_true_random=False),
)
def test_order_and_copies_do_not_matter(
    values: list[tuple[Any, ...]], copies: list[int], random: Any
) -> None:
    """Any order of the rows, and any copies among them, give the same content hash."""
    shuffled = [*values, *(values[index % len(values)] for index in copies)]
    random.shuffle(shuffled)
    try:
        expected = content_hash(clean(rows_of(values))[0])
    except RequestRefused:
        with pytest.raises(RequestRefused):
            clean(rows_of(shuffled))
        return
    bars, counts = clean(rows_of(shuffled))
    assert content_hash(bars) == expected
    assert counts.conflicts_dropped == 0
