"""A shared cache that may go away: meanwhile each server has one of its own, and nobody waits."""

import asyncio
import contextvars
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from stratopt_server.domain.cache import Cache, CacheLost
from stratopt_server.domain.parts import Part, PartStatus
from stratopt_server.tasks import end

log = logging.getLogger(__name__)

T = TypeVar("T")
HEAL_SECONDS = 1.0
"""Pause between two looks at a cache that was lost."""


class SteadyCache:
    """The shared cache while it answers, else one in memory; never raises CacheLost but from `listen`."""

    def __init__(self, shared: Cache, own: Cache) -> None:
        self._shared = shared
        self._own = own
        self._lost = False
        self._healer: asyncio.Task[None] | None = None
        self.counts: Counter[str] = Counter()
        """Looks for a value, by what came of them: hit, miss, error."""

    async def start(self) -> None:
        """Look whether the shared cache is there; go on without it if not."""
        try:
            await self._shared.ping()
        except CacheLost as error:
            self._lose(error)

    async def get(self, key: str) -> bytes | None:
        """Return what is kept under the key, or None."""
        found = await self._do(lambda cache: cache.get(key))
        self.counts["miss" if found is None else "hit"] += 1
        return found

    async def put(self, key: str, value: bytes, *, seconds: float) -> None:
        """Keep a value for so long."""
        await self._do(lambda cache: cache.put(key, value, seconds=seconds))

    async def take(self, name: str, owner: str, *, seconds: float) -> bool:
        """Take a lock for so long; of a lost cache each server has locks of its own."""
        return await self._do(lambda cache: cache.take(name, owner, seconds=seconds))

    async def give_back(self, name: str, owner: str) -> None:
        """Let go of a lock."""
        await self._do(lambda cache: cache.give_back(name, owner))

    async def count(self, key: str, *, seconds: float) -> int:
        """Add one to a count; of a lost cache each server counts alone."""
        return await self._do(lambda cache: cache.count(key, seconds=seconds))

    async def publish(self, channel: str, message: str) -> None:
        """Tell everyone who listens now."""
        await self._do(lambda cache: cache.publish(channel, message))

    async def listen(self, channel: str) -> AsyncIterator[str]:
        """Yield what other servers tell; raises CacheLost when the connection is lost."""
        async for message in self._shared.listen(channel):
            yield message

    async def ping(self) -> None:
        """Nothing keeps it from answering."""

    async def close(self) -> None:
        """Let go of both."""
        await end(self._healer)
        await self._shared.close()
        await self._own.close()

    def part(self) -> Part:
        """How it is."""
        if self._lost:
            return Part("cache", PartStatus.ILL, "Redis does not answer: slower, and local streams only")
        return Part("cache", PartStatus.OK)

    async def _do(self, call: Callable[[Cache], Awaitable[T]]) -> T:
        if not self._lost:
            try:
                return await call(self._shared)
            except CacheLost as error:
                self.counts["error"] += 1
                self._lose(error)
        return await call(self._own)

    def _lose(self, error: CacheLost) -> None:
        if not self._lost:
            self._lost = True
            log.warning("the cache was lost, going on without it: %s", error)
            # It outlives the call that lost it: what it logs is not about that.
            self._healer = asyncio.create_task(
                self._heal(), name="heal the cache", context=contextvars.Context()
            )

    async def _heal(self) -> None:
        while self._lost:
            await asyncio.sleep(HEAL_SECONDS)
            with suppress(CacheLost):
                await self._shared.ping()
                self._lost = False
        log.info("the cache is back")
