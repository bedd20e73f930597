"""How long GetBacktest takes on loopback, beside an empty call and beside the same get over REST."""

import asyncio
import http.client
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bench.local_server import LocalServer, local_gateway, local_server
from bench.startup import write_bars
from stratopt_client import Client

CALLS = 2_000
WARM_CALLS = 200
MEGABYTE = 1 << 20


def run() -> dict[str, object]:
    """Time the calls one after the other."""
    with local_server() as server, local_gateway(server.address) as url:
        figures = asyncio.run(_measure(server, url))
        peak = psutil.Process(server.pid).memory_info().rss / MEGABYTE
    return {"name": "rpc_latency", **figures, "calls": CALLS, "peak_mb": peak}


async def _measure(server: LocalServer, url: str) -> dict[str, float]:
    async with (
        Client(server.address) as client,
        aio.insecure_channel(server.address) as channel,
    ):
        with TemporaryDirectory() as folder:
            await client.market_data.import_file(write_bars(Path(folder)), symbol="BENCH/USDT")
        backtest = await client.backtests.start(symbol="BENCH/USDT", strategy_id="ma_cross_v1.0")
        await backtest.result()
        health = health_pb2_grpc.HealthStub(channel)
        gets = await _times(backtest.get)
        empty = await _times(lambda: health.Check(health_pb2.HealthCheckRequest()))
        rests = await asyncio.to_thread(_rest_times, url, f"/api/backtest/status?task_id={backtest.id}")
    return {
        "rest_over_grpc": _percentile(rests, 50) / _percentile(gets, 50),
        "rest_p50_ms": _percentile(rests, 50),
        "rest_p99_ms": _percentile(rests, 99),
        "p50_ms": _percentile(gets, 50),
        "p99_ms": _percentile(gets, 99),
        "empty_call_p50_ms": _percentile(empty, 50),
        "empty_call_p99_ms": _percentile(empty, 99),
    }


async def _times(call: Callable[[], Awaitable[object]]) -> list[float]:
    """Milliseconds of each call."""
    times = []
    for _ in range(WARM_CALLS + CALLS):
        began = time.perf_counter()
        await call()
        times.append((time.perf_counter() - began) * 1000)
    return times[WARM_CALLS:]


def _rest_times(url: str, path: str) -> list[float]:
    """Milliseconds of each get on one kept connection, by a client that costs next to nothing itself."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"))
    times = []
    for _ in range(WARM_CALLS + CALLS):
        began = time.perf_counter()
        connection.request("GET", path)
        body = connection.getresponse().read()
        times.append((time.perf_counter() - began) * 1000)
    connection.close()
    assert json.loads(body)["status"] == "succeeded"
    return times[WARM_CALLS:]


def _percentile(times: list[float], percent: int) -> float:
    return statistics.quantiles(times, n=100)[percent - 1]
