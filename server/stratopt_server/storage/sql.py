"""All stores over one database."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from stratopt_server.domain.counts import Counts
from stratopt_server.domain.jobs import JobKind
from stratopt_server.storage.advice import SqlAdviceStore
from stratopt_server.storage.database import connect, migrate
from stratopt_server.storage.dead_letters import SqlDeadLetterStore
from stratopt_server.storage.decisions import SqlDecisionStore
from stratopt_server.storage.dialect import Database
from stratopt_server.storage.jobs import SqlJobStore
from stratopt_server.storage.leases import SqlLeaseStore
from stratopt_server.storage.ledger import SqlLedger
from stratopt_server.storage.packages import SqlPackageStore, SqlRevocationStore
from stratopt_server.storage.pipelines import SqlPipelineStore
from stratopt_server.storage.reports import SqlReportStore
from stratopt_server.storage.seals import SqlSealStore
from stratopt_server.storage.stores import SqlDatasetStore, SqlRequestLog, SqlStrategyStore
from stratopt_server.storage.trials import SqlTrialStore


class SqlStorage:
    """The stores; each thread that uses them has its own connection."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.strategies = SqlStrategyStore(database)
        self.datasets = SqlDatasetStore(database)
        self.jobs = SqlJobStore(database)
        self.trials = SqlTrialStore(database)
        self.ledger = SqlLedger(database)
        self.advice = SqlAdviceStore(database)
        self.seals = SqlSealStore(database, self.ledger)
        self.reports = SqlReportStore(database)
        self.decisions = SqlDecisionStore(database)
        self.packages = SqlPackageStore(database)
        self.revocations = SqlRevocationStore(database)
        self.pipelines = SqlPipelineStore(database)
        self.dead_letters = SqlDeadLetterStore(database)
        self.requests = SqlRequestLog(database)
        self.leases = SqlLeaseStore(database)

    @classmethod
    def open(cls, url: str, *, migrated: bool = False) -> "SqlStorage":
        """Open the database; bring its tables up to date unless the caller knows that they are."""
        database = connect(url)
        if not migrated:
            migrate(database)
        return cls(database)

    @contextmanager
    def transaction(self, *, alone: bool = True) -> Iterator[None]:
        """Everything inside is stored together or not at all; may be nested."""
        with self._database.atomic():
            if alone:
                self._database.be_alone()
            yield

    @property
    def is_shared(self) -> bool:
        """Whether servers on other machines may use it too."""
        return self._database.is_shared

    def now(self, own: datetime) -> datetime:
        """Return the database's own time if it has a clock, for what servers must agree on; else `own`."""
        return self._database.now() or own

    def counts(self) -> Counts:
        """Count the rows."""
        jobs = "SELECT status, COUNT(*) FROM jobs WHERE kind = '{}' GROUP BY status"
        unpublished = "SELECT COUNT(*) FROM package_outbox WHERE published_at IS NULL"
        return Counts(
            backtests=self._tally(jobs.format(JobKind.BACKTEST.value)),
            optimizations=self._tally(jobs.format(JobKind.OPTIMIZATION.value)),
            decisions=self._tally("SELECT outcome, COUNT(*) FROM decisions GROUP BY outcome"),
            strategies=self._count("SELECT COUNT(*) FROM strategies"),
            datasets=self._count("SELECT COUNT(*) FROM datasets"),
            trials=self._count("SELECT COUNT(*) FROM trials"),
            packages_unpublished=self._count(unpublished),
            pipelines=self._tally("SELECT status, COUNT(*) FROM pipelines GROUP BY status"),
        )

    def ping(self) -> None:
        """Ask the database for a sign of life."""
        self._count("SELECT 1")

    def _tally(self, query: str) -> dict[str, int]:
        return dict(self._database.execute_sql(query).fetchall())

    def _count(self, query: str) -> int:
        return int(self._database.execute_sql(query).fetchone()[0])

    def close(self) -> None:
        """Close this thread's connection."""
        self._database.leave()
