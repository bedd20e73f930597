"""Advice in a database."""

from stratopt_server.domain.advice import Advice
from stratopt_server.storage.codec import from_json, to_json
from stratopt_server.storage.dialect import Database
from stratopt_server.storage.models import AdviceRow, bound


class SqlAdviceStore:
    """Advice that was given."""

    def __init__(self, database: Database) -> None:
        self._rows = bound(AdviceRow, database)

    def add(self, advice: Advice) -> None:
        """Store a new one."""
        self._rows.insert(
            id=advice.id,
            kind=advice.kind.value,
            subject_id=advice.subject_id,
            source=advice.advised.source.value,
            document=to_json(Advice, advice),
            created_at=advice.created_at,
        ).execute()

    def get(self, advice_id: str) -> Advice | None:
        """Return it, or None if there is none of that id."""
        row = self._rows.get_or_none(self._rows.id == advice_id)
        return None if row is None else from_json(Advice, row.document)
