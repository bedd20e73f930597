"""Many rows in few statements: a model would take longer over each than the database."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import peewee

from stratopt_server.storage.dialect import Database

VALUES_MAX = 1_000
"""Values in a statement: a database takes a bounded number, and more of them are not quicker."""


def insert_rows(
    database: Database, into: str, rows: Sequence[Sequence[Any]], *, on_conflict: str = ""
) -> None:
    """Insert rows, all or none, into a table that is named with its columns.

    `on_conflict` is the clause for keys that are taken. Values are what the driver takes: text for JSON,
    bytes for blobs.
    """
    if not rows:
        return
    width = len(rows[0])
    row = "(" + ", ".join([database.param] * width) + ")"
    with database.atomic():
        for chunk in peewee.chunked(rows, VALUES_MAX // width):
            values = ", ".join([row] * len(chunk))
            statement = f"INSERT INTO {into} VALUES {values} {on_conflict}"  # noqa: S608 - names of our own
            database.execute_sql(statement, list(chain.from_iterable(chunk)))
