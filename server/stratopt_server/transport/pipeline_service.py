"""PipelineService over the pipelines use-case."""

from collections.abc import AsyncIterator
from typing import Any

from stratopt.v1 import pipeline_service_pb2 as pb
from stratopt.v1.pipeline_service_pb2_grpc import PipelineServiceServicer
from stratopt_server.domain.errors import Violations
from stratopt_server.usecases.dead_letters import DeadLetters
from stratopt_server.usecases.pipeline_runner import PipelineRunner
from stratopt_server.usecases.pipelines import Pipelines
from stratopt_server.usecases.routes import Routes
from stratopt_server.usecases.threads import StorageThread
from stratopt_server.wire.paging import cursor_key, cut_page, page_of
from stratopt_server.wire.pipelines import (
    cause_filter,
    dead_letter_to_proto,
    pipeline_filter,
    pipeline_to_proto,
    route_to_proto,
    watched_pipeline,
)
from stratopt_server.wire.reading import call_of


class PipelineServicer(PipelineServiceServicer):
    """Parse, call, convert."""

    def __init__(
        self,
        pipelines: Pipelines,
        runner: PipelineRunner,
        routes: Routes,
        dead_letters: DeadLetters,
        *,
        thread: StorageThread,
    ) -> None:
        self._pipelines = pipelines
        self._runner = runner
        self._routes = routes
        self._dead_letters = dead_letters
        self._thread = thread

    async def ListPipelines(self, request: pb.ListPipelinesRequest, context: Any) -> pb.ListPipelinesResponse:
        """Return a page of pipelines."""
        violations = Violations()
        page, wanted = page_of(request, violations), pipeline_filter(request, violations)
        violations.refuse_if_any()
        rows = await self._thread.run(self._pipelines.page, page, wanted)
        pipelines, token = cut_page(
            request, rows, pipeline_to_proto, key=lambda view: cursor_key(view.pipeline)
        )
        return pb.ListPipelinesResponse(pipelines=pipelines, next_page_token=token)

    async def GetPipeline(self, request: pb.GetPipelineRequest, context: Any) -> pb.GetPipelineResponse:
        """Return one pipeline."""
        view = await self._thread.run(self._pipelines.view, request.pipeline_id)
        return pb.GetPipelineResponse(pipeline=pipeline_to_proto(view))

    async def WatchPipeline(
        self, request: pb.WatchPipelineRequest, context: Any
    ) -> AsyncIterator[pb.WatchPipelineResponse]:
        """Follow one pipeline."""
        async for watched in self._pipelines.watch(
            request.pipeline_id, after_sequence=request.after_sequence
        ):
            yield watched_pipeline(watched)

    async def CancelPipeline(
        self, request: pb.CancelPipelineRequest, context: Any
    ) -> pb.CancelPipelineResponse:
        """Stop a pipeline."""
        call = call_of(request, "CancelPipeline")
        view = await self._thread.run(self._pipelines.cancel, request.pipeline_id, call)
        await self._runner.cancelled(view.pipeline)
        return pb.CancelPipelineResponse(pipeline=pipeline_to_proto(view))

    async def ListRoutes(self, request: pb.ListRoutesRequest, context: Any) -> pb.ListRoutesResponse:
        """Return the routes in force."""
        return pb.ListRoutesResponse(routes=[route_to_proto(route) for route in self._routes.current])

    async def ReloadRoutes(self, request: pb.ReloadRoutesRequest, context: Any) -> pb.ReloadRoutesResponse:
        """Read the routes file again."""
        routes = await self._thread.run(self._routes.reload)
        return pb.ReloadRoutesResponse(routes=[route_to_proto(route) for route in routes])

    async def ListDeadLetters(
        self, request: pb.ListDeadLettersRequest, context: Any
    ) -> pb.ListDeadLettersResponse:
        """Return a page of what could not be used."""
        violations = Violations()
        page, cause = page_of(request, violations), cause_filter(request, violations)
        violations.refuse_if_any()
        rows = await self._thread.run(self._dead_letters.page, page, cause)
        letters, token = cut_page(request, rows, dead_letter_to_proto, key=cursor_key)
        return pb.ListDeadLettersResponse(dead_letters=letters, next_page_token=token)
