"""How long a lease is, by the clock that all servers of a database share."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from stratopt_server.domain.clock import Clock
from stratopt_server.domain.ports import Storage

LONGEST_LEASES = 3
"""A lease that ends later than so many from now was taken by a clock that was wrong."""


@dataclass(frozen=True, slots=True)
class LeaseTerm:
    """The moments that matter to a lease that is taken, renewed or looked at now."""

    now: datetime
    until: datetime
    """When it ends, if nobody prolongs it."""
    longest: datetime
    """No lease that is true ends later."""

    @classmethod
    def begin(cls, storage: Storage, clock: Clock, lease: timedelta) -> "LeaseTerm":
        """Begin one now; on the thread of the database, since the clock may be its."""
        now = storage.now(clock.now())
        return cls(now, now + lease, now + LONGEST_LEASES * lease)
