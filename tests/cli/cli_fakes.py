"""A server that answers what the command line asks, quickly and always the same."""

# ruff: noqa: N802 - gRPC names the methods of servicers

import asyncio
from datetime import UTC, datetime

import grpc
from cli_approvals import FakeApprovals
from client_fakes import Backtests, MarketData, Optimizations, Strategies, refusal

from stratopt.v1.backtest_pb2 import Backtest, SeriesChunk
from stratopt.v1.backtest_service_pb2 import (
    CancelBacktestResponse,
    GetReportResponse,
    StartBacktestRequest,
    StartBacktestResponse,
    WatchBacktestResponse,
)
from stratopt.v1.dataset_pb2 import DataGrade, Dataset
from stratopt.v1.job_pb2 import JobStatus, Progress
from stratopt.v1.market_data_service_pb2 import (
    ImportBarsResponse,
    ImportHeader,
    ImportOutcome,
    ListDatasetsResponse,
)
from stratopt.v1.metrics_pb2 import Metrics, RunStatus
from stratopt.v1.optimization_pb2 import Algorithm, Optimization, OptimizationTarget, Trial
from stratopt.v1.optimization_service_pb2 import (
    CancelOptimizationResponse,
    StartOptimizationRequest,
    StartOptimizationResponse,
    WatchOptimizationResponse,
)
from stratopt.v1.parameter_pb2 import ChoiceDomain, FlagDomain, IntegerDomain, ParameterValue
from stratopt.v1.run_pb2 import FillModel
from stratopt.v1.strategy_pb2 import Strategy
from stratopt.v1.strategy_service_pb2 import ListStrategiesResponse

METRICS = Metrics(
    sharpe_ratio=1.5,
    total_return=0.25,
    trade_count=42,
    bar_count=100,
    longest_drawdown_bars=37,
    turnover=12.5,
    var_95=0.021,
    cvar_95=0.034,
    skewness=-0.5,
    kurtosis=4.25,
    carry_paid=-1.25,
    refused_min_notional=3,
    refused_lot_size=0,
    refused_no_cash=0,
    refused_no_volume=0,
    run_status=RunStatus.RUN_STATUS_LIQUIDATED,
)


def status(word: str) -> JobStatus.ValueType:
    """Return a status by its word."""
    return JobStatus.Value(f"JOB_STATUS_{word}")


def dataset() -> Dataset:
    """Return a dataset with something to say about it."""
    found = Dataset(
        id="ds_1", exchange="binance", symbol="BTC/USDT", timeframe="1h", bar_count=12_345, bars_per_year=8760
    )
    found.first_bar_time.FromDatetime(datetime(2020, 1, 1, tzinfo=UTC))
    found.last_bar_time.FromDatetime(datetime(2021, 5, 30, 8, tzinfo=UTC))
    found.quality.grade = DataGrade.DATA_GRADE_USABLE
    found.quality.reasons.append("3 bars are missing in 1 gap")
    return found


def strategies() -> list[Strategy]:
    """Return one strategy with a parameter of each kind, and one that cannot run."""
    built_in = Strategy(id="ma_cross_v1.0", runnable=True)
    built_in.default_params["fast_period"].integer = 7
    built_in.default_params["mode"].choice = "fast"
    built_in.parameters.add(
        name="fast_period",
        description="Bars.",
        default_value=ParameterValue(integer=5),
        integer=IntegerDomain(min=1, max=100),
    )
    built_in.parameters.add(name="mode", description="How.", choice=ChoiceDomain(values=["fast", "slow"]))
    built_in.parameters.add(name="on", flag=FlagDomain())
    return [built_in, Strategy(id="mine", not_runnable_reason="there is no sandbox")]


