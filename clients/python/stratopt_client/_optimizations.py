"""Optimizations: start them, find them, follow them."""

from collections.abc import AsyncGenerator
from typing import Unpack

from stratopt.v1 import optimization_pb2
from stratopt.v1.optimization_pb2 import Optimization, Trial
from stratopt.v1.optimization_service_pb2 import (
    CancelOptimizationRequest,
    GetOptimizationRequest,
    ListOptimizationsRequest,
    ListTrialsRequest,
    WatchOptimizationRequest,
    WatchOptimizationResponse,
)
from stratopt.v1.optimization_service_pb2_grpc import OptimizationServiceStub
from stratopt_client._connection import Connection
from stratopt_client._options import JobFilter, OptimizationOptions, TrialStatus
from stratopt_client._pages import Page, Pager
from stratopt_client._params import ParamRanges
from stratopt_client._requests import job_filter, new_request_id, start_optimization
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

    def trials(self, *, status: TrialStatus | None = None) -> Pager[Trial]:
        """Return what was tried, in order: iterate with `async for`, or take pages."""
        shape = Shape()
        wanted = optimization_pb2.TrialStatus.Value(
            shape.word("status", status, optimization_pb2.TrialStatus.DESCRIPTOR)
        )
        shape.refuse_if_any()

        async def fetch(size: int, token: str) -> Page[Trial]:
            request = ListTrialsRequest(
                optimization_id=self.id, page_size=size, page_token=token, status=wanted
            )
            response = await self._connection.call(self._stub.ListTrials, request)
            return Page(response.trials, response.next_page_token)

        return Pager(fetch, page_size=TRIALS_PAGE_SIZE)

    def _open_watch(self, after_sequence: int) -> Stream[WatchOptimizationResponse]:
        return self._stub.WatchOptimization(
            WatchOptimizationRequest(optimization_id=self.id, after_sequence=after_sequence)
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
        response = await self._connection.call(self._stub.StartOptimization, request)
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
