"""A server that answers every call of the client."""

# ruff: noqa: N802 - gRPC names the methods of servicers

import asyncio

import grpc
from client_fakes import Backtests, MarketData, Optimizations, Strategies, backtest, optimization, refusal

from stratopt.v1.backtest_service_pb2 import (
    CancelBacktestResponse,
    GetBacktestResponse,
    GetReportResponse,
    ListBacktestsResponse,
    StartBacktestResponse,
    WatchBacktestResponse,
)
from stratopt.v1.dataset_pb2 import Dataset
from stratopt.v1.job_pb2 import Progress
from stratopt.v1.market_data_service_pb2 import GetDatasetResponse, ImportBarsResponse, ListDatasetsResponse
from stratopt.v1.optimization_pb2 import Trial
from stratopt.v1.optimization_service_pb2 import (
    CancelOptimizationResponse,
    GetOptimizationResponse,
    ListOptimizationsResponse,
    ListTrialsResponse,
    StartOptimizationResponse,
    WatchOptimizationResponse,
)
from stratopt.v1.strategy_pb2 import Strategy
from stratopt.v1.strategy_service_pb2 import (
    CreateStrategyResponse,
    DeleteStrategyResponse,
    GetStrategyResponse,
    ListStrategiesResponse,
    UpdateStrategyResponse,
)


class Everything(Backtests, Optimizations, MarketData, Strategies):
    """Answers every call."""

    def __init__(self) -> None:
        """Nobody has left yet."""
        self.left = asyncio.Event()

    async def StartBacktest(self, _request, _context):
        """Accept."""
        return StartBacktestResponse(backtest=backtest("PENDING"), estimated_seconds=7)

    async def GetBacktest(self, request, context):
        """Know one."""
        if request.backtest_id != "bt_1":
            await context.abort_with_status(refusal(grpc.StatusCode.NOT_FOUND, "BACKTEST_NOT_FOUND"))
        return GetBacktestResponse(backtest=backtest())

    async def CancelBacktest(self, _request, _context):
        """Stop it."""
        return CancelBacktestResponse(backtest=backtest("CANCELLED"))

    async def ListBacktests(self, request, _context):
        """Answer two pages."""
        return ListBacktestsResponse(
            backtests=[backtest()], next_page_token="" if request.page_token else "more"
        )

    async def WatchBacktest(self, request, _context):
        """Make progress, and end unless it is bt_endless."""
        try:
            yield WatchBacktestResponse(sequence=1, snapshot=backtest("RUNNING"))
            yield WatchBacktestResponse(sequence=2, progress=Progress(done=1, total=2))
            if request.backtest_id == "bt_endless":
                await asyncio.Event().wait()
            yield WatchBacktestResponse(sequence=3, snapshot=backtest())
        finally:
            self.left.set()

    async def GetReport(self, _request, _context):
        """Send one part of each."""
        yield GetReportResponse(backtest=backtest())
        yield GetReportResponse(html=b"<p>")

    async def StartOptimization(self, _request, _context):
        """Accept."""
        return StartOptimizationResponse(optimization=optimization("PENDING"), estimated_seconds=9)

    async def GetOptimization(self, _request, _context):
        """Answer."""
        return GetOptimizationResponse(optimization=optimization())

    async def CancelOptimization(self, _request, _context):
        """Stop it."""
        return CancelOptimizationResponse(optimization=optimization("CANCELLED"))

    async def ListOptimizations(self, _request, _context):
        """Answer one page."""
        return ListOptimizationsResponse(optimizations=[optimization()])

    async def ListTrials(self, _request, _context):
        """Answer one page."""
        return ListTrialsResponse(trials=[Trial(number=0), Trial(number=1)])

    async def WatchOptimization(self, _request, _context):
        """End at once."""
        yield WatchOptimizationResponse(sequence=1, snapshot=optimization())

    async def ImportBars(self, requests, _context):
        """Take it."""
        async for _ in requests:
            pass
        return ImportBarsResponse(dataset=Dataset(id="ds_1"))

    async def GetDataset(self, _request, _context):
        """Answer."""
        return GetDatasetResponse(dataset=Dataset(id="ds_1"))

    async def ListDatasets(self, _request, _context):
        """Answer one page."""
        return ListDatasetsResponse(datasets=[Dataset(id="ds_1")])

    async def CreateStrategy(self, request, _context):
        """Give it back."""
        return CreateStrategyResponse(strategy=request.strategy)

    async def GetStrategy(self, request, _context):
        """Answer."""
        return GetStrategyResponse(strategy=Strategy(id=request.strategy_id))

    async def UpdateStrategy(self, request, _context):
        """Give it back."""
        return UpdateStrategyResponse(strategy=request.strategy)

    async def ListStrategies(self, _request, _context):
        """Answer one page."""
        return ListStrategiesResponse(strategies=[Strategy(id="a")])

    async def DeleteStrategy(self, _request, _context):
        """Forget it."""
        return DeleteStrategyResponse()
