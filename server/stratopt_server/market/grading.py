"""The verdict on a file of bars, and a sentence for each thing that keeps it from being good."""

from typing import NamedTuple

from stratopt_server.domain.market import DataGrade
from stratopt_server.market.clean import CleanCounts
from stratopt_server.market.measure import Measures

ROW_FAULTS_BAD = 0.01
"""Share of the rows that may have no usable price or contradict another row or themselves."""
OFF_GRID_BAD = 0.01
"""Share of the bars that may lie off the grid."""
MISSING_GOOD = 0.05
MISSING_BAD = 0.5
"""Share of the bars there should be that may be absent: from a good dataset, from any."""
ZERO_VOLUME_GOOD = 0.05
"""Share of a good dataset's bars that may have no volume."""
STALE_BAD = 0.1
"""Share of the bars that may lie in one run without volume or movement."""


class _Finding(NamedTuple):
    """One thing that is not as it should be."""

    sentence: str
    is_bad: bool


def grade(counts: CleanCounts, measures: Measures, *, bar_count: int) -> tuple[DataGrade, tuple[str, ...]]:
    """Grade a dataset, and say why it is not GOOD."""
    findings = [*_about_rows(counts, measures, bar_count), *_about_bars(measures, bar_count)]
    if any(finding.is_bad for finding in findings):
        verdict = DataGrade.BAD
    else:
        verdict = DataGrade.USABLE if findings else DataGrade.GOOD
    return verdict, tuple(finding.sentence for finding in findings)


def _about_rows(counts: CleanCounts, measures: Measures, bar_count: int) -> list[_Finding]:
    """Find what was dropped, mended or contradicts itself."""
    rows = counts.rows_read
    told = [
        (counts.duplicates_dropped, f"of {rows:,} rows dropped: each repeats another row."),
        (
            counts.conflicts_dropped,
            f"of {rows:,} rows dropped: a later row had the same time and other values.",
        ),
        (
            counts.bad_prices_dropped,
            f"of {rows:,} rows dropped: a price was absent, not finite or not above 0.",
        ),
        (
            measures.ohlc_violations,
            f"of {bar_count:,} bars kept though the high or low contradicts the open or close.",
        ),
        (
            counts.bad_volumes,
            f"of {bar_count:,} volumes set to 0: absent, not finite or negative.",
        ),
    ]
    findings = [_Finding(f"{count:,} {words}", is_bad=False) for count, words in told if count]
    faults = counts.bad_prices_dropped + counts.conflicts_dropped + measures.ohlc_violations
    if faults > ROW_FAULTS_BAD * rows:
        share = (
            f"{_percent(faults, rows)} of the rows contradict others or themselves or have unusable prices"
        )
        findings.append(_Finding(f"{share}; more than {_limit(ROW_FAULTS_BAD)} is BAD.", is_bad=True))
    return findings


def _about_bars(measures: Measures, bar_count: int) -> list[_Finding]:
    """Find what is absent, off the grid or without trade."""
    findings: list[_Finding] = []
    if off_grid := measures.off_grid_bars:
        sentence = f"{_part(off_grid, bar_count)} bars are off the timeframe's grid"
        findings.append(_judged(sentence, is_bad=off_grid > OFF_GRID_BAD * bar_count, limit=OFF_GRID_BAD))
    expected = bar_count + measures.missing_bars
    if measures.missing_bars > MISSING_GOOD * expected:
        sentence = (
            f"{_part(measures.missing_bars, expected)} expected bars are absent, in {measures.gap_count:,}"
            f" gaps of at most {measures.longest_gap_bars:,}; more than {_limit(MISSING_GOOD)} is not GOOD"
        )
        is_bad = measures.missing_bars > MISSING_BAD * expected
        findings.append(_judged(sentence, is_bad=is_bad, limit=MISSING_BAD))
    if measures.zero_volume_bars > ZERO_VOLUME_GOOD * bar_count:
        sentence = f"{_part(measures.zero_volume_bars, bar_count)} bars have no volume"
        limit = f"more than {_limit(ZERO_VOLUME_GOOD)} is not GOOD."
        findings.append(_Finding(f"{sentence}; {limit}", is_bad=False))
    if measures.longest_stale_run > STALE_BAD * bar_count:
        sentence = (
            f"{_part(measures.longest_stale_run, bar_count)} bars in one run have no volume and one price"
        )
        findings.append(_judged(sentence, is_bad=True, limit=STALE_BAD))
    return findings


def _judged(sentence: str, *, is_bad: bool, limit: float) -> _Finding:
    """End the sentence, with the limit if that was passed."""
    return _Finding(f"{sentence}; more than {_limit(limit)} is BAD." if is_bad else f"{sentence}.", is_bad)


def _part(count: int, whole: int) -> str:
    """Words for a part of a whole: `3 of 400 (0.75 %)`."""
    return f"{count:,} of {whole:,} ({_percent(count, whole)})"


def _percent(count: int, whole: int) -> str:
    """Percentage with two decimals, never rounded to nothing."""
    share = 100 * count / whole
    return "under 0.01 %" if share < 0.01 else f"{share:.2f} %"


def _limit(share: float) -> str:
    """Percentage of a limit: `5 %`."""
    return f"{100 * share:g} %"
