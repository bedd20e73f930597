"""What 200 watchers of one search cost it, and how a queue of a thousand jobs behaves meanwhile.

First the rate of a search that nobody watches against that of the same search with 200 Watch streams open,
in turns. Then 1,000 small searches are queued, 20 of them cancelled at random, with 200 watchers on the last
one: every job must end in the right status, and GetOptimization is timed all the while.
"""

import asyncio
import random
import statistics
import tempfile
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

from bench.local_server import LocalServer, local_server
from bench.startup import write_bars
from stratopt.v1 import job_pb2
from stratopt_client import Client, OptimizationHandle

NAME = "watchers"
WATCHERS = 200
TURNS = 3
JOBS, CANCELLED = 1_000, 20
SEED = 7
ASKED_EVERY_SECONDS = 0.02
LONG: dict[str, Any] = {
    "symbol": "BENCH/USDT",
    "strategy_id": "ma_cross_v1.0",
    "param_ranges": {"fast_period": [2, 200], "slow_period": [201, 2_000]},
    "fixed_params": {"signal_threshold": 0.0},
    "algorithm": "random",
    "max_iterations": 20_000,
    "holdout": 0.3,
    "seed": 3,
}
SMALL: dict[str, Any] = {**LONG, "max_iterations": 10}


def run() -> dict[str, object]:
    """Measure the watched search, then the queue."""
    with local_server() as server:
        return asyncio.run(_measured(server))


async def _measured(server: LocalServer) -> dict[str, object]:
    async with Client(server.address) as client:
        with tempfile.TemporaryDirectory() as folder:
            await client.market_data.import_file(write_bars(Path(folder)), symbol="BENCH/USDT")
        await _seconds(client, watchers=0)
        alone, watched = [], []
        for _ in range(TURNS):
            alone.append(await _seconds(client, watchers=0))
            watched.append(await _seconds(client, watchers=WATCHERS))
        queue = await _queue(client)
    return {
        "name": NAME,
        "watchers": WATCHERS,
        "speed_kept": min(alone) / min(watched),
        "seconds_alone": min(alone),
        "seconds_watched": min(watched),
        **queue,
    }


async def _seconds(client: Client, *, watchers: int) -> float:
    """Search to the end with so many watchers; the seconds from the first progress to the last."""
    handle = await client.optimizations.start(**LONG)
    watching = [asyncio.create_task(_watch(client, handle.id)) for _ in range(watchers)]
    found = await handle.result(timeout=300)
    await asyncio.gather(*watching)
    return (found.end_time.ToMicroseconds() - found.start_time.ToMicroseconds()) / 1e6


async def _watch(client: Client, job: str) -> int:
    """Follow a job to its end; the number of its final status."""
    status = 0
    async with aclosing(client.optimizations.handle(job).watch()) as events:
        async for event in events:
            if event.HasField("snapshot"):
                status = event.snapshot.status
    return status


async def _queue(client: Client) -> dict[str, object]:
    """Fill the queue, cancel some, and wait for all."""
    began = time.perf_counter()
    handles = [await client.optimizations.start(**SMALL) for _ in range(JOBS)]
    queued = time.perf_counter() - began
    watching = [asyncio.create_task(_watch(client, handles[-1].id)) for _ in range(WATCHERS)]
    times: list[float] = []
    asking = asyncio.create_task(_asked(client, handles, times))
    chosen = random.Random(SEED).sample(handles[JOBS // 2 :], CANCELLED)  # noqa: S311 - which, is no secret
    for handle in chosen:
        await handle.cancel()
    cancelled = {handle.id for handle in chosen}
    ends = [await _ended(handle) for handle in handles]
    seconds = time.perf_counter() - began
    seen = await asyncio.gather(*watching)
    asking.cancel()
    right = sum(
        status == (job_pb2.JOB_STATUS_CANCELLED if handle.id in cancelled else job_pb2.JOB_STATUS_SUCCEEDED)
        for handle, status in zip(handles, ends, strict=True)
    )
    times.sort()
    return {
        "jobs": JOBS,
        "cancelled": CANCELLED,
        "right_status_share": right / JOBS,
        "watchers_that_saw_the_end": sum(status == ends[-1] for status in seen),
        "start_ms": queued / JOBS * 1000,
        "jobs_per_second": JOBS / seconds,
        "get_ms_median": statistics.median(times),
        "get_ms_p99": times[int(0.99 * len(times))],
        "get_calls": len(times),
    }


async def _asked(client: Client, handles: list[OptimizationHandle], times: list[float]) -> None:
    """Ask for a job now and then, and note how long the answer takes."""
    moments = random.Random(SEED)  # noqa: S311
    while True:
        began = time.perf_counter()
        await client.optimizations.get(moments.choice(handles).id)
        times.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(ASKED_EVERY_SECONDS)


async def _ended(handle: OptimizationHandle) -> int:
    while True:
        found = await handle.get()
        if found.HasField("end_time"):
            return found.status
        await asyncio.sleep(0.2)
