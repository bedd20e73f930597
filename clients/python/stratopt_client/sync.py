"""The client for programs without asyncio: the same calls, which wait.

    with SyncClient() as client:
        backtest = client.backtests.start("BTC/USDT", "ma_cross_v1.0")
        print(backtest.result().metrics.sharpe_ratio)

Each class wraps the one of the same name in `stratopt_client` and says nothing new.
"""

from pathlib import Path
from typing import Self, Unpack

from stratopt.v1.backtest_pb2 import Backtest
from stratopt.v1.dataset_pb2 import Dataset
from stratopt.v1.market_data_service_pb2 import ImportBarsResponse
from stratopt.v1.optimization_pb2 import Optimization
from stratopt.v1.strategy_pb2 import Strategy
from stratopt_client._backtests import BacktestHandle, Backtests
from stratopt_client._client import DEFAULT_TARGET, Client
from stratopt_client._connection import DEADLINE_SECONDS, TRANSFER_DEADLINE_SECONDS
from stratopt_client._loop import BackgroundLoop
from stratopt_client._market_data import MarketData
from stratopt_client._optimizations import OptimizationHandle, Optimizations
from stratopt_client._options import (
    BacktestOptions,
    DatasetFilter,
    ImportOptions,
    ImportProgress,
    JobFilter,
    OptimizationOptions,
    ReportFilter,
    StrategyFields,
)
from stratopt_client._params import ParamRanges, Params
from stratopt_client._strategies import Strategies
from stratopt_client._sync_approvals import SyncAdvisor, SyncApprovals, SyncSystem
from stratopt_client._sync_handles import SyncBacktestHandle, SyncOptimizationHandle, SyncPager
from stratopt_client._sync_pipelines import SyncPipelineHandle, SyncPipelines

__all__ = ["SyncBacktestHandle", "SyncClient", "SyncOptimizationHandle", "SyncPager", "SyncPipelineHandle"]


class SyncStrategies:
    """The strategies of a server."""

    def __init__(self, loop: BackgroundLoop, strategies: Strategies) -> None:
        """Nothing is called yet."""
        self._loop = loop
        self._strategies = strategies

    def create(
        self,
        strategy_id: str,
        *,
        name: str,
        version: str,
        code: str,
        default_params: Params | None = None,
        request_id: str | None = None,
    ) -> Strategy:
        """Store a strategy; AlreadyExists if the id is taken."""
        work = self._strategies.create(
            strategy_id,
            name=name,
            version=version,
            code=code,
            default_params=default_params,
            request_id=request_id,
        )
        return self._loop.run(work)

    def get(self, strategy_id: str) -> Strategy:
        """Return one strategy; NotFound if there is none of that id."""
        return self._loop.run(self._strategies.get(strategy_id))

    def list(self, *, name: str | None = None) -> SyncPager[Strategy]:
        """Return the strategies, newest first."""
        return SyncPager(self._loop, self._strategies.list(name=name))

    def update(
        self, strategy_id: str, *, request_id: str | None = None, **fields: Unpack[StrategyFields]
    ) -> Strategy:
        """Change the fields given; runs already started keep the code they began with."""
        return self._loop.run(self._strategies.update(strategy_id, request_id=request_id, **fields))

    def delete(self, strategy_id: str, *, request_id: str | None = None) -> None:
        """Remove a strategy; FailedPrecondition while runs refer to it."""
        self._loop.run(self._strategies.delete(strategy_id, request_id=request_id))


class SyncMarketData:
    """The bars a server keeps."""

    def __init__(self, loop: BackgroundLoop, market_data: MarketData) -> None:
        """Nothing is called yet."""
        self._loop = loop
        self._market_data = market_data

    def import_file(
        self,
        path: str | Path,
        symbol: str,
        *,
        progress: ImportProgress | None = None,
        **options: Unpack[ImportOptions],
    ) -> ImportBarsResponse:
        """Send a CSV or Parquet file of bars; `progress` is called in another thread."""
        return self._loop.run(self._market_data.import_file(path, symbol, progress=progress, **options))

    def get(self, dataset_id: str) -> Dataset:
        """Return one dataset with its quality report; NotFound if there is none of that id."""
        return self._loop.run(self._market_data.get(dataset_id))

    def list(self, **wanted: Unpack[DatasetFilter]) -> SyncPager[Dataset]:
        """Return the datasets that fit, newest first."""
        return SyncPager(self._loop, self._market_data.list(**wanted))


