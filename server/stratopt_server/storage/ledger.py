"""The ledger of trials in a database."""

from collections.abc import Sequence

import peewee

from stratopt_server.domain.ledger import LedgerKey
from stratopt_server.storage.bulk import insert_rows
from stratopt_server.storage.models import CodeLineageRow, LedgerMarketRow, LedgerTrialRow, bound


class SqlLedger:
    """Distinct trials by code lineage and market, of every job there was."""

    def __init__(self, database: peewee.Database) -> None:
        self._database = database
        self._lineages = bound(CodeLineageRow, database)
        self._markets = bound(LedgerMarketRow, database)
        self._trials = bound(LedgerTrialRow, database)

    def link(self, code_hash: str, *, to: str) -> None:
        """Note that a code replaces another: from now on both are of one lineage, if the first had none."""
        with self._database.atomic():
            self._add_lineage(code_hash, self._add_lineage(to, to))

    def add(self, key: LedgerKey, digests: Sequence[bytes]) -> None:
        """Count these trials; those that were counted before change nothing."""
        with self._database.atomic():
            market = self._add_market(self._add_lineage(key.code_hash, key.code_hash), key)
            rows = [(market, digest) for digest in digests]
            into = "ledger_trials (market_id, digest)"
            insert_rows(self._database, into, rows, on_conflict="ON CONFLICT DO NOTHING")

    def count(self, key: LedgerKey) -> int:
        """Return how many distinct trials of the key's lineage there are on its market."""
        row = self._lineages.get_or_none(self._lineages.code_hash == key.code_hash)
        market = None if row is None else self._market(row.lineage, key)
        return 0 if market is None else self._trials.select().where(self._trials.market_id == market).count()

    def _add_lineage(self, code_hash: str, lineage: str) -> str:
        """Give a code that lineage if it has none; return the one it has."""
        rows = self._lineages
        rows.insert(code_hash=code_hash, lineage=lineage).on_conflict_ignore().execute()
        kept: str = rows.get(rows.code_hash == code_hash).lineage
        return kept

    def _add_market(self, lineage: str, key: LedgerKey) -> int:
        """Return the id of the market, which it gets if it has none."""
        rows = self._markets
        while (found := self._market(lineage, key)) is None:
            # Another may take the number, or make the same market, at the same moment: then look again.
            rows.insert(
                id=(rows.select(peewee.fn.MAX(rows.id)).scalar() or 0) + 1,
                lineage=lineage,
                exchange=key.exchange,
                symbol=key.symbol,
                timeframe=key.timeframe,
            ).on_conflict_ignore().execute()
        return found

    def _market(self, lineage: str, key: LedgerKey) -> int | None:
        rows = self._markets
        row = rows.get_or_none(
            (rows.lineage == lineage)
            & (rows.exchange == key.exchange)
            & (rows.symbol == key.symbol)
            & (rows.timeframe == key.timeframe)
        )
        return None if row is None else row.id
