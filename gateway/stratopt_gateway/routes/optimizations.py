"""Optimizations: start, ask, follow, cancel."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel

from stratopt_client import to_dict
from stratopt_gateway.dependencies import ClientOf, SettingsOf, StreamsOf
from stratopt_gateway.json_body import StrictRoute
from stratopt_gateway.openapi import body_problems, problems
from stratopt_gateway.schemas.base import Progress
from stratopt_gateway.schemas.events import LastEventId, events_answer
from stratopt_gateway.schemas.optimizations import (
    OPTIMIZATION_ID,
    OptimizationStarted,
    OptimizationStatus,
    StartOptimization,
    Trial,
)
from stratopt_gateway.sse import after_sequence, stream

router = APIRouter(prefix="/api/optimization", tags=["optimization"], route_class=StrictRoute)

OptimizationId = Annotated[str, Path(description="Id of the optimization.", examples=[OPTIMIZATION_ID])]
OptimizationIdQuery = Annotated[str, Query(description="Id of the optimization.", examples=[OPTIMIZATION_ID])]


@router.post(
    "/start",
    operation_id="startOptimization",
    summary="Search for the best parameters of a strategy",
    responses=body_problems(404, 412),
)
async def start_optimization(client: ClientOf, wanted: StartOptimization) -> OptimizationStarted:
    """Accept a search and answer at once; ask for its status, or follow its events."""
    handle = await client.optimizations.start(
        wanted.symbol, wanted.strategy_id, wanted.param_ranges, **wanted.options()
    )
    return OptimizationStarted.of(await handle.get(), handle.estimated_seconds or 1)


@router.get(
    "/status",
    operation_id="getOptimizationStatus",
    summary="Say how far an optimization is, and the best it has found",
    responses=problems(404, 422),
)
async def get_status(client: ClientOf, optimization_id: OptimizationIdQuery) -> OptimizationStatus:
    """Return status, progress and the best so far; at the end also what that did out of sample."""
    return OptimizationStatus.of(await client.optimizations.get(optimization_id))


@router.get(
    "/{optimization_id}/events",
    operation_id="watchOptimization",
    summary="Follow an optimization as Server-Sent Events",
    response_class=Response,
    responses=problems(404, 422, 429) | events_answer("snapshot, progress, improvement"),
)
async def watch_optimization(
    client: ClientOf,
    settings: SettingsOf,
    streams: StreamsOf,
    optimization_id: OptimizationId,
    last_event_id: LastEventId = None,
) -> Response:
    """Send a snapshot, then what happens, up to the final status; leaving does not cancel it."""
    after = after_sequence(last_event_id)
    await client.optimizations.get(optimization_id)  # a watch waits for a server that is away
    watch = client.optimizations.handle(optimization_id).watch(after)
    return await stream(watch, _body, streams=streams, resumed=after > 0, retry_ms=settings.stream_retry_ms)


@router.post(
    "/{optimization_id}/cancel",
    operation_id="cancelOptimization",
    summary="Stop an optimization",
    responses=problems(404, 409, 422),
)
async def cancel_optimization(client: ClientOf, optimization_id: OptimizationId) -> OptimizationStatus:
    """Stop it; its trials are kept. 409 if it succeeded or failed before."""
    return OptimizationStatus.of(await client.optimizations.handle(optimization_id).cancel())


def _body(kind: str, message: Any) -> BaseModel:
    if kind == "snapshot":
        return OptimizationStatus.of(message)
    return Trial.of(message) if kind == "improvement" else Progress.model_validate(to_dict(message))
