"""Pipelines: what became of opportunities that scanners sent."""

from collections.abc import AsyncGenerator, Sequence
from typing import Unpack

from stratopt.v1.job_pb2 import JobStatus
from stratopt.v1.opportunity_pb2 import DeadLetter
from stratopt.v1.pipeline_pb2 import Pipeline, Route
from stratopt.v1.pipeline_service_pb2 import (
    CancelPipelineRequest,
    GetPipelineRequest,
    ListDeadLettersRequest,
    ListPipelinesRequest,
    ListRoutesRequest,
    ReloadRoutesRequest,
    WatchPipelineRequest,
    WatchPipelineResponse,
)
from stratopt.v1.pipeline_service_pb2_grpc import PipelineServiceStub
from stratopt_client._connection import Connection
from stratopt_client._options import PipelineFilter, refuse_unknown
from stratopt_client._pages import Page, Pager
from stratopt_client._requests import new_request_id, texts
from stratopt_client._shape import Shape
from stratopt_client._watch import Stream, pipeline_result, watch

PAGE_SIZE = 100


class PipelineHandle:
    """One pipeline on the server. Dropping the handle does not stop it."""

    def __init__(self, connection: Connection, pipeline_id: str) -> None:
        """Nothing is called yet."""
        self.id = pipeline_id
        self._connection = connection
        self._stub = PipelineServiceStub(connection.channel)

    def __repr__(self) -> str:
        """Show the id."""
        return f"PipelineHandle({self.id!r})"

    async def get(self) -> Pipeline:
        """Return the pipeline as it stands."""
        request = GetPipelineRequest(pipeline_id=self.id)
        return (await self._connection.call(self._stub.GetPipeline, request)).pipeline

    async def result(self, *, timeout: float | None = None) -> Pipeline:  # noqa: ASYNC109 - it is told apart below
        """Wait until it succeeded and return it, with what was decided about each strategy.

        Raises JobFailed or JobCancelled if it ended otherwise, TimeoutError if it has not ended
        after `timeout` seconds; it then goes on running.
        """
        return await pipeline_result(self.watch(), of=self.id, timeout_seconds=timeout)

    def watch(self, after_sequence: int = 0) -> AsyncGenerator[WatchPipelineResponse]:
        """Follow it until its final status: first a snapshot, then one at each change, progress between."""
        return watch(self._connection.target, self._open_watch, after_sequence)

    async def cancel(self) -> Pipeline:
        """Stop it and the job it waits for; FailedPrecondition if it succeeded or failed before."""
        request = CancelPipelineRequest(request_id=new_request_id(), pipeline_id=self.id)
        return (await self._connection.call(self._stub.CancelPipeline, request)).pipeline

    def _open_watch(self, after_sequence: int) -> Stream[WatchPipelineResponse]:
        return self._stub.WatchPipeline(
            WatchPipelineRequest(pipeline_id=self.id, after_sequence=after_sequence),
            metadata=self._connection.metadata(),
        )


class Pipelines:
    """The pipelines of a server, the routes they take, and what could not become one."""

    def __init__(self, connection: Connection) -> None:
        """Nothing is called yet."""
        self._connection = connection
        self._stub = PipelineServiceStub(connection.channel)

    def handle(self, pipeline_id: str) -> PipelineHandle:
        """Return the handle of a pipeline whose id is known; nothing is called."""
        return PipelineHandle(self._connection, pipeline_id)

    async def get(self, pipeline_id: str) -> Pipeline:
        """Return one pipeline as it stands; NotFound if there is none of that id."""
        return await self.handle(pipeline_id).get()

    def list(self, **wanted: Unpack[PipelineFilter]) -> Pager[Pipeline]:
        """Return the pipelines that fit, newest first: iterate with `async for`, or take pages."""
        refuse_unknown(wanted, PipelineFilter, call="list")
        shape = Shape()
        status = JobStatus.Value(shape.word("status", wanted.get("status"), JobStatus.DESCRIPTOR))
        symbol = shape.text("symbol", wanted.get("symbol"))
        shape.refuse_if_any()

        async def fetch(size: int, token: str) -> Page[Pipeline]:
            request = ListPipelinesRequest(page_size=size, page_token=token, symbol=symbol, status=status)
            response = await self._connection.call(self._stub.ListPipelines, request)
            return Page(response.pipelines, response.next_page_token)

        return Pager(fetch, page_size=PAGE_SIZE)

    async def routes(self) -> Sequence[Route]:
        """Return the routes in force; an opportunity takes the first that takes it."""
        return (await self._connection.call(self._stub.ListRoutes, ListRoutesRequest())).routes

    async def reload_routes(self) -> Sequence[Route]:
        """Have the routes file read again and return the routes.

        InvalidRequest names everything that is wrong with the file, and the routes stay as they were;
        FailedPrecondition if the server was given none.
        """
        return (await self._connection.call(self._stub.ReloadRoutes, ReloadRoutesRequest())).routes

    def dead_letters(self, *, cause: str | None = None) -> Pager[DeadLetter]:
        """Return what came in over ZeroMQ and could not be used, newest first; of one `cause`, if given."""
        found = texts({"cause": cause})

        async def fetch(size: int, token: str) -> Page[DeadLetter]:
            request = ListDeadLettersRequest(page_size=size, page_token=token, **found)
            response = await self._connection.call(self._stub.ListDeadLetters, request)
            return Page(response.dead_letters, response.next_page_token)

        return Pager(fetch, page_size=PAGE_SIZE)
