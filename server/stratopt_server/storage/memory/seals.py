"""Sealed holdouts in memory."""

from dataclasses import replace
from datetime import datetime

from stratopt_server.domain.errors import AlreadyExists
from stratopt_server.domain.ledger import LedgerKey
from stratopt_server.domain.paging import Page
from stratopt_server.domain.seals import SealedHoldout, SealedTest
from stratopt_server.storage.memory.tables import LedgerMarket, Memory, cut, one_at_a_time


@one_at_a_time
class MemorySealStore:
    """Sealed holdouts, by code lineage and market."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def add(self, seal: SealedHoldout) -> None:
        """Store a new one; raises AlreadyExists while another of its lineage and market is not spent."""
        with self._memory.transaction():
            tables = self._memory.tables
            tables.lineages.setdefault(seal.key.code_hash, seal.key.code_hash)
            known = self.latest(seal.key)
            if known is not None and not known.is_spent:
                raise AlreadyExists("sealed holdout", known.id)
            tables.seals[seal.id] = seal

    def get(self, seal_id: str) -> SealedHoldout | None:
        """Return it, or None if there is none of that id."""
        return self._memory.tables.seals.get(seal_id)

    def latest(self, key: LedgerKey) -> SealedHoldout | None:
        """Return the newest for this code's lineage and market, spent or not, or None."""
        market = self._market(key)
        found = [seal for seal in self._memory.tables.seals.values() if self._market(seal.key) == market]
        return max(found, key=lambda seal: (seal.created_at, seal.id), default=None)

    def spend(self, seal_id: str, *, on: str, test: SealedTest, now: datetime) -> bool:
        """Note what a decision about that backtest read in it; False if it was spent before."""
        with self._memory.transaction():
            seals = self._memory.tables.seals
            seal = seals.get(seal_id)
            if seal is None or seal.is_spent:
                return False
            seals[seal_id] = replace(seal, spent_at=now, spent_on=on, test=test)
            return True

    def page(self, page: Page) -> list[SealedHoldout]:
        """Return a page of them, spent ones too, newest first."""
        return cut(list(self._memory.tables.seals.values()), page)

    def _market(self, key: LedgerKey) -> LedgerMarket:
        lineage = self._memory.tables.lineages.get(key.code_hash, key.code_hash)
        return lineage, key.exchange, key.symbol, key.timeframe
