"""Whether a search that is killed ends as one that is not: kill -9 of its process, and of its server.

Each round starts the same walk-forward search, kills at a random moment, and compares what was found, every
trial of every window included, with an uninterrupted run. Time aside, both must be the same bytes.
"""

import asyncio
import os
import random
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from bench.local_server import LocalServer, local_server
from bench.startup import write_bars
from stratopt.v1 import job_pb2
from stratopt_client import Client, OptimizationHandle

NAME = "resume"
ROUNDS = 20
"""Kills of either kind."""
SEED = 20_240_229
LEASE_SECONDS = 2.0
SEARCH: dict[str, Any] = {
    "symbol": "BENCH/USDT",
    "strategy_id": "ma_cross_v1.0",
    "param_ranges": {"fast_period": [2, 200], "slow_period": [201, 2_000]},
    "fixed_params": {"signal_threshold": 0.0},
    "algorithm": "genetic",
    "max_iterations": 1_500,
    "seed": 11,
}


def run() -> dict[str, object]:
    """Kill processes, then servers, and count the rounds that ended alike."""
    moments = random.Random(SEED)  # noqa: S311 - moments of a bench
    with tempfile.TemporaryDirectory() as folder:
        settings = {"STRATOPT_DATA_DIR": folder, "STRATOPT_LEASE_SECONDS": str(LEASE_SECONDS)}
        with local_server(**settings) as server:
            expected, seconds = asyncio.run(_straight(server))
            alike = [
                asyncio.run(_process_killed(server, moments.uniform(0, seconds))) == expected
                for _ in range(ROUNDS)
            ]
        by_process = sum(alike)
        late = 0
        for _ in range(ROUNDS):
            found, overdue = _server_killed(settings, moments.uniform(0, seconds))
            alike.append(found == expected)
            late += overdue
    return {
        "name": NAME,
        "identical_share": sum(alike) / len(alike),
        "processes_killed": ROUNDS,
        "identical_after_process": by_process,
        "servers_killed": ROUNDS,
        "identical_after_server": sum(alike) - by_process,
        "running_past_lease": late,
        "search_seconds": seconds,
        "trials": 6 * SEARCH["max_iterations"],
    }


async def _straight(server: LocalServer) -> tuple[bytes, float]:
    """Import the bars, search undisturbed, and give what was found and how long it took."""
    async with Client(server.address) as client:
        with tempfile.TemporaryDirectory() as folder:
            await client.market_data.import_file(write_bars(Path(folder)), symbol="BENCH/USDT")
        await _found(client, await client.optimizations.start(**SEARCH))
        began = time.perf_counter()
        handle = await client.optimizations.start(**SEARCH)
        await handle.result(timeout=300)
        seconds = time.perf_counter() - began
        return await _found(client, handle), seconds


async def _process_killed(server: LocalServer, after: float) -> bytes:
    """Search, and kill the search's process after so many seconds."""
    async with Client(server.address) as client:
        handle = await client.optimizations.start(**SEARCH)
        await asyncio.sleep(after)
        for template in psutil.Process(server.pid).children():
            for job in template.children():
                job.kill()
        return await _found(client, handle)


def _server_killed(settings: dict[str, str], after: float) -> tuple[bytes, bool]:
    """Search, kill the server after so many seconds, and end the search on another one.

    The flag tells whether the job was still `running`, in nobody's hands, well after its lease.
    """
    with local_server(**settings) as server:
        search = asyncio.run(_begun(server, after))
        os.kill(server.pid, signal.SIGKILL)
    killed = time.perf_counter()
    with local_server(**settings) as server:
        return asyncio.run(_taken_up(server, search, killed))


async def _begun(server: LocalServer, after: float) -> str:
    async with Client(server.address) as client:
        handle = await client.optimizations.start(**SEARCH)
        await asyncio.sleep(after)
        return handle.id


async def _taken_up(server: LocalServer, search: str, killed: float) -> tuple[bytes, bool]:
    async with Client(server.address) as client:
        handle = client.optimizations.handle(search)
        before = await handle.get()
        overdue = False
        while (now := await handle.get()).status == job_pb2.JOB_STATUS_RUNNING:
            if now.start_time != before.start_time:
                break  # another attempt has begun
            overdue = time.perf_counter() - killed > 3 * LEASE_SECONDS
            if overdue:
                break
            await asyncio.sleep(0.05)
        return await _found(client, handle), overdue


async def _found(client: Client, handle: OptimizationHandle) -> bytes:
    """Wait for the end; give the result and all trials as bytes, without id and times."""
    result = await handle.result(timeout=300)
    for name in ("id", "create_time", "start_time", "end_time", "progress", "trials_ever"):
        result.ClearField(name)
    parts = [result.SerializeToString(deterministic=True)]
    for window in (None, 0, 1, 2, 3, 4):
        own = client.optimizations.handle(handle.id)
        parts += [t.SerializeToString(deterministic=True) async for t in own.trials(window=window)]
    return b"\n".join(parts)
