"""Sealed holdouts in a database."""

from datetime import datetime
from typing import Any

from stratopt_server.domain.errors import AlreadyExists
from stratopt_server.domain.ledger import LedgerKey
from stratopt_server.domain.paging import Page
from stratopt_server.domain.seals import SealedHoldout, SealedTest
from stratopt_server.storage.codec import from_json, to_json
from stratopt_server.storage.dialect import Database
from stratopt_server.storage.ledger import SqlLedger
from stratopt_server.storage.models import SealedHoldoutRow, bound
from stratopt_server.storage.stores import newest_first


class SqlSealStore:
    """Sealed holdouts, by code lineage and market."""

    def __init__(self, database: Database, ledger: SqlLedger) -> None:
        self._database = database
        self._ledger = ledger
        self._rows = bound(SealedHoldoutRow, database)

    def add(self, seal: SealedHoldout) -> None:
        """Store a new one; raises AlreadyExists while another of its lineage and market is not spent."""
        with self._database.atomic():
            # So that code which replaces this one is of its lineage, whatever was run of it.
            self._ledger.link(seal.key.code_hash, to=seal.key.code_hash)
            known = self.latest(seal.key)
            if known is not None and not known.is_spent:
                raise AlreadyExists("sealed holdout", known.id)
            self._rows.insert(
                id=seal.id,
                lineage=self._ledger.lineage(seal.key.code_hash),
                code_hash=seal.key.code_hash,
                exchange=seal.key.exchange,
                symbol=seal.key.symbol,
                timeframe=seal.key.timeframe,
                strategy_id=seal.strategy_id,
                first_bar_time=seal.first_bar_time,
                created_at=seal.created_at,
                spent_at=seal.spent_at,
                spent_on=seal.spent_on,
                test=None if seal.test is None else to_json(SealedTest, seal.test),
            ).execute()

    def get(self, seal_id: str) -> SealedHoldout | None:
        """Return it, or None if there is none of that id."""
        row = self._rows.get_or_none(self._rows.id == seal_id)
        return None if row is None else _seal(row)

    def latest(self, key: LedgerKey) -> SealedHoldout | None:
        """Return the newest for this code's lineage and market, spent or not, or None."""
        rows = self._rows
        market = (
            (rows.lineage == self._ledger.lineage(key.code_hash))
            & (rows.exchange == key.exchange)
            & (rows.symbol == key.symbol)
            & (rows.timeframe == key.timeframe)
        )
        row = rows.select().where(market).order_by(rows.created_at.desc(), rows.id.desc()).first()
        return None if row is None else _seal(row)

    def spend(self, seal_id: str, *, on: str, test: SealedTest, now: datetime) -> bool:
        """Note what a decision about that backtest read in it; False if it was spent before."""
        rows = self._rows
        unspent = (rows.id == seal_id) & rows.spent_at.is_null()
        spent = rows.update(spent_at=now, spent_on=on, test=to_json(SealedTest, test))
        return bool(spent.where(unspent).execute())

    def page(self, page: Page) -> list[SealedHoldout]:
        """Return a page of them, spent ones too, newest first."""
        return [_seal(row) for row in newest_first(self._rows.select(), self._rows, page)]


def _seal(row: Any) -> SealedHoldout:
    return SealedHoldout(
        id=row.id,
        key=LedgerKey(row.code_hash, row.exchange, row.symbol, row.timeframe),
        strategy_id=row.strategy_id,
        first_bar_time=row.first_bar_time,
        created_at=row.created_at,
        spent_at=row.spent_at,
        spent_on=row.spent_on,
        test=None if row.test is None else from_json(SealedTest, row.test),
    )
