"""Reports of backtests in memory."""

import copy
from collections.abc import Iterator
from datetime import datetime

from stratopt_server.domain.jobs import Job
from stratopt_server.domain.market import to_microseconds
from stratopt_server.domain.ports import ReportFilter, ReportKey, ReportOrder
from stratopt_server.domain.report import Report, ReportSeries, Trade
from stratopt_server.storage.memory.tables import Memory, one_at_a_time


@one_at_a_time
class MemoryReportStore:
    """The reports of succeeded backtests."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def add(self, job: Job, report: Report, html: str, *, now: datetime) -> None:
        """Store the report of a backtest."""
        with self._memory.transaction():
            self._memory.tables.report_jobs[job.id] = (copy.deepcopy(job), now)
            self._memory.tables.reports[job.id] = (copy.deepcopy(report), html)

    def copy(self, backtest_id: str, job: Job, *, now: datetime) -> None:
        """Store the report of one backtest as another's, which ran the same."""
        report, html = self._memory.tables.reports[backtest_id]
        self.add(job, report, html, now=now)

    def page(
        self, wanted: ReportFilter, order: ReportOrder, *, after: ReportKey | None, limit: int
    ) -> list[ReportKey]:
        """Return up to `limit` places behind `after`, best or newest first."""
        sign = 1 if order is ReportOrder.DRAWDOWN else -1
        keys = [
            ReportKey(figure, job_id)
            for job_id, (job, added_at) in self._memory.tables.report_jobs.items()
            if _matches(job, wanted) and (figure := self._figure(job_id, order, added_at)) is not None
        ]
        ordered = sorted(
            sorted(keys, key=lambda key: key.id, reverse=True), key=lambda key: sign * key.figure
        )
        if after is not None:
            ordered = [
                key
                for key in ordered
                if sign * key.figure > sign * after.figure
                or (key.figure == after.figure and key.id < after.id)
            ]
        return ordered[:limit]

    def _figure(self, job_id: str, order: ReportOrder, added_at: datetime) -> float | None:
        metrics = self._memory.tables.reports[job_id][0].metrics
        match order:
            case ReportOrder.NEWEST:
                return to_microseconds(added_at)
            case ReportOrder.SHARPE:
                return metrics.sharpe_ratio
            case ReportOrder.RETURN:
                return metrics.total_return
            case ReportOrder.DRAWDOWN:
                return metrics.max_drawdown

    def series(self, backtest_id: str) -> Iterator[ReportSeries]:
        """Yield the series in chunks of consecutive bars: here in one."""
        found = self._memory.tables.reports.get(backtest_id)
        return iter(() if found is None else (copy.deepcopy(found[0].series),))

    def trades(self, backtest_id: str) -> Iterator[tuple[Trade, ...]]:
        """Yield the trades in chunks: here in one."""
        found = self._memory.tables.reports.get(backtest_id)
        return iter(() if found is None or not found[0].trades else (found[0].trades,))

    def html(self, backtest_id: str) -> str | None:
        """Return the page, or None if there is no report."""
        found = self._memory.tables.reports.get(backtest_id)
        return None if found is None else found[1]


def _matches(job: Job, wanted: ReportFilter) -> bool:
    scenario = job.spec.scenario
    return (
        wanted.strategy_id in (None, scenario.strategy_id)
        and wanted.symbol in (None, scenario.symbol)
        and (wanted.start_date is None or scenario.start_date >= wanted.start_date)
        and (wanted.end_date is None or scenario.end_date <= wanted.end_date)
    )
