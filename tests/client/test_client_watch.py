"""A watch survives what happens to its connection; a result is what the watch ends with."""

# ruff: noqa: N802 - gRPC names the methods of servicers

import asyncio
from contextlib import AsyncExitStack, aclosing

import grpc
import pytest
from client_fakes import Backtests, Optimizations, backtest, optimization, refusal, serving

from stratopt.v1.backtest_service_pb2 import WatchBacktestResponse
from stratopt.v1.job_pb2 import Heartbeat, Progress
from stratopt.v1.optimization_pb2 import Trial
from stratopt.v1.optimization_service_pb2 import WatchOptimizationResponse
from stratopt_client import Client, JobCancelled, JobFailed, NotFound, Unavailable, _watch

LOST = refusal(grpc.StatusCode.UNAVAILABLE, "DRAINING")


def snapshot(sequence: int, status: str = "RUNNING") -> WatchBacktestResponse:
    """Return a snapshot event."""
    return WatchBacktestResponse(sequence=sequence, snapshot=backtest(status))


def progress(sequence: int) -> WatchBacktestResponse:
    """Return a progress event."""
    return WatchBacktestResponse(sequence=sequence, progress=Progress(done=sequence, total=9))


class Scripted(Backtests):
    """Plays one script per stream: events are sent, a status ends it, None goes silent."""

    def __init__(self, *scripts: list[object]) -> None:
        """The last script is played for every later stream too."""
        self.scripts = list(scripts)
        self.after: list[int] = []
        self.left = asyncio.Event()

    async def WatchBacktest(self, request, context):
        """Play the next script."""
        self.after.append(request.after_sequence)
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        try:
            for step in script:
                if step is None:
                    await asyncio.Event().wait()
                elif isinstance(step, WatchBacktestResponse):
                    yield step
                else:
                    await context.abort_with_status(step)
        finally:
            self.left.set()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting between attempts is not what these tests are about."""
    monkeypatch.setattr(_watch, "BACKOFF_SECONDS_MIN", 0.001)
    monkeypatch.setattr(_watch, "BACKOFF_SECONDS_MAX", 0.002)


async def watched(servicer: Scripted, after_sequence: int = 0) -> list[int]:
    """Return the sequences a whole watch yields."""
    async with serving(servicer) as target, Client(target) as client:
        events = client.backtests.handle("bt_1").watch(after_sequence)
        return [event.sequence async for event in events]


async def test_watch_ends_with_the_final_status() -> None:
    """Every event is yielded; the final snapshot is the last."""
    servicer = Scripted([snapshot(1), progress(2), snapshot(3, "SUCCEEDED")])
    assert await watched(servicer) == [1, 2, 3]
    assert servicer.after == [0]


async def test_watch_of_an_ended_job_yields_what_was_missed() -> None:
    """Where the first snapshot is final already, events that the caller has not seen come behind it."""
    servicer = Scripted([snapshot(5, "SUCCEEDED"), progress(4), snapshot(5, "SUCCEEDED")])
    assert await watched(servicer, after_sequence=3) == [5, 4, 5]
    assert servicer.after == [3]


async def test_watch_resumes_after_the_last_event_seen() -> None:
    """A lost stream is opened again with after_sequence; its first snapshot is yielded too."""
    servicer = Scripted([snapshot(1), progress(4), LOST], [snapshot(4), snapshot(5, "SUCCEEDED")])
    assert await watched(servicer) == [1, 4, 4, 5]
    assert servicer.after == [0, 4]


async def test_watch_resumes_where_the_caller_says() -> None:
    """after_sequence of the caller is the first that is sent."""
    servicer = Scripted([snapshot(7), snapshot(8, "CANCELLED")])
    assert await watched(servicer, after_sequence=6) == [7, 8]
    assert servicer.after == [6]


async def test_watch_resumes_when_the_stream_ends_early() -> None:
    """A clean end before the final status is a break like any other."""
    servicer = Scripted([snapshot(1)], [snapshot(1), snapshot(2, "FAILED")])
    assert await watched(servicer) == [1, 1, 2]
    assert servicer.after == [0, 1]


async def test_watch_gives_up_when_nothing_new_comes() -> None:
    """Streams that break again and again with nothing new between raise what broke the last."""
    servicer = Scripted([snapshot(1), LOST])
    with pytest.raises(Unavailable):
        await watched(servicer)
    # The first stream brought something new, so it is not counted among the breaks in a row.
    assert len(servicer.after) == _watch.ATTEMPTS_MAX


async def test_heartbeats_count_as_life() -> None:
    """A job that is quiet on a connection that breaks now and then is watched on."""
    beat = WatchBacktestResponse(sequence=1, heartbeat=Heartbeat())
    broken = [[snapshot(1), beat, LOST] for _ in range(_watch.ATTEMPTS_MAX + 2)]
    servicer = Scripted(*broken, [snapshot(2, "SUCCEEDED")])
    assert (await watched(servicer))[-1] == 2


async def test_silent_stream_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that misses its heartbeats is taken for dead."""
    monkeypatch.setattr(_watch, "SILENCE_SECONDS_MAX", 0.1)
    servicer = Scripted([snapshot(1), None], [snapshot(2, "SUCCEEDED")])
    assert await watched(servicer) == [1, 2]
    assert servicer.left.is_set()


