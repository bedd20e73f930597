"""Optimizations: start them, find them, follow them."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Unpack

from stratopt.v1.optimization_pb2 import Optimization, Trial
from stratopt.v1.optimization_service_pb2 import (
    CancelOptimizationRequest,
    ExportTrialsRequest,
    ExtendOptimizationRequest,
    GetOptimizationReportRequest,
    GetOptimizationRequest,
    ListOptimizationsRequest,
    ListTrialsRequest,
    PauseOptimizationRequest,
    ResumeOptimizationRequest,
    TrialFileFormat,
    WatchOptimizationRequest,
    WatchOptimizationResponse,
)
from stratopt.v1.optimization_service_pb2_grpc import OptimizationServiceStub
from stratopt_client._connection import Connection
from stratopt_client._download import save
from stratopt_client._options import JobFilter, OptimizationOptions, TrialFormat, TrialStatus
from stratopt_client._pages import Page, Pager
from stratopt_client._params import ParamRanges
from stratopt_client._requests import job_filter, list_trials, new_request_id, start_optimization
from stratopt_client._shape import Shape
from stratopt_client._watch import Stream, optimization_result, watch

PAGE_SIZE = 100
TRIALS_PAGE_SIZE = 1000


class OptimizationHandle:
    """One optimization on the server. Dropping the handle does not stop it."""

    def __init__(
        self, connection: Connection, optimization_id: str, estimated_seconds: int | None = None
    ) -> None:
        """Nothing is called yet."""
        self.id = optimization_id
        self.estimated_seconds = estimated_seconds
        """Seconds from its start until it should be done, as the server then thought; None where it is not
        known: of a handle made from an id, or by an older server."""
        self._connection = connection
        self._stub = OptimizationServiceStub(connection.channel)

    def __repr__(self) -> str:
        """Show the id."""
        return f"OptimizationHandle({self.id!r})"

    async def get(self) -> Optimization:
        """Return the optimization as it stands, with the best trial so far."""
        request = GetOptimizationRequest(optimization_id=self.id)
        return (await self._connection.call(self._stub.GetOptimization, request)).optimization

    async def report_html(self) -> str:
        """Return the page of a succeeded search: what it found, and how much of that may be chance."""
        request = GetOptimizationReportRequest(optimization_id=self.id)
        return (await self._connection.call(self._stub.GetOptimizationReport, request)).html

    async def result(self, *, timeout: float | None = None) -> Optimization:  # noqa: ASYNC109 - it is told apart below
        """Wait until it succeeded and return it, with its best trial and what that did out of sample.

        Raises JobFailed or JobCancelled if it ended otherwise, TimeoutError if it has not ended
        after `timeout` seconds; it then goes on running.
        """
        return await optimization_result(self.watch(), of=self.id, timeout_seconds=timeout)

    def watch(self, after_sequence: int = 0) -> AsyncGenerator[WatchOptimizationResponse]:
        """Follow it until its final status: first a snapshot, then progress and improvements.

        Where the connection breaks, it goes on after the last event seen. `after_sequence` resumes
        a watch of another process.
        """
        return watch(self._connection.target, self._open_watch, after_sequence)

    async def cancel(self) -> Optimization:
        """Stop it and return it; its trials are kept. FailedPrecondition if it succeeded or failed before."""
        request = CancelOptimizationRequest(request_id=new_request_id(), optimization_id=self.id)
        return (await self._connection.call(self._stub.CancelOptimization, request)).optimization

    async def pause(self) -> Optimization:
        """Stop it for a while and return it, paused; FailedPrecondition if it has ended."""
        request = PauseOptimizationRequest(request_id=new_request_id(), optimization_id=self.id)
        return (await self._connection.call(self._stub.PauseOptimization, request)).optimization

    async def resume(self) -> Optimization:
        """Put it back in the queue after a pause and return it; FailedPrecondition if it has ended."""
        request = ResumeOptimizationRequest(request_id=new_request_id(), optimization_id=self.id)
        return (await self._connection.call(self._stub.ResumeOptimization, request)).optimization

    async def extend(self, max_iterations: int) -> Optimization:
        """Have it go on behind its trials, up to `max_iterations`, and return it.

        FailedPrecondition unless it succeeded or was cancelled.
        """
        shape = Shape()
        budget = shape.whole("max_iterations", max_iterations)
        shape.refuse_if_any()
        request = ExtendOptimizationRequest(
            request_id=new_request_id(), optimization_id=self.id, max_iterations=budget or 0
        )
        return (await self._connection.call(self._stub.ExtendOptimization, request)).optimization

    def trials(
        self,
        *,
        status: TrialStatus | None = None,
        window: int | None = None,
        order_by: str | None = None,
    ) -> Pager[Trial]:
        """Return what was tried: iterate with `async for`, or take pages.

        Of the search that finds the best unless a `window` of a walk-forward is named; in order of number
        unless `order_by` names a figure, e.g. `"sharpe_ratio desc"`.
        """
        found = list_trials(self.id, status=status, window=window, order_by=order_by)

        async def fetch(size: int, token: str) -> Page[Trial]:
            request = ListTrialsRequest()
            request.CopyFrom(found)
            request.page_size, request.page_token = size, token
            response = await self._connection.call(self._stub.ListTrials, request)
            return Page(response.trials, response.next_page_token)

        return Pager(fetch, page_size=TRIALS_PAGE_SIZE)

    async def export_trials(self, path: str | Path, *, format: TrialFormat = "csv") -> int:  # noqa: A002 - as imports have it
        """Write every trial to a file, windows' trials included, and return its size in bytes.

        The file has a row a trial, each parameter and each metric in a column of its own.
        """
        shape = Shape()
        word = shape.word("format", format, TrialFileFormat.DESCRIPTOR)
        shape.refuse_if_any()
        request = ExportTrialsRequest(optimization_id=self.id, format=TrialFileFormat.Value(word))
        parts = self._connection.download(self._stub.ExportTrials, request)
        return await save(Path(path), (part.chunk async for part in parts))

    def _open_watch(self, after_sequence: int) -> Stream[WatchOptimizationResponse]:
        return self._stub.WatchOptimization(
            WatchOptimizationRequest(optimization_id=self.id, after_sequence=after_sequence),
            metadata=self._connection.metadata(),
        )


class Optimizations:
    """The optimizations of a server."""

    def __init__(self, connection: Connection) -> None:
        """Nothing is called yet."""
        self._connection = connection
        self._stub = OptimizationServiceStub(connection.channel)

    async def start(
        self,
        symbol: str,
        strategy_id: str,
        param_ranges: ParamRanges,
        **options: Unpack[OptimizationOptions],
    ) -> OptimizationHandle:
        """Start a search for the parameters of a strategy and return at once; the handle has its result."""
        request = start_optimization(symbol, strategy_id, param_ranges, options)
        response = await self._connection.call(
            self._stub.StartOptimization, request, caller=options.get("caller")
        )
        return OptimizationHandle(
            self._connection, response.optimization.id, response.estimated_seconds or None
        )

    def handle(self, optimization_id: str) -> OptimizationHandle:
        """Return the handle of an optimization whose id is known; nothing is called."""
        return OptimizationHandle(self._connection, optimization_id)

    async def get(self, optimization_id: str) -> Optimization:
        """Return one optimization as it stands; NotFound if there is none of that id."""
        return await self.handle(optimization_id).get()

    def list(self, **wanted: Unpack[JobFilter]) -> Pager[Optimization]:
        """Return the optimizations that fit, newest first: iterate with `async for`, or take pages."""
        strategy_id, symbol, status = job_filter(wanted)

        async def fetch(size: int, token: str) -> Page[Optimization]:
            request = ListOptimizationsRequest(
                page_size=size, page_token=token, strategy_id=strategy_id, symbol=symbol, status=status
            )
            response = await self._connection.call(self._stub.ListOptimizations, request)
            return Page(response.optimizations, response.next_page_token)

        return Pager(fetch, page_size=PAGE_SIZE)
