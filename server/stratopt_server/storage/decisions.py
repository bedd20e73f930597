"""Decisions in a database."""

from stratopt_server.domain.decisions import Decision
from stratopt_server.domain.paging import Page
from stratopt_server.domain.ports import DecisionFilter
from stratopt_server.storage.codec import from_json, to_json
from stratopt_server.storage.dialect import Database
from stratopt_server.storage.models import DecisionRow, bound
from stratopt_server.storage.stores import newest_first


class SqlDecisionStore:
    """Decisions by id."""

    def __init__(self, database: Database) -> None:
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
