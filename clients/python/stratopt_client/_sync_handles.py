"""Handles and lists of the sync face."""

from collections.abc import Iterator
from pathlib import Path
from typing import Generic, TypeVar

from stratopt.v1.backtest_pb2 import Backtest, SeriesChunk, Trade
from stratopt.v1.backtest_service_pb2 import WatchBacktestResponse
from stratopt.v1.optimization_pb2 import Optimization, Trial
from stratopt.v1.optimization_service_pb2 import WatchOptimizationResponse
from stratopt_client._backtests import BacktestHandle
from stratopt_client._loop import BackgroundLoop
from stratopt_client._optimizations import OptimizationHandle
from stratopt_client._options import TrialFormat, TrialStatus
from stratopt_client._pages import Page, Pager

Row = TypeVar("Row")


class SyncPager(Generic[Row]):
    """A list: iterate over it for every row, or take a page at a time."""

    def __init__(self, loop: BackgroundLoop, pager: Pager[Row]) -> None:
        """Nothing is fetched yet."""
        self._loop = loop
        self._pager = pager

    def __iter__(self) -> Iterator[Row]:
        """Yield every row, fetching pages as they are needed."""
        return self._loop.iterate(aiter(self._pager))

    def page(self, *, size: int = 0, token: str = "") -> Page[Row]:
        """Return one page; size 0 leaves it to the server, an empty token asks for the first."""
        return self._loop.run(self._pager.page(size=size, token=token))


class SyncBacktestHandle:
    """One backtest on the server. Dropping the handle does not stop it."""

    def __init__(self, loop: BackgroundLoop, handle: BacktestHandle) -> None:
        """Nothing is called yet."""
        self.id = handle.id
        self.estimated_seconds = handle.estimated_seconds
        self._loop = loop
        self._handle = handle

    def get(self) -> Backtest:
        """Return the backtest as it stands."""
        return self._loop.run(self._handle.get())

    def result(self, *, timeout: float | None = None) -> Backtest:
        """Wait until it succeeded and return it; raises as BacktestHandle.result does."""
        return self._loop.run(self._handle.result(timeout=timeout))

    def watch(self, after_sequence: int = 0) -> Iterator[WatchBacktestResponse]:
        """Follow it until its final status: first a snapshot, then what happens."""
        return self._loop.iterate(self._handle.watch(after_sequence))

    def cancel(self) -> Backtest:
        """Stop it and return it; FailedPrecondition if it succeeded or failed before."""
        return self._loop.run(self._handle.cancel())

    def report(self) -> Backtest:
        """Return the backtest with its metrics; FailedPrecondition unless it succeeded."""
        return self._loop.run(self._handle.report())

    def report_html(self) -> str:
        """Return the report as one self-contained HTML page; FailedPrecondition unless it succeeded."""
        return self._loop.run(self._handle.report_html())

    def series(self) -> SeriesChunk:
        """Return equity, drawdown, position and benchmark of every bar, a column each."""
        return self._loop.run(self._handle.series())

    def trades(self) -> list[Trade]:
        """Return every trade, in order of entry."""
        return self._loop.run(self._handle.trades())


class SyncOptimizationHandle:
    """One optimization on the server. Dropping the handle does not stop it."""

    def __init__(self, loop: BackgroundLoop, handle: OptimizationHandle) -> None:
        """Nothing is called yet."""
        self.id = handle.id
        self.estimated_seconds = handle.estimated_seconds
        self._loop = loop
        self._handle = handle

    def get(self) -> Optimization:
        """Return the optimization as it stands, with the best trial so far."""
        return self._loop.run(self._handle.get())

    def report_html(self) -> str:
        """Return the page of a succeeded search."""
        return self._loop.run(self._handle.report_html())

    def result(self, *, timeout: float | None = None) -> Optimization:
        """Wait until it succeeded and return it; raises as OptimizationHandle.result does."""
        return self._loop.run(self._handle.result(timeout=timeout))

    def watch(self, after_sequence: int = 0) -> Iterator[WatchOptimizationResponse]:
        """Follow it until its final status: first a snapshot, then progress and improvements."""
        return self._loop.iterate(self._handle.watch(after_sequence))

    def cancel(self) -> Optimization:
        """Stop it and return it; its trials are kept."""
        return self._loop.run(self._handle.cancel())

    def pause(self) -> Optimization:
        """Stop it for a while and return it, paused; FailedPrecondition if it has ended."""
        return self._loop.run(self._handle.pause())

    def resume(self) -> Optimization:
        """Put it back in the queue after a pause and return it; FailedPrecondition if it has ended."""
        return self._loop.run(self._handle.resume())

    def extend(self, max_iterations: int) -> Optimization:
        """Have it go on behind its trials, up to `max_iterations`, and return it."""
        return self._loop.run(self._handle.extend(max_iterations))

    def trials(
        self,
        *,
        status: TrialStatus | None = None,
        window: int | None = None,
        order_by: str | None = None,
    ) -> SyncPager[Trial]:
        """Return what was tried, in order."""
        pager = self._handle.trials(status=status, window=window, order_by=order_by)
        return SyncPager(self._loop, pager)

    def export_trials(self, path: str | Path, *, format: TrialFormat = "csv") -> int:  # noqa: A002 - as imports have it
        """Write every trial to a file and return its size in bytes."""
        return self._loop.run(self._handle.export_trials(path, format=format))
