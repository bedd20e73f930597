"""Which rows of a list are wanted."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page begins: behind the row of this moment and id, newest first."""

    created_at: datetime
    id: str


@dataclass(frozen=True, slots=True)
class Page:
    """Which rows of a list are wanted."""

    limit: int
    after: Cursor | None = None
