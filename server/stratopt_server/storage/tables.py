"""Every row of every table, out of one kind of database and into another, exactly."""

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from graphlib import TopologicalSorter
from typing import Any

import peewee

from stratopt_server.storage.bulk import insert_rows
from stratopt_server.storage.database import migrations
from stratopt_server.storage.dialect import Database

ROWS_MAX, CHARACTERS_MAX = 200, 4_000_000
"""Rows and text that are held before they are written."""
CREATED = re.compile(r"CREATE TABLE (\w+)")

Value = str | int | float | bool | None
"""What JSON holds exactly: documents as their text, bytes in base64, moments in ISO 8601."""


class RowRefused(ValueError):
    """The database cannot hold a row."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    name: str
    write: Callable[[Any], Value]
    """From what the driver gives."""
    read: Callable[[Any], Any]
    """To what the driver takes."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table, its columns in order."""

    name: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return [column.name for column in self.columns]


def tables_of(database: Database) -> list[Table]:
    """Return the tables there are of those that migrations make, each behind those that it refers to."""
    made = {name for _, script in migrations() for name in CREATED.findall(script)}
    found = made.intersection(database.get_tables())
    behind = {
        name: {key.dest_table for key in database.get_foreign_keys(name)} - {name} for name in sorted(found)
    }
    return [_table(database, name) for name in TopologicalSorter(behind).static_order()]


def read_rows(database: Database, table: Table) -> Iterator[list[Value]]:
    """Yield every row, without holding many."""
    columns = ", ".join(f'"{name}"' for name in table.names)
    writers = [column.write for column in table.columns]
    query = f'SELECT {columns} FROM "{table.name}"'  # noqa: S608 - names of our own
    for row in database.stream(query):
        yield [None if value is None else write(value) for write, value in zip(writers, row, strict=True)]


def write_rows(database: Database, table: Table, names: Sequence[str], rows: Iterable[list[Any]]) -> int:
    """Store rows whose values are of the columns with these names; return how many. Raises RowRefused."""
    known = {column.name: column for column in table.columns}
    if set(names) != set(known):
        raise RowRefused(f"{table.name} has the columns {', '.join(known)}, not {', '.join(names)}")
    readers = [known[name].read for name in names]
    into = f'"{table.name}" (' + ", ".join(f'"{name}"' for name in names) + ")"
    count = 0
    for batch in _batches(rows, readers):
        try:
            insert_rows(database, into, batch)
        except peewee.DatabaseError as error:
            raise RowRefused(f"{table.name} cannot hold a row: {str(error).splitlines()[0]}") from error
        count += len(batch)
    return count


def _batches(rows: Iterable[list[Any]], readers: Sequence[Callable[[Any], Any]]) -> Iterator[list[list[Any]]]:
    batch: list[list[Any]] = []
    held = 0
    for row in rows:
        batch.append(
            [None if value is None else read(value) for read, value in zip(readers, row, strict=True)]
        )
        held += sum(len(value) for value in row if isinstance(value, str))
        if len(batch) == ROWS_MAX or held > CHARACTERS_MAX:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def _table(database: Database, name: str) -> Table:
    columns = database.get_columns(name)
    return Table(name, tuple(_column(column.name, column.data_type.lower()) for column in columns))


def _column(name: str, data_type: str) -> Column:
    if data_type in {"blob", "bytea"}:
        return Column(name, lambda value: base64.b64encode(value).decode(), base64.b64decode)
    if data_type.startswith("timestamp"):
        return Column(name, _moment, str)
    if data_type.startswith("bool"):
        return Column(name, bool, bool)
    if data_type.startswith("json"):
        # SQLite keeps a document that is a number as a number.
        return Column(name, lambda value: value if isinstance(value, str) else json.dumps(value), str)
    return Column(name, _same, _same)


def _moment(value: Any) -> str:
    return value.isoformat(" ") if isinstance(value, datetime) else str(value)


def _same(value: Any) -> Any:
    return value
