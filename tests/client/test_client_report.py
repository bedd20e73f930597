"""Reports come in chunks and are put together."""

# ruff: noqa: N802 - gRPC names the methods of servicers

from client_fakes import Backtests, backtest, serving

from stratopt.v1.backtest_pb2 import SeriesChunk, Trade, TradeChunk
from stratopt.v1.backtest_service_pb2 import (
    CancelBacktestResponse,
    GetBacktestResponse,
    GetReportRequest,
    GetReportResponse,
)
from stratopt_client import Client


class Reporting(Backtests):
    """Sends the parts asked for, in two chunks each."""

    def __init__(self) -> None:
        """Nothing asked yet."""
        self.asked: list[GetReportRequest] = []

    async def GetReport(self, request, _context):
        """Send the parts."""
        self.asked.append(request)
        yield GetReportResponse(backtest=backtest())
        if request.include_series:
            yield GetReportResponse(series=SeriesChunk(bar_time_us=[1, 2], equity=[1.0, 1.5]))
            yield GetReportResponse(series=SeriesChunk(bar_time_us=[3], equity=[1.25]))
        if request.include_trades:
            yield GetReportResponse(trades=TradeChunk(trades=[Trade(size=1), Trade(size=2)]))
            yield GetReportResponse(trades=TradeChunk(trades=[Trade(size=3)]))
        if request.include_html:
            for part in ("<p>Größ".encode()[:5], "<p>Größ".encode()[5:], b"e</p>"):
                yield GetReportResponse(html=part)

    async def GetBacktest(self, _request, _context):
        """Answer."""
        return GetBacktestResponse(backtest=backtest())

    async def CancelBacktest(self, request, _context):
        """Answer."""
        assert request.request_id
        return CancelBacktestResponse(backtest=backtest("CANCELLED"))


async def test_parts_are_put_together() -> None:
    """A character cut in two by a chunk comes out whole; only what is wanted is asked for."""
    reporting = Reporting()
    async with serving(reporting) as target, Client(target) as client:
        handle = client.backtests.handle("bt_1")
        assert await handle.report_html() == "<p>Größe</p>"
        assert list((await handle.series()).bar_time_us) == [1, 2, 3]
        assert [trade.size for trade in await handle.trades()] == [1, 2, 3]
    wanted = [(asked.include_html, asked.include_series, asked.include_trades) for asked in reporting.asked]
    assert wanted == [(True, False, False), (False, True, False), (False, False, True)]


async def test_handle_gets_and_cancels() -> None:
    """Both return the backtest."""
    async with serving(Reporting()) as target, Client(target) as client:
        handle = client.backtests.handle("bt_1")
        assert (await handle.get()).id == "bt_1"
        assert (await handle.cancel()).status != (await handle.get()).status
        assert repr(handle) == "BacktestHandle('bt_1')"
