"""What came in and could not be used, in a database."""

from collections.abc import Sequence
from typing import Any

from stratopt_server.domain.opportunities import Cause, Channel, DeadLetter
from stratopt_server.domain.paging import Page
from stratopt_server.storage.dialect import Database
from stratopt_server.storage.models import DeadLetterRow, bound
from stratopt_server.storage.stores import newest_first

INSERTED_AT_A_TIME = 100


class SqlDeadLetterStore:
    """The newest messages that could not be used."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows = bound(DeadLetterRow, database)

    def add(self, letters: Sequence[DeadLetter], *, kept_max: int) -> None:
        """Store them, in order; of all that are stored only the newest `kept_max` stay."""
        rows = self._rows
        with self._database.atomic():
            # By hundreds: each statement has its price, and a flood has many rows.
            for first in range(0, len(letters), INSERTED_AT_A_TIME):
                rows.insert_many(map(_columns, letters[first : first + INSERTED_AT_A_TIME])).execute()
            surplus = rows.select(rows.id).order_by(rows.created_at.desc(), rows.id.desc()).offset(kept_max)
            # Deleted by their ids: a limit in a subquery is no SQL that every database takes.
            gone = [row.id for row in surplus]
            for first in range(0, len(gone), INSERTED_AT_A_TIME):
                rows.delete().where(rows.id.in_(gone[first : first + INSERTED_AT_A_TIME])).execute()

    def page(self, page: Page, *, cause: Cause | None = None) -> list[DeadLetter]:
        """Return a page of them, newest first."""
        query = self._rows.select()
        if cause is not None:
            query = query.where(self._rows.cause == cause.value)
        return [_letter(row) for row in newest_first(query, self._rows, page)]


def _columns(letter: DeadLetter) -> dict[str, Any]:
    columns = {name: getattr(letter, name) for name in DeadLetter.__dataclass_fields__}
    return {**columns, "channel": letter.channel.value, "cause": letter.cause.value}


def _letter(row: Any) -> DeadLetter:
    columns = {name: getattr(row, name) for name in DeadLetter.__dataclass_fields__}
    return DeadLetter(
        **{
            **columns,
            "channel": Channel(row.channel),
            "cause": Cause(row.cause),
            "body": bytes(row.body),
        }
    )
