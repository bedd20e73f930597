"""The cache of one server, in its memory."""

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable
from typing import Generic, TypeVar

T = TypeVar("T")
ENTRIES_MAX = 10_000
"""Values, locks and counts of each kind; the ones used longest ago go first."""


class Fading(Generic[T]):
    """Values that each have an end, the newest of them."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._values: OrderedDict[str, tuple[T, float]] = OrderedDict()

    def get(self, key: str) -> T | None:
        """Return a value whose end has not come, or None."""
        held = self._values.get(key)
        if held is None or held[1] <= self._now():
            self._values.pop(key, None)
            return None
        self._values.move_to_end(key)
        return held[0]

    def put(self, key: str, value: T, *, seconds: float | None) -> None:
        """Hold a value for so long; with None for as long as the one in its place."""
        end = self._values[key][1] if seconds is None else self._now() + seconds
        self._values[key] = (value, end)
        self._values.move_to_end(key)
        if len(self._values) > ENTRIES_MAX:
            self._values.popitem(last=False)

    def drop(self, key: str) -> None:
        """Hold it no longer."""
        self._values.pop(key, None)


class MemoryCache:
    """Keeps every promise of the port, for one process."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """`now` counts seconds."""
        self._values: Fading[bytes] = Fading(now)
        self._locks: Fading[str] = Fading(now)
        self._counts: Fading[int] = Fading(now)
        self._listeners: dict[str, set[asyncio.Queue[str]]] = {}
        self.counts: Counter[str] = Counter()
        """Looks for a value, by what came of them: hit, miss."""

    async def get(self, key: str) -> bytes | None:
        """Return what is kept under the key, or None."""
        found = self._values.get(key)
        self.counts["miss" if found is None else "hit"] += 1
        return found

    async def put(self, key: str, value: bytes, *, seconds: float) -> None:
        """Keep a value for so long."""
        self._values.put(key, value, seconds=seconds)

    async def take(self, name: str, owner: str, *, seconds: float) -> bool:
        """Take a lock for so long; False while another owner has it."""
        if self._locks.get(name) not in (None, owner):
            return False
        self._locks.put(name, owner, seconds=seconds)
        return True

    async def give_back(self, name: str, owner: str) -> None:
        """Let go of a lock; nothing happens if it is another's, or nobody's."""
        if self._locks.get(name) == owner:
            self._locks.drop(name)

    async def count(self, key: str, *, seconds: float) -> int:
        """Add one to a count that begins anew so long after its first; return what it is then."""
        before = self._counts.get(key)
        counted = (before or 0) + 1
        self._counts.put(key, counted, seconds=seconds if before is None else None)
        return counted

    async def publish(self, channel: str, message: str) -> None:
        """Tell everyone who listens now."""
        for queue in self._listeners.get(channel, ()):
            queue.put_nowait(message)

    async def listen(self, channel: str) -> AsyncIterator[str]:
        """Yield what is told from now on."""
        queue: asyncio.Queue[str] = asyncio.Queue()
        self._listeners.setdefault(channel, set()).add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._listeners[channel].discard(queue)

    async def ping(self) -> None:
        """It lives."""

    async def close(self) -> None:
        """Nothing to let go of."""