class SyncBacktests:
    """The backtests of a server."""

    def __init__(self, loop: BackgroundLoop, backtests: Backtests) -> None:
        """Nothing is called yet."""
        self._loop = loop
        self._backtests = backtests

    def start(self, symbol: str, strategy_id: str, **options: Unpack[BacktestOptions]) -> SyncBacktestHandle:
        """Start a run of a strategy and return at once; the handle has its result."""
        return self._wrapped(self._loop.run(self._backtests.start(symbol, strategy_id, **options)))

    def handle(self, backtest_id: str) -> SyncBacktestHandle:
        """Return the handle of a backtest whose id is known; nothing is called."""
        return self._wrapped(self._backtests.handle(backtest_id))

    def get(self, backtest_id: str) -> Backtest:
        """Return one backtest as it stands; NotFound if there is none of that id."""
        return self._loop.run(self._backtests.get(backtest_id))

    def list(self, **wanted: Unpack[JobFilter]) -> SyncPager[Backtest]:
        """Return the backtests that fit, newest first."""
        return SyncPager(self._loop, self._backtests.list(**wanted))

    def reports(self, **wanted: Unpack[ReportFilter]) -> SyncPager[Backtest]:
        """Return the reports that fit, the best by `order` first, or the newest."""
        return SyncPager(self._loop, self._backtests.reports(**wanted))

    def _wrapped(self, handle: BacktestHandle) -> SyncBacktestHandle:
        return SyncBacktestHandle(self._loop, handle)


class SyncOptimizations:
    """The optimizations of a server."""

    def __init__(self, loop: BackgroundLoop, optimizations: Optimizations) -> None:
        """Nothing is called yet."""
        self._loop = loop
        self._optimizations = optimizations

    def start(
        self,
        symbol: str,
        strategy_id: str,
        param_ranges: ParamRanges,
        **options: Unpack[OptimizationOptions],
    ) -> SyncOptimizationHandle:
        """Start a search for the parameters of a strategy and return at once; the handle has its result."""
        work = self._optimizations.start(symbol, strategy_id, param_ranges, **options)
        return self._wrapped(self._loop.run(work))

    def handle(self, optimization_id: str) -> SyncOptimizationHandle:
        """Return the handle of an optimization whose id is known; nothing is called."""
        return self._wrapped(self._optimizations.handle(optimization_id))

    def get(self, optimization_id: str) -> Optimization:
        """Return one optimization as it stands; NotFound if there is none of that id."""
        return self._loop.run(self._optimizations.get(optimization_id))

    def list(self, **wanted: Unpack[JobFilter]) -> SyncPager[Optimization]:
        """Return the optimizations that fit, newest first."""
        return SyncPager(self._loop, self._optimizations.list(**wanted))

    def _wrapped(self, handle: OptimizationHandle) -> SyncOptimizationHandle:
        return SyncOptimizationHandle(self._loop, handle)


class SyncClient:
    """A connection to a stratopt server, used with `with`. Threads may share it."""

    def __init__(
        self,
        target: str = DEFAULT_TARGET,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        transfer_deadline_seconds: float = TRANSFER_DEADLINE_SECONDS,
        caller: str = "",
    ) -> None:
        """Connect at the first call; `transfer_deadline_seconds` is for imports, reports and approvals.

        `caller` is who calls: jobs of different callers take turns in the queue.
        """

        async def opened() -> Client:
            return Client(
                target,
                deadline_seconds=deadline_seconds,
                transfer_deadline_seconds=transfer_deadline_seconds,
                caller=caller,
            )

        self._loop = BackgroundLoop()
        # A channel belongs to the loop it was made in, so it is made there.
        self._client = self._loop.run(opened())
        self.strategies = SyncStrategies(self._loop, self._client.strategies)
        self.market_data = SyncMarketData(self._loop, self._client.market_data)
        self.backtests = SyncBacktests(self._loop, self._client.backtests)
        self.optimizations = SyncOptimizations(self._loop, self._client.optimizations)
        self.approvals = SyncApprovals(self._loop, self._client.approvals)
        self.pipelines = SyncPipelines(self._loop, self._client.pipelines)
        self.advisor = SyncAdvisor(self._loop, self._client.advisor)
        self.system = SyncSystem(self._loop, self._client.system)

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self.close()

    def wait_ready(self, timeout: float = 10.0) -> None:
        """Return once the server accepts connections; raise Unavailable after `timeout` seconds."""
        self._loop.run(self._client.wait_ready(timeout))

    def close(self) -> None:
        """Close the connection; jobs go on running."""
        if not self._loop.is_closed:
            self._loop.run(self._client.close())
            self._loop.close()
