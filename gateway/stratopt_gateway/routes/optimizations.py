"""Optimizations: start, ask, follow, cancel."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel

from stratopt_client import to_dict
from stratopt_gateway.dependencies import ClientOf, SettingsOf, StreamsOf
from stratopt_gateway.json_body import StrictRoute
from stratopt_gateway.openapi import body_problems, problems
from stratopt_gateway.schemas.base import Progress
from stratopt_gateway.schemas.callers import Caller
from stratopt_gateway.schemas.events import LastEventId, events_answer
from stratopt_gateway.schemas.optimizations import (
    OPTIMIZATION_ID,
    OptimizationStarted,
    OptimizationStatus,
    Trial,
)
from stratopt_gateway.schemas.searches import Extend, StartOptimization
from stratopt_gateway.sse import after_sequence, stream

router = APIRouter(prefix="/api/optimization", tags=["optimization"], route_class=StrictRoute)

OptimizationId = Annotated[str, Path(description="Id of the optimization.", examples=[OPTIMIZATION_ID])]
OptimizationIdQuery = Annotated[str, Query(description="Id of the optimization.", examples=[OPTIMIZATION_ID])]


@router.post(
    "/start",
    operation_id="startOptimization",
    summary="Search for the best parameters of a strategy",
    responses=body_problems(404, 412, 429),
)
async def start_optimization(
    client: ClientOf, wanted: StartOptimization, caller: Caller = None
) -> OptimizationStarted:
    """Accept a search and answer at once; ask for its status, or follow its events."""
    handle = await client.optimizations.start(
        wanted.symbol, wanted.strategy_id, wanted.param_ranges, caller=caller, **wanted.options()
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


@router.post(
    "/{optimization_id}/pause",
    operation_id="pauseOptimization",
    summary="Stop an optimization for a while",
    responses=problems(404, 409, 422),
)
async def pause_optimization(client: ClientOf, optimization_id: OptimizationId) -> OptimizationStatus:
    """Stop it until it is resumed; 409 if it has ended."""
    return OptimizationStatus.of(await client.optimizations.handle(optimization_id).pause())


@router.post(
    "/{optimization_id}/resume",
    operation_id="resumeOptimization",
    summary="Let a paused optimization go on",
    responses=problems(404, 409, 422),
)
async def resume_optimization(client: ClientOf, optimization_id: OptimizationId) -> OptimizationStatus:
    """Put it back in the queue, to go on where it was; 409 if it has ended."""
    return OptimizationStatus.of(await client.optimizations.handle(optimization_id).resume())


@router.post(
    "/{optimization_id}/extend",
    operation_id="extendOptimization",
    summary="Let an optimization that has ended go on with a larger budget",
    responses=body_problems(404, 409, 429),
)
async def extend_optimization(
    client: ClientOf, optimization_id: OptimizationId, wanted: Extend
) -> OptimizationStatus:
    """Put it back in the queue, to go on behind its trials; 409 unless it succeeded or was cancelled."""
    handle = client.optimizations.handle(optimization_id)
    return OptimizationStatus.of(await handle.extend(wanted.max_iterations))


def _body(kind: str, message: Any) -> BaseModel:
    if kind == "snapshot":
        return OptimizationStatus.of(message)
    return Trial.of(message) if kind == "improvement" else Progress.model_validate(to_dict(message))
