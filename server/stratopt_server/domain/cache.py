"""What servers may forget: answers kept for a while, short locks, counts and news."""

from collections.abc import AsyncIterator
from typing import Protocol


class Cache(Protocol):
    """A store that may lose everything at any moment; nothing that must be true may stand in it alone."""

    async def get(self, key: str) -> bytes | None:
        """Return what is kept under the key, or None."""
        ...

    async def put(self, key: str, value: bytes, *, seconds: float) -> None:
        """Keep a value for so long."""
        ...

    async def take(self, name: str, owner: str, *, seconds: float) -> bool:
        """Take a lock for so long; False while another owner has it. Taken again, it lasts from now on."""
        ...

    async def give_back(self, name: str, owner: str) -> None:
        """Let go of a lock; nothing happens if it is another's, or nobody's."""
        ...

    async def count(self, key: str, *, seconds: float) -> int:
        """Add one to a count that begins anew so long after its first; return what it is then."""
        ...

    async def publish(self, channel: str, message: str) -> None:
        """Tell everyone who listens now, on any server."""
        ...

    def listen(self, channel: str) -> AsyncIterator[str]:
        """Yield what is told from now on; ends or raises when the connection is lost."""
        ...

    async def ping(self) -> None:
        """Raise whatever keeps it from answering."""
        ...

    async def close(self) -> None:
        """Let go of it."""
        ...


class CacheLost(Exception):
    """The cache does not answer."""
