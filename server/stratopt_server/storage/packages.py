"""Parameter packages and their revocations in a database, each in the order in which they go out."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import peewee

from stratopt_server.domain.errors import AlreadyExists
from stratopt_server.domain.metrics import Metrics
from stratopt_server.domain.packages import (
    PackageFilter,
    PackageReview,
    ParameterPackage,
    Place,
    Revocation,
    Span,
)
from stratopt_server.domain.paging import Page
from stratopt_server.storage.codec import from_json, to_json
from stratopt_server.storage.dialect import Database
from stratopt_server.storage.models import EpochRow, OutboxRow, ParameterPackageRow, RevocationRow, bound
from stratopt_server.storage.stores import newest_first

Reviews = tuple[PackageReview, ...]

LATER = timedelta(microseconds=1)
"""Keeps epochs in order where a clock does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageDocument:
    """What the outbox keeps of a package beside its bytes and the documented columns."""

    decision_id: str
    exchange: str
    timeframe: str
    key_id: str
    valid_until: datetime


class Epochs:
    """The lives of this database: restoring a backup begins a new one, and what is older changes no more."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._epochs = bound(EpochRow, database)

    def name(self, now: datetime) -> str:
        """Return the name of the present one; the first is made at the first call there ever is."""
        with self._database.atomic():
            names = self._names()
            if not names:
                self._database.be_alone()
                names = self._names()
            return names[-1] if names else self._make(now)

    def begin(self, now: datetime) -> str:
        """Begin another one, behind all there were, and return its name."""
        newest = self._epochs.select().order_by(self._epochs.created_at.desc()).first()
        return self._make(now if newest is None else max(now, newest.created_at + LATER))

    def last_of_each(self, rows: Any, now: datetime) -> list[Place]:
        """Return the newest place of an order in each epoch, the present one last."""
        present = self.name(now)
        newest: Any = rows.select(rows.epoch, peewee.fn.MAX(rows.seq)).group_by(rows.epoch)
        found = dict(newest.tuples())
        return [Place(name, found.get(name, 0)) for name in self._names() or [present]]

    def in_order(self, query: Any, rows: Any) -> Any:
        """Order rows by their places: the clocks of several servers do not agree, places do."""
        epochs = self._epochs
        began = epochs.select(epochs.created_at).where(epochs.epoch == rows.epoch)
        return query.order_by(began, rows.epoch, rows.seq)

    def _names(self) -> list[str]:
        return [row.epoch for row in self._in_order()]

    def _in_order(self) -> Any:
        return self._epochs.select().order_by(self._epochs.created_at, self._epochs.epoch)

    def _make(self, now: datetime) -> str:
        name = secrets.token_hex(8)
        self._epochs.create(epoch=name, created_at=now)
        return name

    def next(self, rows: Any, now: datetime) -> Place:
        """Return the place behind the newest of an order."""
        last = self.last(rows, now)
        return Place(last.epoch, last.seq + 1)

    def last(self, rows: Any, now: datetime) -> Place:
        """Return the newest place of an order; seq 0 if it has none."""
        name = self.name(now)
        return Place(name, rows.select(peewee.fn.MAX(rows.seq)).where(rows.epoch == name).scalar() or 0)


class SqlPackageStore:
    """Parameter packages, and the order in which they go out."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._packages = bound(ParameterPackageRow, database)
        self._outbox = bound(OutboxRow, database)
        self._revocations = bound(RevocationRow, database)
        self._epochs = Epochs(database)

    def next_place(self, *, now: datetime) -> Place:
        """Return the place of the next package; use inside the transaction that adds it."""
        return self._epochs.next(self._outbox, now)

    def last_place(self, *, now: datetime) -> Place:
        """Return the place of the newest package; seq 0 if there is none."""
        return self._epochs.last(self._outbox, now)

    def last_places(self, *, now: datetime) -> list[Place]:
        """Return the newest place of every epoch, the present one last."""
        return self._epochs.last_of_each(self._outbox, now)

    def add(self, package: ParameterPackage) -> None:
        """Store a draft, or an approved one at its place, in place of its draft if there is one."""
        document = PackageDocument(
            decision_id=package.decision_id,
            exchange=package.exchange,
            timeframe=package.timeframe,
            key_id=package.key_id,
            valid_until=package.valid_until,
        )
        rows = self._packages
        with self._database.atomic():
            rows.insert(
                id=package.id,
                backtest_id=package.backtest_id,
                symbol=package.symbol,
                strategy_id=package.strategy_id,
                params=package.params,
                metrics=to_json(Metrics, package.metrics),
                approved=package.approved,
                draft=None if package.approved else to_json(PackageDocument, document),
                created_at=package.created_at,
            ).on_conflict(
                conflict_target=[rows.id], preserve=[rows.approved, rows.draft, rows.created_at]
            ).execute()
            if not package.approved:
                return
            self._outbox.insert(
                epoch=package.epoch,
                seq=package.seq,
                package_id=package.id,
                document=to_json(PackageDocument, document),
                signed_payload=package.signed_payload,
                signature=package.signature,
                created_at=package.created_at,
            ).execute()

    def get(self, package_id: str) -> ParameterPackage | None:
        """Return it, or None if there is none of that id."""
        found = _packages(self._joined().where(self._packages.id == package_id))
        return found[0] if found else None

    def page(self, page: Page, wanted: PackageFilter) -> list[ParameterPackage]:
        """Return a page of the packages that match, newest first."""
        query = self._joined()
        for name in ("strategy_id", "symbol", "approved"):
            value = getattr(wanted, name)
            if value is not None:
                query = query.where(getattr(self._packages, name) == value)
        if wanted.revoked is not None:
            query = query.where(self._revocations.seq.is_null(not wanted.revoked))
        return _packages(newest_first(query, self._packages, page))

    def unpublished(self, limit: int) -> list[ParameterPackage]:
        """Return the packages not handed to the socket yet, in order of their places."""
        rows = self._outbox
        waiting = self._packages.approved & rows.published_at.is_null()
        query = self._joined().where(waiting)
        return _packages(self._epochs.in_order(query, rows).limit(limit))

    def count_unpublished(self) -> int:
        """Count the packages not handed to the socket yet."""
        rows = self._outbox
        count: int = rows.select().where(rows.published_at.is_null()).count()
        return count

    def oldest_unpublished(self) -> datetime | None:
        """Return when the oldest package not handed to the socket yet was made; None if none waits."""
        rows = self._outbox
        waiting: Any = rows.select(rows.created_at).where(rows.published_at.is_null())
        row = waiting.order_by(rows.created_at).first()
        return None if row is None else row.created_at

    def mark_published(self, package_ids: Sequence[str], *, now: datetime) -> None:
        """Note that packages were handed to the socket."""
        ids = list(package_ids)
        with self._database.atomic():
            rows = self._outbox
            rows.update(published_at=now).where(rows.package_id.in_(ids)).execute()
            self._packages.update(published_at=now).where(self._packages.id.in_(ids)).execute()

    def replay(self, span: Span, *, limit: int) -> list[ParameterPackage]:
        """Return up to `limit` packages at these places, in order, published or not."""
        rows = self._outbox
        return _packages(_between(self._joined(), rows, span).order_by(rows.seq).limit(limit))

    def add_review(self, package_id: str, review: PackageReview) -> None:
        """Note what a review desk said of an approved package."""
        rows = self._packages
        with self._database.atomic():
            row = rows.get(rows.id == package_id)
            reviews = [*(row.reviews or []), to_json(PackageReview, review)]
            rows.update(reviews=reviews).where(rows.id == package_id).execute()

    def _joined(self) -> Any:
        """Packages with their places and their revocations, where they have them."""
        packages, outbox, revocations = self._packages, self._outbox, self._revocations
        columns = (packages, outbox, revocations)
        query: Any = packages.select(*columns)
        query = query.join(
            outbox, peewee.JOIN.LEFT_OUTER, on=(outbox.package_id == packages.id), attr="outbox"
        )
        return query.switch(packages).join(
            revocations, peewee.JOIN.LEFT_OUTER, on=(revocations.package_id == packages.id), attr="revocation"
        )


