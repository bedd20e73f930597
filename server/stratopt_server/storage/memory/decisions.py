"""Decisions in memory."""

import copy

from stratopt_server.domain.decisions import Decision
from stratopt_server.domain.paging import Page
from stratopt_server.domain.ports import DecisionFilter
from stratopt_server.storage.memory.tables import Memory, cut, one_at_a_time


@one_at_a_time
class MemoryDecisionStore:
    """Decisions by id."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def put(self, decision: Decision) -> None:
        """Store it, in place of one of the same id."""
        with self._memory.transaction():
            self._memory.tables.decisions[decision.id] = copy.deepcopy(decision)

    def get(self, decision_id: str) -> Decision | None:
        """Return it, or None if there is none of that id."""
        return copy.deepcopy(self._memory.tables.decisions.get(decision_id))

    def page(self, page: Page, wanted: DecisionFilter) -> list[Decision]:
        """Return a page of the decisions that match, newest first."""
        names = ("strategy_id", "symbol", "backtest_id", "outcome")
        rows = [
            row
            for row in self._memory.tables.decisions.values()
            if all(getattr(wanted, name) in (None, getattr(row, name)) for name in names)
        ]
        return cut(rows, page)
