"""The parts of a server, and how each is."""

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
