"""A server on a machine that has run before: how soon its template is ready, how long a small search takes.

The first server fills the cache of compiled kernels and does not count.
"""

import asyncio
import tempfile
import time
from pathlib import Path

from bench.local_server import LocalServer, local_server
from bench.startup import write_bars
from stratopt_client import Client

NAME = "cold_process"
SEARCHES = 20
SETS = 10


def run() -> dict[str, object]:
    """Start two servers; of the second, time the first search from the start, later ones by themselves."""
    with local_server() as server:
        asyncio.run(_searched_ms(server, time.perf_counter(), searches=1))
    began = time.perf_counter()
    with local_server() as server:
        ready_ms, times = asyncio.run(_searched_ms(server, began, searches=SEARCHES))
    ordered = sorted(times)
    return {
        "name": NAME,
        "template_ready_ms": ready_ms,
        "search_ms": ordered[len(ordered) // 2],
        "search_ms_worst": ordered[-1],
        "sets": SETS,
        "searches": SEARCHES,
    }


async def _searched_ms(server: LocalServer, began: float, *, searches: int) -> tuple[float, list[float]]:
    """Give the time from the start to the end of a first search, and that of each one after it."""
    async with Client(server.address) as client:
        with tempfile.TemporaryDirectory() as folder:
            await client.market_data.import_file(write_bars(Path(folder)), symbol="BENCH/USDT")
        await _search(client)
        ready_ms = (time.perf_counter() - began) * 1000
        times = []
        for _ in range(searches):
            start = time.perf_counter()
            await _search(client)
            times.append((time.perf_counter() - start) * 1000)
    return ready_ms, times


async def _search(client: Client) -> None:
    """Search ten sets and wait for the end."""
    search = await client.optimizations.start(
        symbol="BENCH/USDT",
        strategy_id="ma_cross_v1.0",
        param_ranges={"fast_period": [2, SETS + 1]},
        fixed_params={"slow_period": 50},
    )
    await search.result(timeout=60)
