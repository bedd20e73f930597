"""Handing out again what subscribers missed, by its place in the order of publication."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from stratopt_server.domain.clock import Clock
from stratopt_server.domain.errors import NotFound, Violations
from stratopt_server.domain.packages import (
    PackageFilter,
    PackageStore,
    ParameterPackage,
    Place,
    Revocation,
    RevocationStore,
    Span,
)
from stratopt_server.domain.paging import Cursor, Page

REPLAYED_MAX = 500
"""Rows of one answer; who wants more asks again behind the last."""
LATEST_PAGE = 100

Row = TypeVar("Row", ParameterPackage, Revocation)


@dataclass(frozen=True, slots=True)
class Replay(Generic[Row]):
    """Rows at the places asked for, and the newest places there are."""

    rows: Sequence[Row]
    last: Place
    """The newest of the epoch asked for."""
    epochs: Sequence[Place]
    """The newest of every epoch, the present one last."""


class Replays:
    """Packages and revocations, by place."""

    def __init__(self, packages: PackageStore, revocations: RevocationStore, clock: Clock) -> None:
        self._packages = packages
        self._revocations = revocations
        self._clock = clock

    def packages(self, epoch: str, first: int, last: int) -> Replay[ParameterPackage]:
        """Return packages from `first` to `last`, 0 for the newest; raises RequestRefused or NotFound."""
        epochs = self._packages.last_places(now=self._clock.now())
        span, place = _span(epoch, first, last, epochs=epochs)
        return Replay(self._packages.replay(span, limit=REPLAYED_MAX), place, epochs)

    def revocations(self, epoch: str, first: int, last: int) -> Replay[Revocation]:
        """Return revocations likewise."""
        epochs = self._revocations.last_places(now=self._clock.now())
        span, place = _span(epoch, first, last, epochs=epochs)
        return Replay(self._revocations.replay(span, limit=REPLAYED_MAX), place, epochs)

    def latest(self, symbol: str, strategy_id: str | None) -> ParameterPackage:
        """Return the newest package that may trade the symbol now; raises RequestRefused or NotFound."""
        if not symbol:
            violations = Violations()
            violations.add("symbol", "REQUIRED", "name the symbol, as BASE/QUOTE")
            violations.refuse_if_any()
        now = self._clock.now()
        wanted = PackageFilter(symbol=symbol, strategy_id=strategy_id or None, revoked=False)
        after = None
        while rows := self._packages.page(Page(LATEST_PAGE, after), wanted):
            found = next((row for row in rows if row.valid_until > now), None)
            if found is not None:
                return found
            after = Cursor(rows[-1].created_at, rows[-1].id)
        raise NotFound("package", f"for {symbol}" + (f" of {strategy_id}" if strategy_id else ""))


def _span(epoch: str, first: int, last: int, *, epochs: Sequence[Place]) -> tuple[Span, Place]:
    """Return what is asked for, and the newest place of its epoch."""
    violations = Violations()
    for name, value in (("from_seq", first), ("to_seq", last)):
        if value < 0:
            violations.add(name, "OUT_OF_RANGE", f"at least 0, not {value}", value=value)
    if first >= 0 and 0 < last < first:
        violations.add("to_seq", "OUT_OF_RANGE", f"at least from_seq ({first}), not {last}", value=last)
    violations.refuse_if_any()
    place = next((place for place in reversed(epochs) if epoch in ("", place.epoch)), None)
    if place is None:
        raise NotFound("epoch", epoch)
    return Span(place.epoch, max(first, 1), last or None), place
