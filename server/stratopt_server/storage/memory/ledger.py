"""The ledger of trials in memory."""

from collections.abc import Sequence

import numpy as np

from stratopt_server.domain.ledger import LedgerKey, LedgerTrial, TrialTally, entered
from stratopt_server.storage.memory.tables import LedgerMarket, Memory, one_at_a_time


@one_at_a_time
class MemoryLedger:
    """Distinct trials by code lineage and market, of every job there was."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def link(self, code_hash: str, *, to: str) -> None:
        """Note that a code replaces another: from now on both are of one lineage, if the first had none."""
        with self._memory.transaction():
            lineages = self._memory.tables.lineages
            lineages.setdefault(code_hash, lineages.setdefault(to, to))

    def add(self, key: LedgerKey, trials: Sequence[LedgerTrial]) -> None:
        """Count these trials; those that were counted before change nothing, but for a first Sharpe ratio."""
        with self._memory.transaction():
            tables = self._memory.tables
            tables.lineages.setdefault(key.code_hash, key.code_hash)
            tables.ledger[self._market(key)] = entered(self._counted(key), trials)

    def lineage(self, code_hash: str) -> str:
        """Name the lineage of a code; its own hash if it has none yet."""
        return self._memory.tables.lineages.get(code_hash, code_hash)

    def count(self, key: LedgerKey) -> int:
        """Return how many distinct trials of the key's lineage there are on its market."""
        return len(self._counted(key))

    def tally(self, key: LedgerKey) -> TrialTally:
        """Return what its Sharpe ratios come to; trials of the same returns count as one."""
        counted = self._counted(key).values()
        sharpes = {trial.stream: trial.sharpe for trial in counted if trial.stream is not None}
        distinct = sorted(sharpe for sharpe in sharpes.values() if sharpe is not None)
        return TrialTally.of(np.array(distinct), sum(trial.stream is None for trial in counted))

    def _counted(self, key: LedgerKey) -> dict[bytes, LedgerTrial]:
        return self._memory.tables.ledger.get(self._market(key), {})

    def _market(self, key: LedgerKey) -> LedgerMarket:
        lineage = self._memory.tables.lineages.get(key.code_hash, key.code_hash)
        return lineage, key.exchange, key.symbol, key.timeframe
