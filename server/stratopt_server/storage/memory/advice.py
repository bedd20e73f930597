"""Advice in memory."""

import copy

from stratopt_server.domain.advice import Advice
from stratopt_server.storage.memory.tables import Memory, one_at_a_time


@one_at_a_time
class MemoryAdviceStore:
    """Advice that was given."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def add(self, advice: Advice) -> None:
        """Store a new one."""
        with self._memory.transaction():
            self._memory.tables.advice[advice.id] = copy.deepcopy(advice)

    def get(self, advice_id: str) -> Advice | None:
        """Return it, or None if there is none of that id."""
        return copy.deepcopy(self._memory.tables.advice.get(advice_id))
