"""The database that is backed up."""

from collections.abc import Iterator
from contextlib import contextmanager

from stratopt_server.backup.archive import UnusableBackup
from stratopt_server.storage.database import applied_migrations, connect, is_there, refuse_newer
from stratopt_server.storage.dialect import Database
from stratopt_server.storage.tables import Table, Value, read_rows, tables_of


class Source:
    """Rows of one moment."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.kind = "postgresql" if database.is_shared else "sqlite"
        self.migrations = applied_migrations(database)

    @contextmanager
    def snapshot(self) -> Iterator[list[Table]]:
        """Yield the tables, and let rows be read as they are now."""
        with self._database.snapshot():
            yield tables_of(self._database)

    def rows(self, table: Table) -> Iterator[list[Value]]:
        """Yield the rows of a table."""
        return read_rows(self._database, table)


@contextmanager
def source_of(url: str) -> Iterator[Source]:
    """Open the database; raises UnusableBackup if it is none of ours, DatabaseUnusable if it is newer."""
    if not is_there(url):
        raise UnusableBackup(
            f"there is no database {url}: look at STRATOPT_DATA_DIR and STRATOPT_DATABASE_URL"
        )
    database = connect(url)
    try:
        source = Source(database)
        if not source.migrations:
            raise UnusableBackup("the database is empty: there is nothing to back up")
        refuse_newer(database)
        yield source
    finally:
        database.leave()