async def test_watch_of_an_unknown_job_is_not_repeated() -> None:
    """Only what may go away by itself is tried again."""
    servicer = Scripted([refusal(grpc.StatusCode.NOT_FOUND, "BACKTEST_NOT_FOUND")])
    with pytest.raises(NotFound):
        await watched(servicer)
    assert servicer.after == [0]


async def test_watch_survives_a_restart_of_the_server() -> None:
    """The server goes away in mid-stream and comes back on its port; the watch goes on."""
    first = Scripted([snapshot(1), None])
    second = Scripted([snapshot(2), snapshot(3, "SUCCEEDED")])
    async with AsyncExitStack() as running:
        target = await running.enter_async_context(serving(first))
        async with Client(target) as client:
            events = client.backtests.handle("bt_1").watch()
            seen = [(await anext(events)).sequence]
            rest = asyncio.create_task(_sequences(events))
            await running.aclose()
            async with serving(second, port=int(target.rsplit(":", 1)[1])):
                seen += await asyncio.wait_for(rest, 20)
    assert seen == [1, 2, 3]
    assert second.after == [1]


async def test_leaving_a_watch_ends_the_stream() -> None:
    """The server is not kept busy for a caller who went away."""
    servicer = Scripted([snapshot(1), None])
    async with serving(servicer) as target, Client(target) as client:
        async with aclosing(client.backtests.handle("bt_1").watch()) as events:
            async for _ in events:
                break
        await asyncio.wait_for(servicer.left.wait(), 5)


async def test_result_is_the_final_backtest() -> None:
    """result() returns the last snapshot, metrics and all."""
    done = snapshot(2, "SUCCEEDED")
    done.snapshot.metrics.sharpe_ratio = 1.5
    async with serving(Scripted([snapshot(1), done])) as target, Client(target) as client:
        assert (await client.backtests.handle("bt_1").result(timeout=5)).metrics.sharpe_ratio == 1.5


@pytest.mark.parametrize(("status", "kind"), [("FAILED", JobFailed), ("CANCELLED", JobCancelled)])
async def test_result_raises_how_else_it_ended(status: str, kind: type[Exception]) -> None:
    """A failed or cancelled job has no result."""
    async with serving(Scripted([snapshot(1, status)])) as target, Client(target) as client:
        with pytest.raises(kind):
            await client.backtests.handle("bt_1").result()


async def test_result_in_time_or_not_at_all() -> None:
    """A passed timeout raises TimeoutError, names the job, and lets the stream go."""
    servicer = Scripted([snapshot(1), None])
    async with serving(servicer) as target, Client(target) as client:
        with pytest.raises(TimeoutError, match=r"bt_1 has not ended after 0\.1 s"):
            await client.backtests.handle("bt_1").result(timeout=0.1)
        await asyncio.wait_for(servicer.left.wait(), 5)


class Searching(Optimizations):
    """Improves once and ends."""

    async def WatchOptimization(self, _request, _context):
        """Send a short search."""
        yield WatchOptimizationResponse(sequence=1, snapshot=optimization("RUNNING"))
        yield WatchOptimizationResponse(sequence=2, improvement=Trial(number=3, score=1.25))
        yield WatchOptimizationResponse(sequence=3, snapshot=optimization("SUCCEEDED"))


async def test_optimization_is_followed_the_same_way() -> None:
    """Improvements come through, and result() returns the optimization."""
    async with serving(Searching()) as target, Client(target) as client:
        handle = client.optimizations.handle("opt_1")
        kinds = [event.WhichOneof("event") async for event in handle.watch()]
        assert kinds == ["snapshot", "improvement", "snapshot"]
        assert (await handle.result(timeout=5)).id == "opt_1"


async def _sequences(events) -> list[int]:
    return [event.sequence async for event in events]
