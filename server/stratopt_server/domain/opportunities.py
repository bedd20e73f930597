"""What scanners send, and what came in that could not be used."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Protocol

from stratopt_server.domain.paging import Page


@dataclass(frozen=True, slots=True, kw_only=True)
class Opportunity:
    """A symbol that a scanner thinks worth a search."""

    symbol: str
    """`BASE/QUOTE`, as a dataset has it; before that is known, as the scanner wrote it."""
    kind: str
    """Its strategy_type, or else its opportunity_type, in lower case."""
    confidence: float | None
    signal_type: str
    observed_at: datetime
    source: str
    correlation_id: str
    document: dict[str, Any]
    """The opportunity as it came; fields that nobody here knows are kept."""


class Channel(Enum):
    """Who a message came from."""

    SCANNER = "scanner"
    REVIEW = "review"


class Cause(Enum):
    """Why a message could not be used."""

    BAD_FRAMES = "BAD_FRAMES"
    OVERSIZE = "OVERSIZE"
    BAD_JSON = "BAD_JSON"
    BAD_FIELD = "BAD_FIELD"
    NO_SYMBOL = "NO_SYMBOL"
    UNKNOWN_SYMBOL = "UNKNOWN_SYMBOL"
    STALE = "STALE"
    NO_ROUTE = "NO_ROUTE"
    NO_PACKAGE = "NO_PACKAGE"
    REFUSED = "REFUSED"
    """The word of a review desk that the package does not allow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message that could not be used."""

    id: str
    channel: Channel
    cause: Cause
    detail: str
    topic: str
    body: bytes
    """Of a long one its beginning."""
    body_bytes: int
    created_at: datetime


class DeadLetterStore(Protocol):
    """The newest messages that could not be used."""

    def add(self, letters: Sequence[DeadLetter], *, kept_max: int) -> None:
        """Store them, in order; of all that are stored only the newest `kept_max` stay."""
        ...

    def page(self, page: Page, *, cause: Cause | None = None) -> list[DeadLetter]:
        """Return a page of them, newest first."""
        ...
