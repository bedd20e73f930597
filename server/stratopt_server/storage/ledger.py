"""The ledger of trials in a database."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import peewee

from stratopt_server.domain.ledger import LedgerKey, LedgerTrial, TrialTally, entered
from stratopt_server.storage.bulk import insert_rows
from stratopt_server.storage.dialect import Database
from stratopt_server.storage.models import CodeLineageRow, LedgerMarketRow, LedgerTrialRow, bound

INTO = "ledger_trials (market_id, digest, sharpe, stream)"
FIRST_SHARPE = (
    "ON CONFLICT (market_id, digest) DO UPDATE SET sharpe = excluded.sharpe, stream = excluded.stream "
    "WHERE ledger_trials.stream IS NULL AND excluded.stream IS NOT NULL"
)


class SqlLedger:
    """Distinct trials by code lineage and market, of every job there was."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lineages = bound(CodeLineageRow, database)
        self._markets = bound(LedgerMarketRow, database)
        self._trials = bound(LedgerTrialRow, database)

    def link(self, code_hash: str, *, to: str) -> None:
        """Note that a code replaces another: from now on both are of one lineage, if the first had none."""
        with self._database.atomic():
            self._add_lineage(code_hash, self._add_lineage(to, to))

    def add(self, key: LedgerKey, trials: Sequence[LedgerTrial]) -> None:
        """Count these trials; those that were counted before change nothing, but for a first Sharpe ratio."""
        # One statement may not meet a row twice.
        once = entered({}, trials).values()
        # In one order, so that two who store some of the same never wait for each other.
        rows = sorted((trial.digest, trial.sharpe, trial.stream) for trial in once)
        with self._database.atomic():
            market = self._add_market(self._add_lineage(key.code_hash, key.code_hash), key)
            insert_rows(self._database, INTO, [(market, *row) for row in rows], on_conflict=FIRST_SHARPE)

    def count(self, key: LedgerKey) -> int:
        """Return how many distinct trials of the key's lineage there are on its market."""
        row = self._lineages.get_or_none(self._lineages.code_hash == key.code_hash)
        market = None if row is None else self._market(row.lineage, key)
        return 0 if market is None else self._trials.select().where(self._trials.market_id == market).count()

    def tally(self, key: LedgerKey) -> TrialTally:
        """Return what its Sharpe ratios come to; trials of the same returns count as one."""
        row = self._lineages.get_or_none(self._lineages.code_hash == key.code_hash)
        market = None if row is None else self._market(row.lineage, key)
        trials = self._trials
        measured = (trials.market_id == market) & ~trials.stream.is_null()
        query: Any = trials.select(peewee.fn.MIN(trials.sharpe)).where(measured).group_by(trials.stream)
        sharpes = np.array([sharpe for (sharpe,) in query.tuples()], dtype=np.float64)
        # In one order everywhere, so that their variance is the same to the last digit.
        unmeasured = trials.select().where((trials.market_id == market) & trials.stream.is_null())
        return TrialTally.of(np.sort(sharpes), unmeasured.count())

    def lineage(self, code_hash: str) -> str:
        """Name the lineage of a code; its own hash if it has none yet."""
        row = self._lineages.get_or_none(self._lineages.code_hash == code_hash)
        return code_hash if row is None else str(row.lineage)

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
