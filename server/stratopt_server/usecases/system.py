"""How the server is."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from stratopt_server.domain.clock import Clock
from stratopt_server.domain.counts import Counts
from stratopt_server.domain.errors import Unavailable
from stratopt_server.domain.parts import Part, PartStatus
from stratopt_server.domain.ports import Storage

NO_COUNTS = Counts(
    backtests={},
    optimizations={},
    decisions={},
    strategies=0,
    datasets=0,
    trials=0,
    packages_unpublished=0,
    pipelines={},
)
"""Told while the database is away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerMetrics:
    """Counts and gauges."""

    uptime_seconds: float
    jobs_running: int
    jobs_running_max: int
    counts: Counts
    """Of the database; without it there are none."""
    messages_in: dict[str, int]
    """Over ZeroMQ, since the server began, by what became of them."""
    messages_out: dict[str, int]
    """Likewise, by topic, and answers by status."""
    parts: list[Part]


class Traffic(Protocol):
    """What the relay counts."""

    def messages_in(self) -> dict[str, int]:
        """Count what came in."""
        ...

    def messages_out(self) -> dict[str, int]:
        """Count what went out."""
        ...


class System:
    """Knows how every part is, by asking it."""

    def __init__(
        self,
        storage: Storage,
        clock: Clock,
        *,
        parts: Callable[[], list[Part]],
        traffic: Callable[[], Traffic],
        jobs_running: Callable[[], int],
        jobs_running_max: int,
    ) -> None:
        """`parts` tells of everything but the database, which is asked here."""
        self._storage = storage
        self._clock = clock
        self._parts = parts
        self._traffic = traffic
        self._jobs_running = jobs_running
        self._jobs_running_max = jobs_running_max
        self.started_at: datetime = clock.now()

    def metrics(self) -> ServerMetrics:
        """Count; where the database is away the rest is told all the same."""
        database, counts = self._database(), NO_COUNTS
        if database.status is PartStatus.OK:
            try:
                counts = self._storage.counts()
            except Unavailable as error:
                database = _ill(error)
        return ServerMetrics(
            uptime_seconds=(self._clock.now() - self.started_at).total_seconds(),
            jobs_running=self._jobs_running(),
            jobs_running_max=self._jobs_running_max,
            counts=counts,
            messages_in=self._traffic().messages_in(),
            messages_out=self._traffic().messages_out(),
            parts=[database, *self._parts()],
        )

    def parts(self) -> list[Part]:
        """Ask every part how it is."""
        return [self._database(), *self._parts()]

    def _database(self) -> Part:
        try:
            self._storage.ping()
        except Exception as error:  # noqa: BLE001 - whatever it is, the database is ill
            return _ill(error)
        return Part("database", PartStatus.OK)


def _ill(error: Exception) -> Part:
    return Part("database", PartStatus.ILL, str(error))
