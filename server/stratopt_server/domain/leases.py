"""What one server of several does for all of them."""

from datetime import datetime
from typing import Protocol


class LeaseStore(Protocol):
    """Named leases, each of one owner at a time."""

    def take(
        self, name: str, owner: str, *, detail: str, now: datetime, until: datetime, longest: datetime
    ) -> bool:
        """Give the owner the lease until then if it is free, lapsed or its own; tell whether it is theirs.

        One that ends after `longest` was taken by a clock that was wrong, and counts as lapsed. `detail` is
        what the owner says of itself.
        """
        ...

    def give_back(self, name: str, owner: str) -> None:
        """Let go of the lease; nothing happens if it is another's."""
        ...

    def detail(self, name: str) -> str:
        """Return what the holder says of itself; empty if there is none."""
        ...
