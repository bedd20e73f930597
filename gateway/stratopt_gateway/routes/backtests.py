"""Backtests: start, ask, follow, cancel."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel

from stratopt_client import to_dict
from stratopt_gateway.dependencies import ClientOf, SettingsOf, StreamsOf, renamed
from stratopt_gateway.json_body import StrictRoute
from stratopt_gateway.openapi import body_problems, problems
from stratopt_gateway.schemas.backtests import TASK_ID, BacktestStarted, BacktestStatus, StartBacktest
from stratopt_gateway.schemas.base import Progress
from stratopt_gateway.schemas.callers import Caller
from stratopt_gateway.schemas.events import LastEventId, events_answer
from stratopt_gateway.sse import after_sequence, stream

router = APIRouter(
    prefix="/api/backtest",
    tags=["backtest"],
    route_class=StrictRoute,
    dependencies=[Depends(renamed(backtest_id="task_id"))],
)

TaskId = Annotated[str, Path(description="The task_id of the backtest.", examples=[TASK_ID])]
TaskIdQuery = Annotated[str, Query(description="The task_id of the backtest.", examples=[TASK_ID])]


@router.post(
    "/start",
    operation_id="startBacktest",
    summary="Run a strategy over stored bars",
    responses=body_problems(404, 412, 429),
)
async def start_backtest(client: ClientOf, wanted: StartBacktest, caller: Caller = None) -> BacktestStarted:
    """Accept a backtest and answer at once; ask for its status, or follow its events."""
    handle = await client.backtests.start(
        wanted.symbol, wanted.strategy_id, caller=caller, **wanted.options()
    )
    status = to_dict(await handle.get())["status"]
    return BacktestStarted(task_id=handle.id, status=status, estimated_time=handle.estimated_seconds or 1)


@router.get(
    "/status",
    operation_id="getBacktestStatus",
    summary="Say how far a backtest is, and what it found",
    responses=problems(404, 422),
)
async def get_status(client: ClientOf, task_id: TaskIdQuery) -> BacktestStatus:
    """Return status and progress, and the metrics once it succeeded."""
    return BacktestStatus.of(await client.backtests.get(task_id))


@router.get(
    "/{task_id}/events",
    operation_id="watchBacktest",
    summary="Follow a backtest as Server-Sent Events",
    response_class=Response,
    responses=problems(404, 422, 429) | events_answer("snapshot, progress"),
)
async def watch_backtest(
    client: ClientOf,
    settings: SettingsOf,
    streams: StreamsOf,
    task_id: TaskId,
    last_event_id: LastEventId = None,
) -> Response:
    """Send a snapshot, then what happens, up to the final status; leaving does not cancel it."""
    after = after_sequence(last_event_id)
    await client.backtests.get(task_id)  # a watch waits for a server that is away; an answer should not
    watch = client.backtests.handle(task_id).watch(after)
    return await stream(watch, _body, streams=streams, resumed=after > 0, retry_ms=settings.stream_retry_ms)


@router.post(
    "/{task_id}/cancel",
    operation_id="cancelBacktest",
    summary="Stop a backtest",
    responses=problems(404, 409, 422),
)
async def cancel_backtest(client: ClientOf, task_id: TaskId) -> BacktestStatus:
    """Stop it; 409 if it succeeded or failed before. Cancelling a cancelled one changes nothing."""
    return BacktestStatus.of(await client.backtests.handle(task_id).cancel())


def _body(kind: str, message: Any) -> BaseModel:
    return BacktestStatus.of(message) if kind == "snapshot" else Progress.model_validate(to_dict(message))
