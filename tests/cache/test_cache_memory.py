"""The cache in memory keeps every promise of the port, and stays small."""

import pytest
from cache_contract import CacheContract

from stratopt_server.cache.memory import ENTRIES_MAX, MemoryCache


@pytest.fixture
def cache() -> MemoryCache:
    """An empty cache."""
    return MemoryCache()


class TestMemory(CacheContract):
    """The cache of one server."""


async def test_it_stays_small() -> None:
    """Beyond so many values those that were used longest ago go."""
    cache = MemoryCache()
    for number in range(ENTRIES_MAX):
        await cache.put(str(number), b"v", seconds=60)
    assert await cache.get("0") == b"v"
    await cache.put("one more", b"v", seconds=60)
    assert await cache.get("0") == b"v"
    assert await cache.get("1") is None
    assert await cache.get("one more") == b"v"
