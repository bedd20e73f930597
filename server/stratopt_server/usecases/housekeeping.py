"""Removes what nobody needs any more, from one server at a time."""

import asyncio
import logging
from datetime import timedelta

from stratopt_server.domain.cache import Cache
from stratopt_server.domain.clock import Clock
from stratopt_server.domain.ports import Storage
from stratopt_server.tasks import end
from stratopt_server.usecases.going_on import going_on
from stratopt_server.usecases.threads import StorageThread

log = logging.getLogger(__name__)

ROUND_SECONDS = 600.0
"""Pause between two rounds."""
LOCK = "housekeeping"
REMOVED_MAX = 10_000
"""Rows removed at a time, so that nobody waits long for the database."""


class Housekeeping:
    """Forgets answered calls whose time is over."""

    def __init__(
        self,
        storage: Storage,
        cache: Cache,
        *,
        thread: StorageThread,
        clock: Clock,
        owner: str,
        kept: timedelta,
    ) -> None:
        """`kept` is how long an answered call is remembered."""
        self._storage = storage
        self._cache = cache
        self._thread = thread
        self._clock = clock
        self._owner = owner
        self._kept = kept
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._keep_house(), name="housekeeping")

    async def stop(self) -> None:
        """End."""
        await end(self._task)

    async def round(self) -> int:
        """Make one round, unless another server has just made it; return how many rows went."""
        if not await self._cache.take(LOCK, self._owner, seconds=ROUND_SECONDS / 2):
            return 0
        removed, before = 0, self._clock.now() - self._kept
        while gone := await self._thread.run(self._storage.requests.forget, before=before, limit=REMOVED_MAX):
            removed += gone
        if removed:
            log.info("housekeeping: %d answered calls are forgotten", removed)
        return removed

    async def _keep_house(self) -> None:
        while True:
            with going_on(log, "housekeeping was not done"):
                await self.round()
            await asyncio.sleep(ROUND_SECONDS)
