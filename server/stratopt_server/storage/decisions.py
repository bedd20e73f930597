"""Decisions and parameter packages in a database."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import peewee

from stratopt_server.domain.decisions import Decision, ParameterPackage, Place
from stratopt_server.domain.metrics import Metrics
from stratopt_server.domain.ports import DecisionFilter, PackageFilter, Page
from stratopt_server.storage.codec import from_json, to_json
from stratopt_server.storage.models import DecisionRow, EpochRow, OutboxRow, ParameterPackageRow, bound
from stratopt_server.storage.stores import newest_first


class SqlDecisionStore:
    """Decisions by id."""

    def __init__(self, database: peewee.Database) -> None:
        self._rows = bound(DecisionRow, database)

    def put(self, decision: Decision) -> None:
        """Store it, in place of one of the same id."""
        rows = self._rows
        rows.insert(
            id=decision.id,
            backtest_id=decision.backtest_id,
            strategy_id=decision.strategy_id,
            symbol=decision.symbol,
            outcome=decision.outcome.value,
            document=to_json(Decision, decision),
            created_at=decision.created_at,
        ).on_conflict(conflict_target=[rows.id], preserve=[rows.outcome, rows.document]).execute()

    def get(self, decision_id: str) -> Decision | None:
        """Return it, or None if there is none of that id."""
        row = self._rows.get_or_none(self._rows.id == decision_id)
        return None if row is None else from_json(Decision, row.document)

    def page(self, page: Page, wanted: DecisionFilter) -> list[Decision]:
        """Return a page of the decisions that match, newest first."""
        query = self._rows.select()
        for name in ("strategy_id", "symbol", "backtest_id"):
            value = getattr(wanted, name)
            if value is not None:
                query = query.where(getattr(self._rows, name) == value)
        if wanted.outcome is not None:
            query = query.where(self._rows.outcome == wanted.outcome.value)
        return [from_json(Decision, row.document) for row in newest_first(query, self._rows, page)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageDocument:
    """What the outbox keeps of a package beside its bytes and the documented columns."""

    decision_id: str
    exchange: str
    timeframe: str
    key_id: str
    valid_until: datetime


class SqlPackageStore:
    """Parameter packages, and the order in which they go out."""

    def __init__(self, database: peewee.Database) -> None:
        self._database = database
        self._packages = bound(ParameterPackageRow, database)
        self._outbox = bound(OutboxRow, database)
        self._epochs = bound(EpochRow, database)

    def next_place(self, *, now: datetime) -> Place:
        """Return the place of the next package; use inside the transaction that adds it."""
        last = self.last_place(now=now)
        return Place(last.epoch, last.seq + 1)

    def last_place(self, *, now: datetime) -> Place:
        """Return the place of the newest package; seq 0 if there is none."""
        epoch = self._epoch(now)
        seq = self._outbox.select(peewee.fn.MAX(self._outbox.seq)).where(self._outbox.epoch == epoch).scalar()
        return Place(epoch, seq or 0)

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
        row = self._packages.get_or_none(self._packages.id == package_id)
        return None if row is None else self._package(row)

    def page(self, page: Page, wanted: PackageFilter) -> list[ParameterPackage]:
        """Return a page of the packages that match, newest first."""
        query = self._packages.select().where(self._packages.approved == wanted.approved)
        for name in ("strategy_id", "symbol"):
            value = getattr(wanted, name)
            if value is not None:
                query = query.where(getattr(self._packages, name) == value)
        return [self._package(row) for row in newest_first(query, self._packages, page)]

    def unpublished(self, limit: int) -> list[ParameterPackage]:
        """Return the packages not handed to the socket yet, in order of their places."""
        rows = self._outbox
        query = rows.select().where(rows.published_at.is_null()).order_by(rows.created_at, rows.seq)
        found = [self.get(row.package_id) for row in query.limit(limit)]
        return [package for package in found if package is not None]

    def mark_published(self, package_id: str, *, now: datetime) -> None:
        """Note that a package was handed to the socket."""
        with self._database.atomic():
            rows = self._outbox
            rows.update(published_at=now).where(rows.package_id == package_id).execute()
            self._packages.update(published_at=now).where(self._packages.id == package_id).execute()

    def _epoch(self, now: datetime) -> str:
        with self._database.atomic():
            row = self._epochs.select().first()
            if row is None:
                row = self._epochs.create(epoch=secrets.token_hex(8), created_at=now)
            epoch: str = row.epoch
            return epoch

    def _package(self, row: Any) -> ParameterPackage:
        place = self._outbox.get_or_none(self._outbox.package_id == row.id)
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
        )
