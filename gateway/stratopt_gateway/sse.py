"""Watch streams as Server-Sent Events: id is the sequence, event what happened, data JSON."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from stratopt.v1.backtest_service_pb2 import WatchBacktestResponse
from stratopt.v1.job_pb2 import JobStatus
from stratopt.v1.optimization_service_pb2 import WatchOptimizationResponse
from stratopt.v1.pipeline_service_pb2 import WatchPipelineResponse
from stratopt_client import StratoptError
from stratopt_gateway.problems import Refused, problem_of
from stratopt_gateway.schemas.problem import FieldProblem

SEQUENCE_MAX = 2**63 - 1
FINAL = (JobStatus.JOB_STATUS_SUCCEEDED, JobStatus.JOB_STATUS_FAILED, JobStatus.JOB_STATUS_CANCELLED)

Event = TypeVar("Event", WatchBacktestResponse, WatchOptimizationResponse, WatchPipelineResponse)
Body = Callable[[str, Any], BaseModel]
"""Turns what happened, of that kind, into what is said about it."""


class Streams:
    """The event streams that are open: how many, and how they end when the gateway does."""

    def __init__(self, *, streams_max: int) -> None:
        """At most `streams_max` at a time."""
        self._streams_max = streams_max
        self._open = 0
        self.closing = asyncio.Event()
        """Set when all are to end."""

    def close(self) -> None:
        """End them all; browsers come back to whoever serves then."""
        self.closing.set()

    def enter(self) -> None:
        """Count one more; raise Refused if there are too many."""
        if self._open >= self._streams_max:
            text = f"{self._streams_max} event streams are open, and no more are served at a time"
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, "TOO_MANY_STREAMS", text)
        self._open += 1

    def leave(self) -> None:
        """Count one less."""
        self._open -= 1


class EventResponse(StreamingResponse):
    """An event stream that is tidied up however it ends, even before it began."""

    media_type = "text/event-stream"

    def __init__(self, lines: AsyncIterator[str], tidy: Callable[[], Awaitable[None]]) -> None:
        """`tidy` is called once, at the end."""
        super().__init__(lines, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._tidy = tidy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._tidy()


def after_sequence(last_event_id: str | None) -> int:
    """Read the Last-Event-ID that a browser sends when it comes back; 0 if there is none."""
    if not last_event_id:
        return 0
    if last_event_id.isascii() and last_event_id.isdecimal() and int(last_event_id) <= SEQUENCE_MAX:
        return int(last_event_id)
    text = "must be the id of the last event seen, a whole number"
    fault = FieldProblem(field="Last-Event-ID", reason="INVALID_SEQUENCE", message=text)
    raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "INVALID_SEQUENCE", f"Last-Event-ID: {text}", [fault])


async def stream(
    watch: AsyncGenerator[Event], body: Body, *, streams: Streams, resumed: bool, retry_ms: int
) -> Response:
    """Answer with the events of a watch; 204 where a resumed one has nothing more to say.

    The first events are awaited here, so that an error is an answer of its own and not a broken stream.
    """
    streams.enter()

    async def tidy() -> None:
        streams.leave()
        await watch.aclose()

    try:
        early = await _first(watch, resumed=resumed)
    except BaseException:
        await tidy()
        raise
    if not early:
        await tidy()
        return Response(status_code=HTTPStatus.NO_CONTENT)
    events = _until(streams.closing, early, watch)
    return EventResponse(_lines(events, body, retry_ms), tidy)


async def _lines(events: AsyncGenerator[Event], body: Body, retry_ms: int) -> AsyncIterator[str]:
    yield f"retry: {retry_ms}\n\n"
    try:
        async with aclosing(events):
            async for event in events:
                yield _written(event, body)
    except StratoptError as error:
        # The answer has begun: its end can only be said in it.
        yield _framed("problem", problem_of(error, {}).model_dump_json())


async def _first(watch: AsyncGenerator[Event], *, resumed: bool) -> list[Event]:
    """Return the first event; of a resumed watch of a job that has ended, two, or none if there is no second.

    A browser comes back after the end too, and would for ever.
    """
    first = await anext(watch)
    if not (resumed and first.WhichOneof("event") == "snapshot" and first.snapshot.status in FINAL):
        return [first]
    try:
        return [first, await anext(watch)]
    except StopAsyncIteration:
        return []


async def _until(
    closing: asyncio.Event, early: list[Event], watch: AsyncGenerator[Event]
) -> AsyncGenerator[Event]:
    """Yield what comes until the watch, or the gateway, ends."""
    for event in early:
        yield event
    ended = asyncio.ensure_future(closing.wait())
    coming: asyncio.Future[Event] | None = None
    try:
        while True:
            coming = asyncio.ensure_future(anext(watch))
            await asyncio.wait((coming, ended), return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                return
            try:
                yield coming.result()
            except StopAsyncIteration:
                return
    finally:
        ended.cancel()
        if coming is not None and not coming.done():
            coming.cancel()
            with suppress(asyncio.CancelledError):
                await coming


def _written(
    event: WatchBacktestResponse | WatchOptimizationResponse | WatchPipelineResponse, body: Body
) -> str:
    kind = str(event.WhichOneof("event"))
    if kind == "heartbeat":
        return ": heartbeat\n\n"
    data = body(kind, getattr(event, kind)).model_dump_json()
    return f"id: {event.sequence}\n{_framed(kind, data)}"


def _framed(kind: str, data: str) -> str:
    # JSON written compactly has no line break of its own, and escapes those inside texts.
    return f"event: {kind}\ndata: {data}\n\n"
