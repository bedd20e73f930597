"""BacktestService over the backtests use-case."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeVar

from stratopt.v1 import backtest_pb2
from stratopt.v1 import backtest_service_pb2 as pb
from stratopt.v1.backtest_service_pb2_grpc import BacktestServiceServicer
from stratopt_server.domain.errors import Violations
from stratopt_server.domain.jobs import JobKind
from stratopt_server.domain.ports import ReportKey
from stratopt_server.transport.kept import KeptBacktests
from stratopt_server.usecases.backtests import Backtests
from stratopt_server.usecases.estimating import Estimating
from stratopt_server.usecases.jobs import Jobs
from stratopt_server.usecases.runner import Runner
from stratopt_server.usecases.threads import StorageThread
from stratopt_server.usecases.watching import Watching
from stratopt_server.wire.backtests import (
    backtest_from_proto,
    backtest_to_proto,
    report_filter,
    report_order,
    series_to_proto,
    trade_to_proto,
    watched_backtest,
)
from stratopt_server.wire.jobs import job_filter
from stratopt_server.wire.paging import cursor_key, cut_page, page_of, page_size, read_token
from stratopt_server.wire.reading import call_of, caller_of

HTML_CHUNK_BYTES = 512 * 1024

T = TypeVar("T")


class BacktestServicer(BacktestServiceServicer):
    """Parse, call, convert."""

    def __init__(
        self,
        backtests: Backtests,
        jobs: Jobs,
        *,
        estimating: Estimating,
        runner: Runner,
        watching: Watching,
        kept: KeptBacktests,
        thread: StorageThread,
    ) -> None:
        self._backtests = backtests
        self._jobs = jobs
        self._estimating = estimating
        self._runner = runner
        self._watching = watching
        self._kept = kept
        self._thread = thread

    async def StartBacktest(self, request: pb.StartBacktestRequest, context: Any) -> pb.StartBacktestResponse:
        """Accept a backtest."""
        wanted = backtest_from_proto(request)
        call = call_of(request, "StartBacktest", caller=caller_of(context.invocation_metadata()))
        job = await self._backtests.start(wanted, call)
        if job.status.is_final:  # it was answered by one that ran before
            return pb.StartBacktestResponse(backtest=backtest_to_proto(job), estimated_seconds=1)
        self._runner.wake()
        seconds = await self._thread.run(self._estimating.seconds, job)
        return pb.StartBacktestResponse(backtest=backtest_to_proto(job), estimated_seconds=seconds)

    async def GetBacktest(self, request: pb.GetBacktestRequest, context: Any) -> pb.GetBacktestResponse:
        """Return one backtest."""
        backtest = await self._kept.get(request.backtest_id)
        if backtest is None:
            job = await self._thread.run(self._jobs.get, JobKind.BACKTEST, request.backtest_id)
            backtest = backtest_to_proto(job)
            if job.status.is_final:
                await self._kept.keep(backtest)
        return pb.GetBacktestResponse(backtest=backtest)

    async def ListBacktests(self, request: pb.ListBacktestsRequest, context: Any) -> pb.ListBacktestsResponse:
        """Return a page of backtests."""
        violations = Violations()
        page = page_of(request, violations)
        wanted = job_filter(request, JobKind.BACKTEST, violations)
        violations.refuse_if_any()
        rows = await self._thread.run(self._jobs.page, page, wanted)
        backtests, token = cut_page(request, rows, backtest_to_proto, key=cursor_key)
        return pb.ListBacktestsResponse(backtests=backtests, next_page_token=token)

    async def ListReports(self, request: pb.ListReportsRequest, context: Any) -> pb.ListReportsResponse:
        """Return a page of reports."""
        violations = Violations()
        limit = page_size(request, violations)
        after = read_token(request, lambda key: ReportKey(float(key[0]), str(key[1])), violations)
        wanted, order = report_filter(request, violations), report_order(request, violations)
        violations.refuse_if_any()
        rows = await self._thread.run(
            self._backtests.reports_page, wanted, order, after=after, limit=limit + 1
        )
        backtests, token = cut_page(
            request,
            rows,
            lambda row: backtest_to_proto(row[1]),
            key=lambda row: [row[0].figure, row[0].id],
        )
        return pb.ListReportsResponse(backtests=backtests, next_page_token=token)

    async def WatchBacktest(
        self, request: pb.WatchBacktestRequest, context: Any
    ) -> AsyncIterator[pb.WatchBacktestResponse]:
        """Follow one backtest."""
        async for watched in self._watching.watch(
            JobKind.BACKTEST, request.backtest_id, after_sequence=request.after_sequence
        ):
            yield watched_backtest(watched)

    async def CancelBacktest(
        self, request: pb.CancelBacktestRequest, context: Any
    ) -> pb.CancelBacktestResponse:
        """Stop a backtest."""
        call = call_of(request, "CancelBacktest")
        job = await self._thread.run(self._jobs.cancel, JobKind.BACKTEST, request.backtest_id, call)
        self._runner.stop_job(job.id)
        return pb.CancelBacktestResponse(backtest=backtest_to_proto(job))

    async def GetReport(
        self, request: pb.GetReportRequest, context: Any
    ) -> AsyncIterator[pb.GetReportResponse]:
        """Return the report of a succeeded backtest, part by part."""
        job = await self._thread.run(self._backtests.with_report, request.backtest_id)
        reports = self._backtests.reports
        yield pb.GetReportResponse(backtest=backtest_to_proto(job))
        if request.include_series:
            async for series in self._each(lambda: reports.series(job.id)):
                yield pb.GetReportResponse(series=series_to_proto(series))
        if request.include_trades:
            async for trades in self._each(lambda: reports.trades(job.id)):
                chunk = backtest_pb2.TradeChunk(trades=[trade_to_proto(trade) for trade in trades])
                yield pb.GetReportResponse(trades=chunk)
        if request.include_html:
            html = (await self._thread.run(reports.html, job.id) or "").encode()
            for first in range(0, len(html), HTML_CHUNK_BYTES):
                yield pb.GetReportResponse(html=html[first : first + HTML_CHUNK_BYTES])

    async def _each(self, parts: Callable[[], Iterator[T]]) -> AsyncIterator[T]:
        """Read one part at a time, so that a long report does not hold up the database's thread."""
        iterator = await self._thread.run(parts)
        while (part := await self._thread.run(next, iterator, None)) is not None:
            yield part
