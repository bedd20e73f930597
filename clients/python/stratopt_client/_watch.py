"""Following a job over a stream that may break."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, TypeVar

import grpc

from stratopt.v1.backtest_pb2 import Backtest
from stratopt.v1.backtest_service_pb2 import WatchBacktestResponse
from stratopt.v1.job_pb2 import JobStatus
from stratopt.v1.optimization_pb2 import Optimization
from stratopt.v1.optimization_service_pb2 import WatchOptimizationResponse
from stratopt.v1.pipeline_pb2 import Pipeline
from stratopt.v1.pipeline_service_pb2 import WatchPipelineResponse
from stratopt_client._errors import JobCancelled, JobFailed, Unavailable, told_apart, unreachable

ATTEMPTS_MAX = 10
"""Breaks in a row, nothing new between them, after which a watch gives up: about half a minute."""
BACKOFF_SECONDS_MIN = 0.2
BACKOFF_SECONDS_MAX = 5.0
SILENCE_SECONDS_MAX = 45.0
"""A stream that misses three heartbeats is dead, whatever the network says."""

FINAL = frozenset(
    {JobStatus.JOB_STATUS_SUCCEEDED, JobStatus.JOB_STATUS_FAILED, JobStatus.JOB_STATUS_CANCELLED}
)

Event = TypeVar("Event", WatchBacktestResponse, WatchOptimizationResponse, WatchPipelineResponse)
Stream = grpc.aio.UnaryStreamCall[Any, Event]


async def watch(
    target: str,
    open_stream: Callable[[int], Stream[Event]],
    after_sequence: int,
) -> AsyncGenerator[Event]:
    """Yield events until the final one; where the stream breaks, go on after the last event seen.

    A final snapshot alone is not the end: on a resumed stream it comes first, what was missed behind it.
    """
    sequence, breaks, ended = after_sequence, 0, False
    while True:
        lost = unreachable(target, "the stream ended before the job did")
        try:
            async with aclosing(_events(target, open_stream(sequence))) as events:
                async for event in events:
                    if event.sequence > sequence or event.HasField("heartbeat"):
                        breaks = 0
                    sequence = max(sequence, event.sequence)
                    if event.HasField("snapshot"):
                        ended = event.snapshot.status in FINAL
                    yield event
            if ended:
                return
        except Unavailable as error:
            lost = error
        breaks += 1
        if breaks >= ATTEMPTS_MAX:
            raise lost
        await asyncio.sleep(_backoff_seconds(breaks))


async def backtest_result(
    events: AsyncGenerator[WatchBacktestResponse], *, of: str, timeout_seconds: float | None
) -> Backtest:
    """Return the backtest once it succeeded; raise how else it ended."""
    job = (await _last(events, of=of, timeout_seconds=timeout_seconds)).snapshot
    _raise_unless_succeeded(job)
    return job


async def optimization_result(
    events: AsyncGenerator[WatchOptimizationResponse], *, of: str, timeout_seconds: float | None
) -> Optimization:
    """Return the optimization once it succeeded; raise how else it ended."""
    job = (await _last(events, of=of, timeout_seconds=timeout_seconds)).snapshot
    _raise_unless_succeeded(job)
    return job


async def pipeline_result(
    events: AsyncGenerator[WatchPipelineResponse], *, of: str, timeout_seconds: float | None
) -> Pipeline:
    """Return the pipeline once it succeeded; raise how else it ended."""
    pipeline = (await _last(events, of=of, timeout_seconds=timeout_seconds)).snapshot
    _raise_unless_succeeded(pipeline)
    return pipeline


async def _last(events: AsyncGenerator[Event], *, of: str, timeout_seconds: float | None) -> Event:
    """Return the event that ends the watch."""
    last: Event | None = None
    try:
        async with asyncio.timeout(timeout_seconds), aclosing(events):
            async for event in events:
                last = event
    except TimeoutError:
        raise TimeoutError(f"{of} has not ended after {timeout_seconds:g} s; it goes on running") from None
    assert last is not None, "a watch ends with a snapshot, or raises"
    return last


def _raise_unless_succeeded(job: Backtest | Optimization | Pipeline) -> None:
    if job.status == JobStatus.JOB_STATUS_FAILED:
        raise JobFailed(job)
    if job.status == JobStatus.JOB_STATUS_CANCELLED:
        raise JobCancelled(job)


async def _events(target: str, call: Stream[Event]) -> AsyncGenerator[Event]:
    """Yield what one stream sends; raise Unavailable where it breaks or falls silent."""
    stream = aiter(call)
    try:
        with told_apart(target):
            while True:
                async with asyncio.timeout(SILENCE_SECONDS_MAX):
                    event = await anext(stream)
                yield event
    except StopAsyncIteration:
        return
    except TimeoutError:
        raise unreachable(target, f"nothing came for {SILENCE_SECONDS_MAX:g} s") from None
    finally:
        call.cancel()


def _backoff_seconds(breaks: int) -> float:
    """Return how long to wait: doubling, capped, and spread so that many watchers do not come at once."""
    longest = min(BACKOFF_SECONDS_MAX, BACKOFF_SECONDS_MIN * 2.0 ** (breaks - 1))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - it spreads load, it keeps no secret
