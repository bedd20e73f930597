"""Grades: where the limits lie and what the reasons say."""

from dataclasses import replace

import pytest

from stratopt_server.domain.market import DataGrade
from stratopt_server.market.clean import CleanCounts
from stratopt_server.market.grading import grade
from stratopt_server.market.measure import Measures

COUNTS = CleanCounts(
    rows_read=1_000,
    rows_unsorted=0,
    duplicates_dropped=0,
    conflicts_dropped=0,
    bad_prices_dropped=0,
    bad_volumes=0,
)
MEASURES = Measures(
    ohlc_violations=0,
    zero_volume_bars=0,
    longest_stale_run=0,
    off_grid_bars=0,
    gap_count=0,
    missing_bars=0,
    longest_gap_bars=0,
    price_jumps=0,
)
GOOD, USABLE, BAD = DataGrade.GOOD, DataGrade.USABLE, DataGrade.BAD


def graded(**found: int) -> tuple[DataGrade, tuple[str, ...]]:
    """Grade 1,000 rows that became 1,000 bars, with these findings."""
    counts = replace(COUNTS, **{name: count for name, count in found.items() if hasattr(COUNTS, name)})
    measures = replace(MEASURES, **{name: count for name, count in found.items() if hasattr(MEASURES, name)})
    return grade(counts, measures, bar_count=1_000)


@pytest.mark.parametrize(
    ("name", "count", "expected"),
    [
        ("rows_unsorted", 999, GOOD),
        ("price_jumps", 999, GOOD),
        ("duplicates_dropped", 1, USABLE),
        ("duplicates_dropped", 500, USABLE),
        ("bad_volumes", 1, USABLE),
        ("bad_volumes", 1_000, USABLE),
        ("conflicts_dropped", 1, USABLE),
        ("conflicts_dropped", 10, USABLE),
        ("conflicts_dropped", 11, BAD),
        ("bad_prices_dropped", 10, USABLE),
        ("bad_prices_dropped", 11, BAD),
        ("ohlc_violations", 10, USABLE),
        ("ohlc_violations", 11, BAD),
        ("off_grid_bars", 1, USABLE),
        ("off_grid_bars", 10, USABLE),
        ("off_grid_bars", 11, BAD),
        ("missing_bars", 52, GOOD),
        ("missing_bars", 53, USABLE),
        ("missing_bars", 1_000, USABLE),
        ("missing_bars", 1_001, BAD),
        ("zero_volume_bars", 50, GOOD),
        ("zero_volume_bars", 51, USABLE),
        ("zero_volume_bars", 1_000, USABLE),
        ("longest_stale_run", 100, GOOD),
        ("longest_stale_run", 101, BAD),
    ],
)
def test_limits(name: str, count: int, expected: DataGrade) -> None:
    """Each finding lowers the grade just past its limit, and only then has a reason."""
    verdict, reasons = graded(**{name: count})
    assert verdict is expected
    assert bool(reasons) == (verdict is not GOOD)
    assert any("is BAD." in reason for reason in reasons) == (verdict is BAD)


def test_faults_of_rows_add_up() -> None:
    """Faults that are each tolerable are BAD together."""
    assert graded(conflicts_dropped=4, bad_prices_dropped=4, ohlc_violations=3)[0] is BAD


def test_reasons_are_sentences_with_figures() -> None:
    """Every finding has its own sentence with its own figures."""
    verdict, reasons = graded(
        duplicates_dropped=2, off_grid_bars=20, missing_bars=250, gap_count=9, longest_gap_bars=4
    )
    assert verdict is BAD
    assert reasons == (
        "2 of 1,000 rows dropped: each repeats another row.",
        "20 of 1,000 (2.00 %) bars are off the timeframe's grid; more than 1 % is BAD.",
        "250 of 1,250 (20.00 %) expected bars are absent, in 9 gaps of at most 4; more than 5 % is not GOOD.",
    )


def test_small_shares_are_not_nothing() -> None:
    """A share too small for two decimals is not told as 0."""
    _, reasons = grade(COUNTS, replace(MEASURES, off_grid_bars=1), bar_count=1_000_000)
    assert reasons == ("1 of 1,000,000 (under 0.01 %) bars are off the timeframe's grid.",)
