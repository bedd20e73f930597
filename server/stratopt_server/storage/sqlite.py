"""SQLite: one file, readers beside one writer."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import peewee

from stratopt_server.domain.errors import Unavailable
from stratopt_server.storage.dialect import Database, DatabaseUnusable

BUSY_TIMEOUT_SECONDS = 30
"""How long a writer waits for another one before it gives up."""
RETRY_SECONDS = 0.02
SQLITE_URL = "sqlite:///"
TROUBLES = {
    "locked": ("DATABASE_BUSY", "another process holds the database"),
    "full": ("DATABASE_FULL", "there is no room for the database: free some disk space"),
    "disk i/o": ("DATABASE_UNAVAILABLE", "the disk of the database fails"),
    "readonly": ("DATABASE_UNAVAILABLE", "the database may only be read: look at its file's permissions"),
    "unable to open": ("DATABASE_UNAVAILABLE", "the file of the database cannot be opened"),
}
"""Reason and message for words of SQLite."""


class SqliteFile(Database, peewee.SqliteDatabase):
    """A database in a file."""

    blob = "BLOB"
    is_shared = False

    @classmethod
    def open(cls, url: str) -> "SqliteFile":
        """Open `sqlite:///PATH`, which is made if it is not there; raises DatabaseUnusable."""
        path = Path(url.removeprefix(SQLITE_URL))
        path.parent.mkdir(parents=True, exist_ok=True)
        database = cls(
            str(path),
            pragmas={"journal_mode": "wal", "foreign_keys": 1, "synchronous": "normal"},
            timeout=BUSY_TIMEOUT_SECONDS,
            lock_type="IMMEDIATE",  # a transaction that will write queues at its start, never half-way
        )
        deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
        while True:
            try:
                database.connect()
            except (peewee.DatabaseError, peewee.InterfaceError) as error:
                # Turning WAL on does not wait for another writer by itself.
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise DatabaseUnusable(f"{path} cannot be opened as the database: {error}") from error
                time.sleep(RETRY_SECONDS)
            else:
                return database

    def execute_sql(self, sql: str, params: Any = None) -> Any:
        """Execute; what shall be taken back may have been already."""
        if sql.startswith("ROLLBACK TO SAVEPOINT") and self._is_rolled_back():
            return None
        return super().execute_sql(sql, params)

    def rollback(self) -> Any:
        """Roll back, unless SQLite has: it does so itself when the disk is full or fails."""
        return None if self._is_rolled_back() else super().rollback()

    def _is_rolled_back(self) -> bool:
        connection: Any = None if self.is_closed() else self._state.conn  # type: ignore[attr-defined]
        return connection is not None and not connection.in_transaction

    def be_alone(self) -> None:
        """Nothing to do: every transaction is."""

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Hold a read transaction: WAL keeps what it sees beside what others write."""
        with self.transaction("DEFERRED"):
            self.execute_sql("SELECT COUNT(*) FROM sqlite_master")  # it begins with the first read
            yield

    def number_in(self, document: Any, name: str) -> Any:
        """Return the expression of the number of that name in a JSON document."""
        return peewee.fn.json_extract(document, f"$.{name}")

    def trouble(self, error: Exception) -> Unavailable | None:
        """Tell a database that is busy, full or ill from a query that is wrong."""
        text = str(error).lower()
        for words, (reason, message) in TROUBLES.items():
            if words in text:
                return Unavailable(f"{message}; try again shortly", reason=reason)
        return None
