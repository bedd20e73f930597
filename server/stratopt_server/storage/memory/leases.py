"""Leases in memory."""

from datetime import datetime

from stratopt_server.storage.memory.tables import Memory, one_at_a_time


@one_at_a_time
class MemoryLeaseStore:
    """What one server does for all."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def take(
        self, name: str, owner: str, *, detail: str, now: datetime, until: datetime, longest: datetime
    ) -> bool:
        """Give the owner the lease if it is free, lapsed, its own, or ends later than any that is true."""
        held = self._memory.tables.named_leases.get(name)
        if held is not None and held[0] != owner and now <= held[2] <= longest:
            return False
        self._memory.tables.named_leases[name] = (owner, detail, until)
        return True

    def give_back(self, name: str, owner: str) -> None:
        """Let go of the lease; nothing happens if it is another's."""
        held = self._memory.tables.named_leases.get(name)
        if held is not None and held[0] == owner:
            del self._memory.tables.named_leases[name]

    def detail(self, name: str) -> str:
        """Return what the holder says of itself; empty if there is none."""
        held = self._memory.tables.named_leases.get(name)
        return "" if held is None else held[1]
