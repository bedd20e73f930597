"""The quality report of a file: clean it, measure the bars, grade both."""

from dataclasses import asdict

from stratopt_server.domain.market import Bars, QualityReport
from stratopt_server.market.clean import clean
from stratopt_server.market.grading import grade
from stratopt_server.market.measure import measure
from stratopt_server.market.rows import RawRows
from stratopt_server.market.timeframe import Calendar, settle_calendar


def assess(
    rows: RawRows, *, timeframe: str = "", bars_per_year: float | None = None
) -> tuple[Bars, Calendar, QualityReport]:
    """Clean bars, their calendar, and all that was found on the way; or a refusal."""
    bars, counts = clean(rows)
    calendar = settle_calendar(bars, timeframe=timeframe, bars_per_year=bars_per_year)
    measures = measure(bars, calendar)
    verdict, reasons = grade(counts, measures, bar_count=len(bars))
    report = QualityReport(grade=verdict, reasons=reasons, **asdict(counts), **asdict(measures))
    return bars, calendar, report
