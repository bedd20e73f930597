"""The cache in Redis keeps every promise of the port; while Redis is away nobody waits for it."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from bench.stores import RedisProcess, free_port
from cache_contract import CacheContract

from stores import own_redis_in, running_redis
from stratopt_server.cache.memory import MemoryCache
from stratopt_server.cache.redis import RedisCache
from stratopt_server.cache.steady import HEAL_SECONDS, SteadyCache
from stratopt_server.domain.cache import CacheLost
from stratopt_server.domain.parts import PartStatus
from support import eventually

LOST_SECONDS_MAX = 2.0
"""A call that finds Redis away may take its time-out, twice; those after it take none."""


@pytest.fixture
async def cache() -> AsyncIterator[RedisCache]:
    """A cache in the Redis that runs, under a prefix of the test's own."""
    opened = RedisCache(running_redis(), prefix=f"test:{secrets.token_hex(8)}:")
    yield opened
    await opened.close()


class TestRedis(CacheContract):
    """The cache of several servers."""


class TestSteady(CacheContract):
    """The same behind what goes on without it."""

    @pytest.fixture
    async def cache(self) -> AsyncIterator[SteadyCache]:
        """A steady cache over the Redis that runs."""
        shared = RedisCache(running_redis(), prefix=f"test:{secrets.token_hex(8)}:")
        opened = SteadyCache(shared, MemoryCache())
        await opened.start()
        yield opened
        await opened.close()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisProcess]:
    """A Redis that a test may kill."""
    process = own_redis_in(tmp_path)
    yield process
    process.kill()


async def test_prefixes_do_not_meet(cache: RedisCache) -> None:
    """Two installations on one Redis see nothing of each other."""
    other = RedisCache(running_redis(), prefix=f"test:{secrets.token_hex(8)}:")
    await cache.put("key", b"ours", seconds=60)
    assert await other.get("key") is None
    assert await other.take("lock", "b", seconds=60)
    assert await cache.take("lock", "a", seconds=60)
    await other.close()


async def test_nobody_there() -> None:
    """Without the steady one around it, every call says that the cache is lost."""
    cache = RedisCache(f"redis://127.0.0.1:{free_port()}/0", prefix="x:")
    with pytest.raises(CacheLost):
        await cache.get("key")
    with pytest.raises(CacheLost):
        await anext(cache.listen("channel"))
    await cache.close()


async def test_killed_and_back(own_redis: RedisProcess) -> None:
    """Killed, it is done without at once and says so; back, it is used again without being told."""
    cache = SteadyCache(RedisCache(own_redis.url, prefix="x:"), MemoryCache())
    await cache.start()
    await cache.put("key", b"shared", seconds=60)
    assert cache.part().status is PartStatus.OK
    own_redis.kill()
    began = time.monotonic()
    assert await cache.get("key") is None
    assert time.monotonic() - began < LOST_SECONDS_MAX
    assert (cache.part().status, cache.counts["error"]) == (PartStatus.ILL, 1)
    began = time.monotonic()
    for number in range(1_000):
        await cache.put(f"key {number}", b"own", seconds=60)
    assert time.monotonic() - began < LOST_SECONDS_MAX, "a lost cache is not asked"
    assert await cache.get("key 7") == b"own"
    own_redis.start()

    async def well() -> bool:
        return cache.part().status is PartStatus.OK

    await eventually(well, within=10 * HEAL_SECONDS, because="it is back")
    await cache.put("key", b"shared again", seconds=60)
    reader = RedisCache(own_redis.url, prefix="x:")
    assert await reader.get("key") == b"shared again"
    await reader.close()
    await cache.close()


async def test_frozen(own_redis: RedisProcess) -> None:
    """A Redis that holds its connections and does not answer is done without after a moment."""
    cache = SteadyCache(RedisCache(own_redis.url, prefix="x:"), MemoryCache())
    await cache.start()
    own_redis.freeze()
    began = time.monotonic()
    assert await cache.get("key") is None
    assert time.monotonic() - began < LOST_SECONDS_MAX
    own_redis.thaw()

    async def well() -> bool:
        return cache.part().status is PartStatus.OK

    await eventually(well, within=10 * HEAL_SECONDS, because="it answers again")
    await cache.close()


async def test_listener_is_told(own_redis: RedisProcess) -> None:
    """Who listens hears that the connection is lost, also if nothing was told on it."""
    cache = RedisCache(own_redis.url, prefix="x:")
    listening = asyncio.create_task(anext(cache.listen("channel")))
    await asyncio.sleep(0.2)
    own_redis.kill()
    with pytest.raises(CacheLost):
        await asyncio.wait_for(listening, 10)
    await cache.close()
