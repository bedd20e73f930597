"""Work that one server does for all of them, until it dies or is lost."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from stratopt_server.domain.clock import Clock
from stratopt_server.domain.errors import Unavailable
from stratopt_server.domain.ports import LeaseLost, Storage
from stratopt_server.usecases.lease_terms import LeaseTerm
from stratopt_server.usecases.runner import HEARTBEATS_A_LEASE
from stratopt_server.usecases.threads import StorageThread


def seconds_gone() -> float:
    """Count seconds, those of a machine that sleeps among them where the system tells."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Tenure:
    """One server's hold on a lease. Where a database is not shared, every hold is its own."""

    def __init__(
        self,
        name: str,
        storage: Storage,
        *,
        owner: str,
        thread: StorageThread,
        clock: Clock,
        lease_seconds: float,
        elapsed: Callable[[], float] = seconds_gone,
    ) -> None:
        """`owner` names this server."""
        self._name = name
        self._storage = storage
        self._owner = owner
        self._thread = thread
        self._clock = clock
        self._lease_seconds = lease_seconds
        self._elapsed = elapsed
        self._sure_until = float("-inf")

    @property
    def is_needed(self) -> bool:
        """Whether other servers may want the same."""
        return self._storage.is_shared

    async def win(self, detail: str, *, standby: Callable[[], None]) -> None:
        """Wait until the lease is this server's; `standby` is called while it is another's."""
        while self.is_needed and not await self._take(detail):
            standby()
            await asyncio.sleep(self._lease_seconds / HEARTBEATS_A_LEASE)

    async def keep(self, detail: str) -> None:
        """Prolong it for ever; raises LeaseLost when it is another's, or may be."""
        while True:
            await asyncio.sleep(self._lease_seconds / HEARTBEATS_A_LEASE)
            if self.is_needed:
                # A database that is away for a moment takes nothing from us while our time runs.
                with suppress(Unavailable):
                    if not await self._take(detail):
                        raise LeaseLost(self._name)
                self.check()

    def check(self) -> None:
        """Raise LeaseLost unless it is this server's for sure: a process may have slept."""
        if self.is_needed and self._elapsed() >= self._sure_until:
            raise LeaseLost(self._name)

    async def give_back(self) -> None:
        """Let another server have it at once."""
        if self.is_needed:
            with suppress(Unavailable):
                await self._thread.run(self._storage.leases.give_back, self._name, self._owner)
        self._sure_until = float("-inf")

    def holder(self) -> str:
        """Return what the holder says of itself; on the thread of the database."""
        return self._storage.leases.detail(self._name) if self.is_needed else ""

    async def _take(self, detail: str) -> bool:
        asked = self._elapsed()
        taken = await self._thread.run(self._take_now, detail)
        if taken:
            self._sure_until = asked + self._lease_seconds
        return taken

    def _take_now(self, detail: str) -> bool:
        term = LeaseTerm.begin(self._storage, self._clock, timedelta(seconds=self._lease_seconds))
        return self._storage.leases.take(
            self._name, self._owner, detail=detail, now=term.now, until=term.until, longest=term.longest
        )
