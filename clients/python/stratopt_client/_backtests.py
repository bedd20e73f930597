"""Backtests: start them, find them, follow them."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Unpack

from stratopt.v1.backtest_pb2 import Backtest, SeriesChunk, Trade
from stratopt.v1.backtest_service_pb2 import (
    CancelBacktestRequest,
    GetBacktestRequest,
    GetReportRequest,
    GetReportResponse,
    ListBacktestsRequest,
    ListReportsRequest,
    WatchBacktestRequest,
    WatchBacktestResponse,
)
from stratopt.v1.backtest_service_pb2_grpc import BacktestServiceStub
from stratopt_client._connection import Connection
from stratopt_client._options import BacktestOptions, JobFilter, ReportFilter
from stratopt_client._pages import Page, Pager
from stratopt_client._requests import job_filter, list_reports, new_request_id, start_backtest
from stratopt_client._watch import Stream, backtest_result, watch

PAGE_SIZE = 200


class BacktestHandle:
    """One backtest on the server. Dropping the handle does not stop it."""

    def __init__(
        self, connection: Connection, backtest_id: str, estimated_seconds: int | None = None
    ) -> None:
        """Nothing is called yet."""
        self.id = backtest_id
        self.estimated_seconds = estimated_seconds
        """Seconds from its start until it should be done, as the server then thought; None where it is not
        known: of a handle made from an id, or by an older server."""
        self._connection = connection
        self._stub = BacktestServiceStub(connection.channel)

    def __repr__(self) -> str:
        """Show the id."""
        return f"BacktestHandle({self.id!r})"

    async def get(self) -> Backtest:
        """Return the backtest as it stands."""
        request = GetBacktestRequest(backtest_id=self.id)
        return (await self._connection.call(self._stub.GetBacktest, request)).backtest

    async def result(self, *, timeout: float | None = None) -> Backtest:  # noqa: ASYNC109 - it is told apart below
        """Wait until it succeeded and return it, metrics and all.

        Raises JobFailed or JobCancelled if it ended otherwise, TimeoutError if it has not ended
        after `timeout` seconds; it then goes on running.
        """
        return await backtest_result(self.watch(), of=self.id, timeout_seconds=timeout)

    def watch(self, after_sequence: int = 0) -> AsyncGenerator[WatchBacktestResponse]:
        """Follow it until its final status: first a snapshot, then what happens.

        Where the connection breaks, it goes on after the last event seen. `after_sequence` resumes
        a watch of another process.
        """
        return watch(self._connection.target, self._open_watch, after_sequence)

    async def cancel(self) -> Backtest:
        """Stop it and return it; FailedPrecondition if it succeeded or failed before."""
        request = CancelBacktestRequest(request_id=new_request_id(), backtest_id=self.id)
        return (await self._connection.call(self._stub.CancelBacktest, request)).backtest

    async def report(self) -> Backtest:
        """Return the backtest with its metrics; FailedPrecondition unless it succeeded."""
        async with aclosing(self._report()) as parts:
            return (await anext(parts)).backtest

    async def report_html(self) -> str:
        """Return the report as one self-contained HTML page; FailedPrecondition unless it succeeded."""
        parts = bytearray()
        async for part in self._report(include_html=True):
            parts += part.html
        return parts.decode()

    async def series(self) -> SeriesChunk:
        """Return equity, drawdown, position and benchmark of every bar, a column each."""
        whole = SeriesChunk()
        async for part in self._report(include_series=True):
            whole.MergeFrom(part.series)
        return whole

    async def trades(self) -> list[Trade]:
        """Return every trade, in order of entry."""
        return [trade async for part in self._report(include_trades=True) for trade in part.trades.trades]

    def _open_watch(self, after_sequence: int) -> Stream[WatchBacktestResponse]:
        return self._stub.WatchBacktest(
            WatchBacktestRequest(backtest_id=self.id, after_sequence=after_sequence),
            metadata=self._connection.metadata(),
        )

    async def _report(
        self, *, include_html: bool = False, include_series: bool = False, include_trades: bool = False
    ) -> AsyncGenerator[GetReportResponse]:
        request = GetReportRequest(
            backtest_id=self.id,
            include_html=include_html,
            include_series=include_series,
            include_trades=include_trades,
        )
        async with aclosing(self._connection.download(self._stub.GetReport, request)) as parts:
            async for part in parts:
                yield part


class Backtests:
    """The backtests of a server."""

    def __init__(self, connection: Connection) -> None:
        """Nothing is called yet."""
        self._connection = connection
        self._stub = BacktestServiceStub(connection.channel)

    async def start(
        self, symbol: str, strategy_id: str, **options: Unpack[BacktestOptions]
    ) -> BacktestHandle:
        """Start a run of a strategy and return at once; the handle has its result."""
        request = start_backtest(symbol, strategy_id, options)
        response = await self._connection.call(
            self._stub.StartBacktest, request, caller=options.get("caller")
        )
        return BacktestHandle(self._connection, response.backtest.id, response.estimated_seconds or None)

    def handle(self, backtest_id: str) -> BacktestHandle:
        """Return the handle of a backtest whose id is known; nothing is called."""
        return BacktestHandle(self._connection, backtest_id)

    async def get(self, backtest_id: str) -> Backtest:
        """Return one backtest as it stands; NotFound if there is none of that id."""
        return await self.handle(backtest_id).get()

    def list(self, **wanted: Unpack[JobFilter]) -> Pager[Backtest]:
        """Return the backtests that fit, newest first: iterate with `async for`, or take pages."""
        strategy_id, symbol, status = job_filter(wanted)

        async def fetch(size: int, token: str) -> Page[Backtest]:
            request = ListBacktestsRequest(
                page_size=size, page_token=token, strategy_id=strategy_id, symbol=symbol, status=status
            )
            response = await self._connection.call(self._stub.ListBacktests, request)
            return Page(response.backtests, response.next_page_token)

        return Pager(fetch, page_size=PAGE_SIZE)

    def reports(self, **wanted: Unpack[ReportFilter]) -> Pager[Backtest]:
        """Return the reports that fit, the best by `order` first, or the newest."""
        found = list_reports(wanted)

        async def fetch(size: int, token: str) -> Page[Backtest]:
            request = ListReportsRequest()
            request.CopyFrom(found)
            request.page_size, request.page_token = size, token
            response = await self._connection.call(self._stub.ListReports, request)
            return Page(response.backtests, response.next_page_token)

        return Pager(fetch, page_size=PAGE_SIZE)
