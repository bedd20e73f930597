"""Parameter packages and their revocations in memory."""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from stratopt_server.domain.errors import AlreadyExists
from stratopt_server.domain.packages import (
    PackageFilter,
    PackageReview,
    ParameterPackage,
    Place,
    Revocation,
    Span,
)
from stratopt_server.domain.paging import Page
from stratopt_server.storage.memory.tables import Memory, QueuedRevocation, cut, one_at_a_time

EPOCH = "memory"


@one_at_a_time
class MemoryPackageStore:
    """Parameter packages, and the order in which they go out."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def next_place(self, *, now: datetime) -> Place:
        """Return the place of the next package."""
        last = self.last_place(now=now)
        return Place(last.epoch, last.seq + 1)

    def last_place(self, *, now: datetime) -> Place:  # noqa: ARG002 - the port's
        """Return the place of the newest package; seq 0 if there is none."""
        return Place(EPOCH, sum(package.approved for package in self._memory.tables.packages.values()))

    def last_places(self, *, now: datetime) -> list[Place]:
        """Return the newest place of the one epoch there is."""
        return [self.last_place(now=now)]

    def add(self, package: ParameterPackage) -> None:
        """Store a draft, or an approved one at its place, in place of its draft if there is one."""
        with self._memory.transaction():
            self._memory.tables.packages[package.id] = copy.deepcopy(package)

    def get(self, package_id: str) -> ParameterPackage | None:
        """Return it, or None if there is none of that id."""
        row = self._memory.tables.packages.get(package_id)
        return None if row is None else copy.deepcopy(self._whole(row))

    def page(self, page: Page, wanted: PackageFilter) -> list[ParameterPackage]:
        """Return a page of the packages that match, newest first."""
        revoked = self._memory.tables.revocations
        rows = [
            self._whole(row)
            for row in self._memory.tables.packages.values()
            if wanted.strategy_id in (None, row.strategy_id)
            and wanted.symbol in (None, row.symbol)
            and wanted.approved in (None, row.approved)
            and wanted.revoked in (None, row.id in revoked)
        ]
        return cut(rows, page)

    def unpublished(self, limit: int) -> list[ParameterPackage]:
        """Return the packages not handed to the socket yet, in order of their places."""
        return [row for row in self._in_order() if row.published_at is None][:limit]

    def count_unpublished(self) -> int:
        """Count the packages not handed to the socket yet."""
        return sum(row.published_at is None for row in self._in_order())

    def oldest_unpublished(self) -> datetime | None:
        """Return when the oldest package not handed to the socket yet was made; None if none waits."""
        return min((row.created_at for row in self._in_order() if row.published_at is None), default=None)

    def mark_published(self, package_ids: Sequence[str], *, now: datetime) -> None:
        """Note that packages were handed to the socket."""
        with self._memory.transaction():
            packages = self._memory.tables.packages
            for package_id in package_ids:
                packages[package_id] = replace(packages[package_id], published_at=now)

    def replay(self, span: Span, *, limit: int) -> list[ParameterPackage]:
        """Return up to `limit` packages at these places, in order, published or not."""
        return [row for row in self._in_order() if _within(Place(row.epoch, row.seq), span)][:limit]

    def add_review(self, package_id: str, review: PackageReview) -> None:
        """Note what a review desk said of an approved package."""
        with self._memory.transaction():
            packages = self._memory.tables.packages
            row = packages[package_id]
            packages[package_id] = replace(row, reviews=(*row.reviews, review))

    def _in_order(self) -> list[ParameterPackage]:
        rows = [self._whole(row) for row in self._memory.tables.packages.values() if row.approved]
        return copy.deepcopy(sorted(rows, key=lambda row: row.seq))

    def _whole(self, row: ParameterPackage) -> ParameterPackage:
        revoked = self._memory.tables.revocations.get(row.id)
        return row if revoked is None else replace(row, revocation=revoked.revocation)


@one_at_a_time
class MemoryRevocationStore:
    """Revocations, and the order in which they go out."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def next_place(self, *, now: datetime) -> Place:
        """Return the place of the next one."""
        last = self.last_place(now=now)
        return Place(last.epoch, last.seq + 1)

    def last_place(self, *, now: datetime) -> Place:  # noqa: ARG002 - the port's
        """Return the place of the newest; seq 0 if there is none."""
        return Place(EPOCH, len(self._memory.tables.revocations))

    def last_places(self, *, now: datetime) -> list[Place]:
        """Return the newest place of the one epoch there is."""
        return [self.last_place(now=now)]

    def add(self, revocation: Revocation) -> None:
        """Store it; raises AlreadyExists if the package is revoked."""
        with self._memory.transaction():
            revocations = self._memory.tables.revocations
            if revocation.package_id in revocations:
                raise AlreadyExists("revocation", revocation.package_id)
            revocations[revocation.package_id] = QueuedRevocation(revocation)

    def unpublished(self, limit: int) -> list[Revocation]:
        """Return those not handed to the socket yet, in order of their places."""
        rows = self._memory.tables.revocations.values()
        return _in_order(row.revocation for row in rows if row.published_at is None)[:limit]

    def mark_published(self, package_ids: Sequence[str], *, now: datetime) -> None:
        """Note that the revocations of these packages were handed to the socket."""
        with self._memory.transaction():
            revocations = self._memory.tables.revocations
            for package_id in package_ids:
                revocations[package_id] = replace(revocations[package_id], published_at=now)

    def replay(self, span: Span, *, limit: int) -> list[Revocation]:
        """Return up to `limit` of them at these places, in order, published or not."""
        rows = _in_order(row.revocation for row in self._memory.tables.revocations.values())
        return [row for row in rows if _within(row.place, span)][:limit]


def _in_order(rows: Iterable[Revocation]) -> list[Revocation]:
    return sorted(rows, key=lambda row: row.place.seq)


def _within(place: Place, span: Span) -> bool:
    return (
        place.epoch == span.epoch
        and place.seq >= span.first
        and (span.last is None or place.seq <= span.last)
    )