class SqlRevocationStore:
    """Revocations, and the order in which they go out."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows = bound(RevocationRow, database)
        self._epochs = Epochs(database)

    def next_place(self, *, now: datetime) -> Place:
        """Return the place of the next one; use inside the transaction that adds it."""
        return self._epochs.next(self._rows, now)

    def last_place(self, *, now: datetime) -> Place:
        """Return the place of the newest; seq 0 if there is none."""
        return self._epochs.last(self._rows, now)

    def last_places(self, *, now: datetime) -> list[Place]:
        """Return the newest place of every epoch, the present one last."""
        return self._epochs.last_of_each(self._rows, now)

    def add(self, revocation: Revocation) -> None:
        """Store it; raises AlreadyExists if the package is revoked."""
        rows = self._rows
        with self._database.atomic():
            if rows.get_or_none(rows.package_id == revocation.package_id) is not None:
                raise AlreadyExists("revocation", revocation.package_id)
            rows.insert(
                epoch=revocation.place.epoch,
                seq=revocation.place.seq,
                package_id=revocation.package_id,
                reason=revocation.reason,
                revoked_by=revocation.revoked_by,
                signed_payload=revocation.signed_payload,
                signature=revocation.signature,
                key_id=revocation.key_id,
                created_at=revocation.created_at,
            ).execute()

    def unpublished(self, limit: int) -> list[Revocation]:
        """Return those not handed to the socket yet, in order of their places."""
        rows = self._rows
        waiting = rows.select().where(rows.published_at.is_null())
        return [_revocation(row) for row in self._epochs.in_order(waiting, rows).limit(limit)]

    def mark_published(self, package_ids: Sequence[str], *, now: datetime) -> None:
        """Note that the revocations of these packages were handed to the socket."""
        rows = self._rows
        rows.update(published_at=now).where(rows.package_id.in_(list(package_ids))).execute()

    def replay(self, span: Span, *, limit: int) -> list[Revocation]:
        """Return up to `limit` of them at these places, in order, published or not."""
        rows = self._rows
        query = _between(rows.select(), rows, span).order_by(rows.seq).limit(limit)
        return [_revocation(row) for row in query]


def _between(query: Any, rows: Any, span: Span) -> Any:
    query = query.where((rows.epoch == span.epoch) & (rows.seq >= span.first))
    return query if span.last is None else query.where(rows.seq <= span.last)


def _packages(query: Any) -> list[ParameterPackage]:
    return [_package(row) for row in query]


def _package(row: Any) -> ParameterPackage:
    place = getattr(row, "outbox", None)
    revocation = getattr(row, "revocation", None)
    document = from_json(PackageDocument, row.draft if place is None else place.document)
    return ParameterPackage(
        id=row.id,
        decision_id=document.decision_id,
        backtest_id=row.backtest_id,
        strategy_id=row.strategy_id,
        symbol=row.symbol,
        exchange=document.exchange,
        timeframe=document.timeframe,
        params=row.params,
        metrics=from_json(Metrics, row.metrics),
        epoch="" if place is None else place.epoch,
        seq=0 if place is None else place.seq,
        signed_payload=b"" if place is None else bytes(place.signed_payload),
        signature=b"" if place is None else bytes(place.signature),
        key_id=document.key_id,
        valid_until=document.valid_until,
        created_at=row.created_at,
        published_at=row.published_at,
        approved=row.approved,
        reviews=from_json(Reviews, row.reviews or ()),
        revocation=None if revocation is None else _revocation(revocation),
    )


def _revocation(row: Any) -> Revocation:
    return Revocation(
        package_id=row.package_id,
        place=Place(row.epoch, row.seq),
        reason=row.reason,
        revoked_by=row.revoked_by,
        signed_payload=bytes(row.signed_payload),
        signature=bytes(row.signature),
        key_id=row.key_id,
        created_at=row.created_at,
    )
