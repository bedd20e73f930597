"""Two servers on one PostgreSQL and Redis under 64 clients, and one server's memory over 10,000 jobs."""

import asyncio
import os
import random
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from statistics import quantiles
from typing import Any

import psutil

from bench.fault_world import EXCHANGE, SYMBOL
from bench.markets import random_walk, write
from bench.relay_traffic import PARAMS, STRATEGY, KilledServer
from bench.stores import PostgresProcess, RedisProcess
from stratopt_client import Client, StratoptError

CLIENTS, SECONDS = 64, 60.0
JOBS, AT_A_TIME, WARM_JOBS = 10_000, 16, 2_000
KINDS = ("start", "status", "list", "watch")
SHARES = (1, 6, 2, 1)
"""How often each kind of call is made, of ten."""
NEW_SHARE = 0.05
"""Of the backtests that are started, those that were never run before."""
SHORT: dict[str, Any] = {
    "param_ranges": {"fast_period": [2, 6]},
    "fixed_params": {"slow_period": 20, "signal_threshold": 0.0},
    "algorithm": "grid",
    "validation": "none",
}
"""A job of a few trials: what it costs is its process."""
QUIET = dict.fromkeys(("STRATOPT_LOG_LEVEL",), "ERROR")


class Caller:
    """One client that starts backtests and asks about them, as fast as it is answered."""

    def __init__(self, number: int, addresses: list[str]) -> None:
        self._chance = random.Random(number)  # noqa: S311 - it keeps no secret
        self._addresses = addresses
        self._ids: list[str] = []
        self.latencies: dict[str, list[float]] = {kind: [] for kind in KINDS}
        self.errors: Counter[str] = Counter()

    async def work(self, until: float) -> None:
        """Make calls until then, each on any server."""
        clients = [Client(address) for address in self._addresses]
        try:
            await self._timed("start", clients[0])
            while time.monotonic() < until:
                [kind] = self._chance.choices(KINDS, SHARES)
                await self._timed(kind, self._chance.choice(clients))
        finally:
            for client in clients:
                await client.close()

    async def _timed(self, kind: str, client: Client) -> None:
        began = time.perf_counter()
        try:
            await getattr(self, f"_{kind}")(client)
        except StratoptError as error:
            self.errors[f"{kind}: {error}"] += 1
        else:
            self.latencies[kind].append(time.perf_counter() - began)

    async def _start(self, client: Client) -> None:
        fast = self._chance.randint(2, 80) if self._chance.random() < NEW_SHARE else PARAMS["fast_period"]
        params = {**PARAMS, "fast_period": fast, "slow_period": 100}
        self._ids.append((await client.backtests.start(SYMBOL, STRATEGY, params=params)).id)

    async def _status(self, client: Client) -> None:
        await client.backtests.get(self._chance.choice(self._ids))

    async def _list(self, client: Client) -> None:
        await client.backtests.list().page(size=20)

    async def _watch(self, client: Client) -> None:
        """The snapshot of a job and, if it has ended, the end of the stream."""
        async for _ in client.backtests.handle(self._chance.choice(self._ids)).watch():
            return


async def mixed(addresses: list[str]) -> dict[str, Any]:
    """Let all clients call at once; tell what they saw."""
    callers = [Caller(number, addresses) for number in range(CLIENTS)]
    seconds = float(os.environ.get("LOAD_SECONDS", SECONDS))
    until = time.monotonic() + seconds
    await asyncio.gather(*(caller.work(until) for caller in callers))
    told: dict[str, Any] = {}
    every: list[float] = []
    for kind in KINDS:
        found = [latency for caller in callers for latency in caller.latencies[kind]]
        every += found
        told[kind] = _latencies(found)
    errors = sum((caller.errors for caller in callers), Counter[str]())
    return {
        "calls_per_second": round(len(every) / seconds),
        "all": _latencies(every),
        **told,
        "errors": errors.total(),
        "told": dict(errors.most_common(5)),
    }


def _latencies(seconds: list[float]) -> dict[str, float]:
    cuts = quantiles(seconds, n=100)
    return {"calls": len(seconds), "p50_ms": round(cuts[49] * 1e3, 1), "p99_ms": round(cuts[98] * 1e3, 1)}


async def many_jobs(server: KilledServer) -> dict[str, Any]:
    """Run many short searches, a few at a time; tell what the server holds early and late."""
    jobs = int(os.environ.get("LOAD_JOBS", JOBS))
    held: dict[int, float] = {}
    done = 0
    began = time.monotonic()
    async with Client(server.address) as client:

        async def runs(number: int) -> None:
            nonlocal done
            for _ in range(number, jobs, AT_A_TIME):
                started = await client.optimizations.start(SYMBOL, STRATEGY, **SHORT)
                await started.result(timeout=120)
                done += 1
                if done in {min(WARM_JOBS, jobs // 2), jobs}:
                    held[done] = _megabytes(server.pid)

        await asyncio.gather(*(runs(number) for number in range(AT_A_TIME)))
    (early, early_mb), (late, late_mb) = sorted(held.items())
    return {
        "jobs": jobs,
        "jobs_per_second": round(jobs / (time.monotonic() - began), 1),
        f"mb_after_{early}": round(early_mb, 1),
        f"mb_after_{late}": round(late_mb, 1),
        "growth_mb": round(late_mb - early_mb, 1),
    }


def _megabytes(pid: int) -> float:
    """What the server and its templates hold."""
    server = psutil.Process(pid)
    held = 0
    for process in (server, *server.children()):
        with suppress(psutil.NoSuchProcess):
            held += process.memory_info().rss
    return float(held) / (1 << 20)


async def _prepared(address: str, bars: Path) -> None:
    async with Client(address) as client:
        await client.market_data.import_file(bars, symbol=SYMBOL, exchange=EXCHANGE)
        await (await client.backtests.start(SYMBOL, STRATEGY, params=PARAMS)).result(timeout=120)


def run() -> dict[str, Any]:
    """Load two servers, then run many jobs on one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bars = write(folder / "bars.parquet", random_walk(1))
        postgres, redis = PostgresProcess(folder), RedisProcess(folder)
        stores = {"STRATOPT_DATABASE_URL": postgres.new_database(), "STRATOPT_REDIS_URL": redis.url}
        servers = [KilledServer(folder / "two", **QUIET, **stores) for _ in range(2)]
        alone = KilledServer(folder / "one", **QUIET)
        try:
            for server in servers:
                server.start()
            asyncio.run(_prepared(servers[0].address, bars))
            load = asyncio.run(mixed([server.address for server in servers]))
            for server in servers:
                server.stop()
            alone.start()
            asyncio.run(_prepared(alone.address, bars))
            memory = asyncio.run(many_jobs(alone))
        finally:
            for server in (*servers, alone):
                server.stop()
            redis.kill()
            postgres.stop("immediate")
    return {"name": "load", "clients": CLIENTS, **load, "memory": memory, "peak_mb": memory["growth_mb"]}
