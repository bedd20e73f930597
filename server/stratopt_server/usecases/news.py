"""News of jobs between the servers of one database, so that a Watch on any of them is woken at once."""

import asyncio
import logging
from contextlib import suppress

from stratopt_server.domain.cache import Cache, CacheLost
from stratopt_server.tasks import end
from stratopt_server.usecases.hub import Hub

log = logging.getLogger(__name__)

CHANNEL = "jobs"
WAITING_MAX = 10_000
"""Ids of jobs with news that were not sent yet; more of them are found by polling."""
SEND_SECONDS = 0.05
"""Pause between two messages: news of one job in it are one."""
RETRY_SECONDS = 1.0


class SharedNews:
    """Tells other servers which rows changed here, and this one's hub what changed there.

    What is lost is found by the polls of whoever watches: the news themselves are rows.
    """

    def __init__(self, cache: Cache, hub: Hub, *, owner: str) -> None:
        """`owner` names this server."""
        self._cache = cache
        self._hub = hub
        self._owner = owner
        self._changed: set[str] = set()
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        hub.follow(self._note, of_others=False)

    def start(self) -> None:
        """Begin to tell and to listen."""
        self._tasks = [
            asyncio.create_task(self._tell(), name="tell news"),
            asyncio.create_task(self._listen(), name="hear news"),
        ]

    async def stop(self) -> None:
        """End both."""
        for task in self._tasks:
            await end(task)

    def _note(self, changed_id: str) -> None:
        if len(self._changed) < WAITING_MAX:
            self._changed.add(changed_id)
            self._news.set()

    async def _tell(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            changed, self._changed = self._changed, set()
            await self._cache.publish(CHANNEL, " ".join([self._owner, *sorted(changed)]))
            await asyncio.sleep(SEND_SECONDS)

    async def _listen(self) -> None:
        while True:
            with suppress(CacheLost):
                async for message in self._cache.listen(CHANNEL):
                    owner, *changed = message.split()
                    if owner != self._owner:
                        for changed_id in changed:
                            self._hub.notify(changed_id, here=False)
            await asyncio.sleep(RETRY_SECONDS)
