"""The parts of a server, how each is, and how the whole is by them."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class PartStatus(Enum):
    """How a part of the server is."""

    OK = "ok"
    IDLE = "idle"
    ILL = "ill"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the server."""

    name: str
    status: PartStatus
    detail: str = ""


class Health(Enum):
    """How the server is as a whole."""

    OK = "ok"
    DEGRADED = "degraded"
    ILL = "ill"


NEIGHBOURS = frozenset({"scanner", "review"})
"""Parts that are ill when a neighbour is away: no illness of ours."""
DISPENSABLE = frozenset({"cache"})
"""Parts without which everything still works, slower."""


def health_of(parts: Iterable[Part], *, draining: bool) -> Health:
    """Judge the whole; a server on its way out is ill."""
    ill = {part.name for part in parts if part.status is PartStatus.ILL} - NEIGHBOURS
    if draining or ill - DISPENSABLE:
        return Health.ILL
    return Health.DEGRADED if ill else Health.OK
