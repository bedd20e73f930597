"""What came in and could not be used: kept, counted, and said once a minute for each cause."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from stratopt_server.domain.clock import Clock, Ids
from stratopt_server.domain.opportunities import Cause, Channel, DeadLetter
from stratopt_server.domain.paging import Page
from stratopt_server.domain.ports import Storage
from stratopt_server.usecases.quiet import QuietLog

log = logging.getLogger(__name__)

BODY_BYTES_KEPT = 4_096
"""Of a message that could not be used."""
DETAIL_LENGTH_MAX = 500

Said = TypeVar("Said")


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why a message cannot be used."""

    cause: Cause
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming(Generic[Said]):
    """A message, and what it says."""

    channel: Channel
    topic: str
    body: bytes
    body_bytes: int
    said: Said | Unusable


class DeadLetters:
    """Keeps what could not be used, counts it, and says it once a minute for each cause."""

    def __init__(self, storage: Storage, clock: Clock, ids: Ids, *, kept_max: int) -> None:
        self._storage = storage
        self._clock = clock
        self._ids = ids
        self._kept_max = kept_max
        self._quiet = QuietLog(log)
        self.counts: Counter[str] = Counter()
        """Messages that came in, by what became of them."""

    def keep(self, messages: Sequence[tuple[Incoming[Any], Unusable]]) -> None:
        """Store them; use inside the transaction of what came with them."""
        now = self._clock.now()
        letters = [
            DeadLetter(
                id=self._ids.new("dl"),
                channel=message.channel,
                cause=why.cause,
                detail=why.detail[:DETAIL_LENGTH_MAX],
                topic=message.topic,
                body=message.body[:BODY_BYTES_KEPT],
                body_bytes=message.body_bytes,
                created_at=now,
            )
            for message, why in messages
        ]
        if not letters:
            return
        self._storage.dead_letters.add(letters, kept_max=self._kept_max)
        for letter in letters:
            self.counts[letter.cause.value.lower()] += 1
            kind = f"{letter.channel.value} {letter.cause.value}"
            self._quiet.warn(kind, f"{letter.detail} ({letter.id})", now=now)

    def page(self, page: Page, cause: Cause | None) -> list[DeadLetter]:
        """Return a page of them, newest first."""
        return self._storage.dead_letters.page(page, cause=cause)
