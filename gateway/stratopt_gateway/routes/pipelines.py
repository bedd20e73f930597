"""Pipelines: what became of opportunities that scanners sent."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel

from stratopt_client import to_dict
from stratopt_gateway.dependencies import ClientOf, SettingsOf, StreamsOf
from stratopt_gateway.json_body import StrictRoute
from stratopt_gateway.openapi import problems
from stratopt_gateway.schemas.base import Progress
from stratopt_gateway.schemas.events import LastEventId, events_answer
from stratopt_gateway.schemas.pages import PageSize, PageToken
from stratopt_gateway.schemas.pipelines import (
    PIPELINE_ID,
    DeadLetters,
    Pipeline,
    Pipelines,
    PipelineWord,
    Routes,
)
from stratopt_gateway.sse import after_sequence, stream

router = APIRouter(prefix="/api", tags=["pipelines"], route_class=StrictRoute)

PipelineId = Annotated[str, Path(description="Id of the pipeline.", examples=[PIPELINE_ID])]
SymbolQuery = Annotated[
    str | None, Query(description="Only pipelines of this symbol.", examples=["BTC/USDT"])
]
StatusQuery = Annotated[PipelineWord | None, Query(description="Only pipelines in this status.")]
CauseQuery = Annotated[
    str | None, Query(description="Only those of this cause.", examples=["UNKNOWN_SYMBOL"])
]


@router.get("/pipelines", operation_id="listPipelines", summary="List pipelines", responses=problems(422))
async def list_pipelines(
    client: ClientOf,
    *,
    symbol: SymbolQuery = None,
    status: StatusQuery = None,
    page_size: PageSize = 0,
    page_token: PageToken = "",
) -> Pipelines:
    """Return a page of them, newest first."""
    found = client.pipelines.list(symbol=symbol, status=status)
    page = await found.page(size=page_size, token=page_token)
    return Pipelines.of(page.rows, page.next_page_token)


@router.get(
    "/pipelines/{pipeline_id}",
    operation_id="getPipeline",
    summary="Return one pipeline",
    responses=problems(404, 422),
)
async def get_pipeline(client: ClientOf, pipeline_id: PipelineId) -> Pipeline:
    """Return its opportunity, and how far each strategy is."""
    return Pipeline.of(await client.pipelines.get(pipeline_id))


@router.get(
    "/pipelines/{pipeline_id}/events",
    operation_id="watchPipeline",
    summary="Follow a pipeline as Server-Sent Events",
    response_class=Response,
    responses=problems(404, 422, 429) | events_answer("snapshot, progress"),
)
async def watch_pipeline(
    client: ClientOf,
    settings: SettingsOf,
    streams: StreamsOf,
    pipeline_id: PipelineId,
    last_event_id: LastEventId = None,
) -> Response:
    """Send a snapshot, then what happens, up to the final status; leaving does not cancel it."""
    after = after_sequence(last_event_id)
    await client.pipelines.get(pipeline_id)  # a watch waits for a server that is away
    watch = client.pipelines.handle(pipeline_id).watch(after)
    return await stream(watch, _body, streams=streams, resumed=after > 0, retry_ms=settings.stream_retry_ms)


@router.post(
    "/pipelines/{pipeline_id}/cancel",
    operation_id="cancelPipeline",
    summary="Stop a pipeline",
    responses=problems(404, 409, 422),
)
async def cancel_pipeline(client: ClientOf, pipeline_id: PipelineId) -> Pipeline:
    """Stop it and the job it waits for; what was decided stays decided. 409 if it succeeded or failed."""
    return Pipeline.of(await client.pipelines.handle(pipeline_id).cancel())


@router.get("/routes", operation_id="listRoutes", summary="List the routes that opportunities take")
async def list_routes(client: ClientOf) -> Routes:
    """Return the routes in force, in order."""
    return Routes.of(await client.pipelines.routes())


@router.post(
    "/routes/reload",
    operation_id="reloadRoutes",
    summary="Have the routes file read again",
    responses=problems(412, 422),
)
async def reload_routes(client: ClientOf) -> Routes:
    """Return the routes as they are now.

    422 names everything that is wrong with the file, and the routes stay as they were; 412 if the server was
    given none.
    """
    return Routes.of(await client.pipelines.reload_routes())


@router.get(
    "/dead-letters",
    operation_id="listDeadLetters",
    summary="List messages that could not be used",
    responses=problems(422),
)
async def list_dead_letters(
    client: ClientOf,
    *,
    cause: CauseQuery = None,
    page_size: PageSize = 0,
    page_token: PageToken = "",
) -> DeadLetters:
    """Return a page of what came in over ZeroMQ and could not be used, newest first."""
    page = await client.pipelines.dead_letters(cause=cause).page(size=page_size, token=page_token)
    return DeadLetters.of(page.rows, page.next_page_token)


def _body(kind: str, message: Any) -> BaseModel:
    return Pipeline.of(message) if kind == "snapshot" else Progress.model_validate(to_dict(message))