class FakeService(Backtests, MarketData, Optimizations, Strategies, FakeApprovals):
    """Answers; `ends` is how jobs end, "RUNNING" until they are cancelled; `bracket` makes it a grid's."""

    def __init__(self, *, ends: str = "SUCCEEDED", datasets: int = 2, bracket: bool = False) -> None:
        """Nothing was asked yet."""
        super().__init__()
        self.ends = ends
        self.datasets = datasets
        self.bracket = bracket
        self.header: ImportHeader | None = None
        self.backtests: list[StartBacktestRequest] = []
        self.optimizations: list[StartOptimizationRequest] = []
        self.watched, self.cancelled = asyncio.Event(), asyncio.Event()
        self.refusal: grpc.Status | None = None

    async def ImportBars(self, requests, _context):
        """Take the file."""
        async for request in requests:
            if request.HasField("header"):
                self.header = request.header
        return ImportBarsResponse(dataset=dataset(), outcome=ImportOutcome.IMPORT_OUTCOME_CREATED)

    async def ListDatasets(self, _request, _context):
        """List what there is."""
        return ListDatasetsResponse(datasets=[dataset() for _ in range(self.datasets)])

    async def ListStrategies(self, _request, _context):
        """List what there is."""
        return ListStrategiesResponse(strategies=strategies())

    async def StartBacktest(self, request, context):
        """Accept, unless told to refuse."""
        if self.refusal is not None:
            await context.abort_with_status(self.refusal)
        self.backtests.append(request)
        return StartBacktestResponse(backtest=self.backtest("PENDING"))

    async def WatchBacktest(self, _request, _context):
        """Go through the stages."""
        yield WatchBacktestResponse(sequence=1, snapshot=self.backtest("RUNNING"))
        yield WatchBacktestResponse(sequence=2, progress=Progress(done=1, total=3, stage="simulating"))
        await self._running()
        yield WatchBacktestResponse(sequence=3, snapshot=self.backtest(self._final))

    async def CancelBacktest(self, _request, _context):
        """Stop it."""
        self.cancelled.set()
        return CancelBacktestResponse(backtest=self.backtest("CANCELLED"))

    async def GetReport(self, request, _context):
        """Send what is asked for."""
        yield GetReportResponse(backtest=self.backtest("SUCCEEDED"))
        if request.include_series:
            yield GetReportResponse(
                series=SeriesChunk(bar_time_us=[0, 60, 120], benchmark_equity=[10_000, 12_000, 15_000])
            )
        if request.include_html:
            yield GetReportResponse(html=b"<html>report</html>")

    async def StartOptimization(self, request, _context):
        """Accept."""
        self.optimizations.append(request)
        return StartOptimizationResponse(optimization=self.optimization("PENDING"))

    async def WatchOptimization(self, _request, _context):
        """Improve once."""
        yield WatchOptimizationResponse(sequence=1, snapshot=self.optimization("RUNNING"))
        yield WatchOptimizationResponse(
            sequence=2, progress=Progress(done=40, total=100, rate=1234.5, eta_seconds=3)
        )
        yield WatchOptimizationResponse(sequence=3, improvement=Trial(number=7, score=1.25))
        await self._running()
        yield WatchOptimizationResponse(sequence=4, snapshot=self.optimization(self._final))

    async def CancelOptimization(self, _request, context):
        """Stop it, if it still runs."""
        self.cancelled.set()
        if self.ends == "TOO LATE":
            why = refusal(grpc.StatusCode.FAILED_PRECONDITION, "OPTIMIZATION_WRONG_STATUS", "it succeeded")
            await context.abort_with_status(why)
        return CancelOptimizationResponse(optimization=self.optimization("CANCELLED"))

    @property
    def _final(self) -> str:
        return {"RUNNING": "CANCELLED", "TOO LATE": "SUCCEEDED"}.get(self.ends, self.ends)

    async def _running(self) -> None:
        self.watched.set()
        if self.ends in ("RUNNING", "TOO LATE"):
            await self.cancelled.wait()

    def backtest(self, word: str) -> Backtest:
        """Return the backtest in a status."""
        job = Backtest(
            id="bt_1",
            strategy_id="ma_cross_v1.0",
            exchange="binance",
            symbol="BTC/USDT",
            timeframe="1h",
            initial_cash=10_000,
            status=status(word),
        )
        job.params["fast_period"].integer = 5
        job.params["signal_threshold"].real = 0.02
        if self.backtests:
            # As asked for: what is left out is the server's to fill in, and not of interest here.
            job.costs.CopyFrom(self.backtests[-1].costs)
            job.trading.CopyFrom(self.backtests[-1].trading)
        if word == "SUCCEEDED" and self.bracket:
            for model in (
                FillModel.FILL_MODEL_TOUCH,
                FillModel.FILL_MODEL_THROUGH,
                FillModel.FILL_MODEL_VOLUME,
            ):
                metrics = Metrics(
                    total_return=0.3 / model, max_drawdown=0.1 * model, trade_count=100 // model
                )
                job.fill_bracket.add(fill_model=model, metrics=metrics)
        if word == "SUCCEEDED":
            job.metrics.CopyFrom(METRICS)
        if word == "FAILED":
            job.failure.reason, job.failure.message = "MEMORY_LIMIT_EXCEEDED", "it needed more than 1 GiB"
        return job

    def optimization(self, word: str) -> Optimization:
        """Return the optimization in a status."""
        job = Optimization(
            id="opt_1",
            strategy_id="ma_cross_v1.0",
            exchange="binance",
            symbol="BTC/USDT",
            timeframe="1h",
            seed=7,
            status=status(word),
            optimization_target=OptimizationTarget.OPTIMIZATION_TARGET_SHARPE,
            algorithm=Algorithm.ALGORITHM_RANDOM,
        )
        job.holdout_start_date.FromMicroseconds(60)
        if word == "SUCCEEDED":
            job.progress.CopyFrom(Progress(done=100, total=100))
            job.best.trial.CopyFrom(Trial(number=7, score=1.25, metrics=Metrics(sharpe_ratio=1.25)))
            job.best.trial.params["fast_period"].integer = 5
            job.best.out_of_sample.CopyFrom(Metrics(sharpe_ratio=-0.5, total_return=-0.1, trade_count=30))
            job.warnings.append("2 trials could not be the best")
        return job
