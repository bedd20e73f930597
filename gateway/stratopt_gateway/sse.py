"""Watch streams as Server-Sent Events: id is the sequence, event what happened, data JSON."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from stratopt.v1.backtest_service_pb2 import WatchBacktestResponse
from stratopt.v1.job_pb2 import JobStatus
from stratopt.v1.optimization_service_pb2 import WatchOptimizationResponse
from stratopt_client import StratoptError
from stratopt_gateway.problems import Refused, problem_of
from stratopt_gateway.schemas.problem import FieldProblem

MEDIA_TYPE = "text/event-stream"
SEQUENCE_MAX = 2**63 - 1
FINAL = (JobStatus.JOB_STATUS_SUCCEEDED, JobStatus.JOB_STATUS_FAILED, JobStatus.JOB_STATUS_CANCELLED)

Event = TypeVar("Event", WatchBacktestResponse, WatchOptimizationResponse)
Body = Callable[[str, Any], BaseModel]
"""Turns what happened, of that kind, into what is said about it."""


class Streams:
    """The event streams that are open: how many, and how they end when the gateway does."""

    def __init__(self, *, streams_max: int) -> None:
        """At most `streams_max` at a time."""
        self._streams_max = streams_max
        self._open = 0
        self._closing = asyncio.Event()

    @property
    def open(self) -> int:
        """How many are open."""
        return self._open

    def close(self) -> None:
        """End them all; browsers come back to whoever serves then."""
        self._closing.set()

    @contextmanager
    def one_more(self) -> Iterator[asyncio.Event]:
        """Count one for the time of the block; raise Refused if there are too many. Yields the end of all."""
        if self._open >= self._streams_max:
            text = f"{self._streams_max} event streams are open, and no more are served at a time"
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, "TOO_MANY_STREAMS", text)
        self._open += 1
        try:
            yield self._closing
        finally:
            self._open -= 1


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

    The first events are awaited here, so that an unknown id is a 404 and not a broken stream.
    """
    counted = streams.one_more()
    closing = counted.__enter__()  # it is left when the stream ends, or below
    try:
        early = [await anext(watch)]
        if resumed and early[0].WhichOneof("event") == "snapshot" and early[0].snapshot.status in FINAL:
            # A browser comes back after the end too; 204 tells it to stop.
            try:
                early.append(await anext(watch))
            except StopAsyncIteration:
                counted.__exit__(None, None, None)
                return Response(status_code=HTTPStatus.NO_CONTENT)
    except BaseException:
        await watch.aclose()
        counted.__exit__(None, None, None)
        raise

    async def lines() -> AsyncIterator[str]:
        try:
            yield f"retry: {retry_ms}\n\n"
            async with aclosing(watch):
                async for event in _until(closing, early, watch):
                    yield _written(event, body)
        except StratoptError as error:
            # The answer has begun: its end can only be said in it.
            yield _framed("problem", problem_of(error, {}).model_dump_json())
        finally:
            counted.__exit__(None, None, None)

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(lines(), media_type=MEDIA_TYPE, headers=headers)


async def _until(
    closing: asyncio.Event, early: list[Event], watch: AsyncGenerator[Event]
) -> AsyncIterator[Event]:
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


def _written(event: WatchBacktestResponse | WatchOptimizationResponse, body: Body) -> str:
    kind = str(event.WhichOneof("event"))
    if kind == "heartbeat":
        return ": heartbeat\n\n"
    data = body(kind, getattr(event, kind)).model_dump_json()
    return f"id: {event.sequence}\n{_framed(kind, data)}"


def _framed(kind: str, data: str) -> str:
    # JSON written compactly has no line break of its own, and escapes those inside texts.
    return f"event: {kind}\ndata: {data}\n\n"
