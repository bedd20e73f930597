"""What is broken: each kind with the world it is broken in."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path

from bench.fault_world import World, job_processes, serving
from bench.stores import PostgresProcess, RedisProcess, SlowLine, small_disk

Strike = Callable[[World], Awaitable[None]]
Struck = tuple[World, Strike]
DOWN_SECONDS_MAX = 1.5
"""How long what was killed stays away, at most."""
FROZEN_SECONDS_MAX = 5.0
"""Several times what a lease lasts here, 1.5 s."""
STEP_SECONDS_MAX = 3_600.0
DISK_MB = 1_500


@asynccontextmanager
async def job_killed(folder: Path, seed: int) -> AsyncIterator[Struck]:
    """Kill -9 of a job's process, of one server on SQLite."""

    async def strike(world: World) -> None:
        for _ in range(100):
            jobs = job_processes(world.servers[0].pid)
            if jobs:
                with suppress(ProcessLookupError):
                    os.kill(world.chance.choice(jobs), signal.SIGKILL)
                return
            await asyncio.sleep(0.02)

    async with serving(folder, count=1, seed=seed) as world:
        yield world, strike


@asynccontextmanager
async def server_killed(folder: Path, seed: int) -> AsyncIterator[Struck]:
    """Kill -9 of the only server, on SQLite, and its start on the same data."""
    async with serving(folder, count=1, seed=seed) as world:
        yield world, _kill_one


@asynccontextmanager
async def one_of_two_killed(folder: Path, seed: int) -> AsyncIterator[Struck]:
    """Kill -9 of one of two servers on PostgreSQL and Redis, and its start."""
    async with _two_servers(folder, seed) as (world, _, _):
        yield world, _kill_one


@asynccontextmanager
async def one_of_two_frozen(folder: Path, seed: int) -> AsyncIterator[Struck]:
    """One of two servers stands still for longer than its leases last, its processes too, and goes on."""

    async def strike(world: World) -> None:
        server = world.chance.choice(world.servers)
        frozen = [server.pid, *job_processes(server.pid)]
        for pid in frozen:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(world.chance.uniform(1.0, FROZEN_SECONDS_MAX))
        for pid in reversed(frozen):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    async with _two_servers(folder, seed) as (world, _, _):
        yield world, strike


@asynccontextmanager
async def redis_killed(folder: Path, seed: int) -> AsyncIterator[Struck]:
    """Kill -9 of the Redis of two servers, and its start."""
    async with _two_servers(folder, seed) as (world, _, redis):

        async def strike(world: World) -> None:
            await asyncio.to_thread(redis.kill)
            await asyncio.sleep(world.chance.uniform(0.0, DOWN_SECONDS_MAX))
            await asyncio.to_thread(redis.start)

        yield world, strike


@asynccontextmanager
async def postgres_restarted(folder: Path, seed: int) -> AsyncIterator[Struck]:
    """PostgreSQL of two servers stopped, in order or as by a power cut, and started."""
    async with _two_servers(folder, seed) as (world, postgres, _):

        async def strike(world: World) -> None:
            await asyncio.to_thread(postgres.stop, world.chance.choice(["fast", "immediate"]))
            await asyncio.sleep(world.chance.uniform(0.0, DOWN_SECONDS_MAX))
            await asyncio.to_thread(postgres.start)

        yield world, strike


@asynccontextmanager
async def slow_database(folder: Path, seed: int) -> AsyncIterator[Struck]:
    """Everything between two servers and PostgreSQL is late for a while."""
    postgres = await asyncio.to_thread(PostgresProcess, folder)
    line = SlowLine(postgres.port)
    await line.start()

    async def strike(world: World) -> None:
        line.seconds = world.chance.uniform(0.02, 0.2)
        await asyncio.sleep(world.chance.uniform(0.5, 2.0))
        line.seconds = 0.0

    try:
        url = postgres.new_database().replace(f":{postgres.port}/", f":{line.port}/")
        async with serving(folder, count=2, seed=seed, STRATOPT_DATABASE_URL=url) as world:
            yield world, strike
    finally:
        line.stop()
        await asyncio.to_thread(postgres.stop, "immediate")


@asynccontextmanager
async def full_disk(folder: Path, seed: int) -> AsyncIterator[Struck]:
    """The disk of one server on SQLite is full for a while."""
    with small_disk(DISK_MB) as disk:

        async def strike(world: World) -> None:
            ballast = disk / "ballast"
            await asyncio.to_thread(_fill, ballast)
            await asyncio.sleep(world.chance.uniform(0.2, DOWN_SECONDS_MAX))
            ballast.unlink()

        async with serving(folder, count=1, seed=seed, STRATOPT_DATA_DIR=str(disk / "data")) as world:
            yield world, strike


@asynccontextmanager
async def clock_stepped(folder: Path, seed: int) -> AsyncIterator[Struck]:
    """The clock of one server on SQLite is set up to an hour ahead or back; sometimes it dies then, too."""
    told = folder / "clock"

    async def strike(world: World) -> None:
        told.write_text(str(world.chance.uniform(-STEP_SECONDS_MAX, STEP_SECONDS_MAX)), encoding="ascii")
        if world.chance.random() < 0.5:
            await _kill_one(world)

    os.environ["BENCH_CLOCK_FILE"] = str(told)
    async with serving(folder, count=1, seed=seed, module="bench.stepped_server") as world:
        yield world, strike


@asynccontextmanager
async def _two_servers(folder: Path, seed: int) -> AsyncIterator[tuple[World, PostgresProcess, RedisProcess]]:
    postgres = await asyncio.to_thread(PostgresProcess, folder)
    try:
        redis = await asyncio.to_thread(RedisProcess, folder)
        try:
            stores = {"STRATOPT_DATABASE_URL": postgres.new_database(), "STRATOPT_REDIS_URL": redis.url}
            async with serving(folder, count=2, seed=seed, **stores) as world:
                yield world, postgres, redis
        finally:
            redis.kill()
    finally:
        await asyncio.to_thread(postgres.stop, "immediate")


async def _kill_one(world: World) -> None:
    server = world.chance.choice(world.servers)
    await asyncio.to_thread(server.kill)
    await asyncio.sleep(world.chance.uniform(0.0, DOWN_SECONDS_MAX))
    await asyncio.to_thread(server.start)


def _fill(ballast: Path) -> None:
    """Take all the room that is left."""
    block = b"\0" * (1 << 20)
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            if file.write(block) < len(block):
                block = b"\0" * max(len(block) // 2, 512)


KINDS: dict[str, Callable[[Path, int], AbstractAsyncContextManager[Struck]]] = {
    kind.__name__: kind
    for kind in (
        job_killed,
        server_killed,
        one_of_two_killed,
        one_of_two_frozen,
        redis_killed,
        postgres_restarted,
        full_disk,
        clock_stepped,
        slow_database,
    )
}
