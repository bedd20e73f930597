"""Reports of backtests in a database: the documented row, and the pieces that are streamed."""

import zlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import peewee

from stratopt_server.domain.jobs import Job
from stratopt_server.domain.market import from_microseconds, to_microseconds
from stratopt_server.domain.metrics import Metrics
from stratopt_server.domain.ports import ReportFilter, ReportKey, ReportOrder
from stratopt_server.domain.report import Report, ReportSeries, Trade
from stratopt_server.domain.runs import BacktestSpec
from stratopt_server.storage.codec import pack_series, pack_trades, to_json, unpack_series, unpack_trades
from stratopt_server.storage.dialect import Database
from stratopt_server.storage.models import BacktestReportRow, ReportPartRow, UtcField, bound

ROW = "strategy_id, symbol, params, metrics, max_drawdown, sharpe_ratio, total_return, start_date, end_date"
COPY = (
    f"INSERT INTO backtest_reports (id, created_at, parts_of, {ROW}) "  # noqa: S608 - names of our own
    f"SELECT {{0}}, {{0}}, COALESCE(parts_of, {{0}}), {ROW} FROM backtest_reports WHERE id = {{0}}"
)


class SqlReportStore:
    """The reports of succeeded backtests."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reports = bound(BacktestReportRow, database)
        self._parts = bound(ReportPartRow, database)

    def add(self, job: Job, report: Report, html: str, *, now: datetime) -> None:
        """Store the report of a backtest."""
        assert isinstance(job.spec, BacktestSpec), "only backtests have reports"
        scenario, metrics = job.spec.scenario, report.metrics
        with self._database.atomic():
            self._reports.insert(
                id=job.id,
                strategy_id=scenario.strategy_id,
                symbol=scenario.symbol,
                params=job.spec.params,
                metrics=to_json(Metrics, metrics),
                max_drawdown=metrics.max_drawdown,
                sharpe_ratio=metrics.sharpe_ratio,
                total_return=metrics.total_return,
                start_date=scenario.start_date,
                end_date=scenario.end_date,
                created_at=now,
            ).execute()
            self._add_parts(job.id, "series", pack_series(report.series))
            self._add_parts(job.id, "trades", pack_trades(report.trades))
            self._add_parts(job.id, "html", [zlib.compress(html.encode())])

    def copy(self, backtest_id: str, job: Job, *, now: datetime) -> None:
        """Store the report of one backtest as another's, which ran the same: its parts are kept once."""
        mark, moment = self._database.param, UtcField().db_value(now)
        copied = COPY.format(mark)
        self._database.execute_sql(copied, (job.id, moment, backtest_id, backtest_id))

    def page(
        self, wanted: ReportFilter, order: ReportOrder, *, after: ReportKey | None, limit: int
    ) -> list[ReportKey]:
        """Return up to `limit` places behind `after`, best or newest first."""
        rows = self._reports
        query = rows.select()
        for name in ("strategy_id", "symbol"):
            value = getattr(wanted, name)
            if value is not None:
                query = query.where(getattr(rows, name) == value)
        if wanted.start_date is not None:
            query = query.where(rows.start_date >= wanted.start_date)
        if wanted.end_date is not None:
            query = query.where(rows.end_date <= wanted.end_date)
        column, smallest_first = self._figure(order)
        query = query.where(~column.is_null())
        if after is not None:
            # As the column holds it: REAL has four bytes in some databases.
            figure: Any = peewee.Cast(peewee.Value(after.figure), "REAL")
            if order is ReportOrder.NEWEST:
                figure = from_microseconds(int(after.figure))
            beyond = column > figure if smallest_first else column < figure
            query = query.where(beyond | ((column == figure) & (rows.id < after.id)))
        ordering = column.asc() if smallest_first else column.desc()
        found = query.order_by(ordering, rows.id.desc()).limit(limit)
        return [ReportKey(_number(getattr(row, column.name)), row.id) for row in found]

    def _figure(self, order: ReportOrder) -> tuple[Any, bool]:
        """The column a list is ordered by, and whether its smallest figure comes first."""
        rows = self._reports
        match order:
            case ReportOrder.NEWEST:
                return rows.created_at, False
            case ReportOrder.SHARPE:
                return rows.sharpe_ratio, False
            case ReportOrder.RETURN:
                return rows.total_return, False
            case ReportOrder.DRAWDOWN:
                return rows.max_drawdown, True

    def series(self, backtest_id: str) -> Iterator[ReportSeries]:
        """Yield the series in chunks of consecutive bars."""
        return map(unpack_series, self._contents(backtest_id, "series"))

    def trades(self, backtest_id: str) -> Iterator[tuple[Trade, ...]]:
        """Yield the trades in chunks, in order of entry."""
        return map(unpack_trades, self._contents(backtest_id, "trades"))

    def html(self, backtest_id: str) -> str | None:
        """Return the page, or None if there is no report."""
        content = next(self._contents(backtest_id, "html"), None)
        return None if content is None else zlib.decompress(content).decode()

    def _add_parts(self, backtest_id: str, kind: str, contents: list[bytes]) -> None:
        for number, content in enumerate(contents):
            self._parts.insert(backtest_id=backtest_id, kind=kind, number=number, content=content).execute()

    def _contents(self, backtest_id: str, kind: str) -> Iterator[bytes]:
        """Read one piece at a time: a report may be larger than is good to hold."""
        rows = self._parts
        report = self._reports.get_or_none(self._reports.id == backtest_id)
        if report is not None and report.parts_of is not None:
            backtest_id = report.parts_of
        number = 0
        while row := rows.get_or_none(
            (rows.backtest_id == backtest_id) & (rows.kind == kind) & (rows.number == number)
        ):
            yield bytes(row.content)
            number += 1


def _number(figure: Any) -> float:
    """A figure as it stands in a page token: moments in microseconds."""
    return to_microseconds(figure) if isinstance(figure, datetime) else figure
