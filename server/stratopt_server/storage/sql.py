"""All stores over one database."""

from contextlib import AbstractContextManager

import peewee

from stratopt_server.storage.database import connect, migrate
from stratopt_server.storage.jobs import SqlJobStore
from stratopt_server.storage.reports import SqlReportStore
from stratopt_server.storage.stores import SqlDatasetStore, SqlRequestLog, SqlStrategyStore, SqlTrialStore


class SqlStorage:
    """The stores; each thread that uses them has its own connection."""

    def __init__(self, database: peewee.Database) -> None:
        self._database = database
        self.strategies = SqlStrategyStore(database)
        self.datasets = SqlDatasetStore(database)
        self.jobs = SqlJobStore(database)
        self.trials = SqlTrialStore(database)
        self.reports = SqlReportStore(database)
        self.requests = SqlRequestLog(database)

    @classmethod
    def open(cls, url: str, *, migrated: bool = False) -> "SqlStorage":
        """Open the database; bring its tables up to date unless the caller knows that they are."""
        database = connect(url)
        if not migrated:
            migrate(database)
        return cls(database)

    def transaction(self) -> AbstractContextManager[object]:
        """Everything inside is stored together or not at all; may be nested."""
        return self._database.atomic()

    def close(self) -> None:
        """Close this thread's connection."""
        self._database.close()
