"""What is counted while the server works; the default counts nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from stratopt_server.domain.parts import Part

LOOK_SECONDS = 5.0
"""Pause between two looks into the database."""
STALE_SECONDS = 3 * LOOK_SECONDS
"""When nothing could be looked up for so long, the database hangs, whatever it said last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What is looked up from time to time, as it was last seen."""

    jobs: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Jobs in the database: of each kind how many have which status."""
    outbox_waiting: int = 0
    outbox_lag_seconds: float = 0.0
    """Age of the oldest package that is not yet handed to the socket; 0 if none waits."""
    parts: tuple[Part, ...] = ()
    looked_at: float | None = None
    """When all of it was last looked up, in seconds since 1970; None until it was."""


class Meters(Protocol):
    """Counts."""

    def call(self, method: str, code: str, seconds: float | None) -> None:
        """Note a call that has ended with that code; a stream's time says nothing and is None."""
        ...

    def queue_wait(self, kind: str, seconds: float) -> None:
        """Note how long a job waited for its first attempt."""
        ...

    def work(self, *, bars: int, trials: int) -> None:
        """Note what an attempt at a job got done."""
        ...

    def see(self, sight: Sight) -> None:
        """Show this from now on."""
        ...


class NoMeters:
    """Counts nothing: nobody would read it."""

    def call(self, method: str, code: str, seconds: float | None) -> None:
        """Forget it."""

    def queue_wait(self, kind: str, seconds: float) -> None:
        """Forget it."""

    def work(self, *, bars: int, trials: int) -> None:
        """Forget it."""

    def see(self, sight: Sight) -> None:
        """Forget it."""
