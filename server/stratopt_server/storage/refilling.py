"""Filling an empty database with the rows of another one, and beginning a new life in it."""

from collections.abc import Collection, Iterable
from datetime import datetime

from stratopt_server.domain.jobs import JobStatus
from stratopt_server.storage.database import applied_migrations, migrate
from stratopt_server.storage.dialect import Database
from stratopt_server.storage.jobs import SqlJobStore
from stratopt_server.storage.packages import Epochs
from stratopt_server.storage.tables import tables_of

OF_SERVERS = frozenset({"leases"})
"""Tables about servers that live: nothing of them is restored."""
NO_MATTER = OF_SERVERS | {"database_epoch"}
"""Tables that a server fills by being started."""


def tables_in_use(database: Database, seeds: Collection[str]) -> list[str]:
    """Name the tables with rows; strategies of these ids that nobody has changed are none."""
    return [
        table.name
        for table in tables_of(database)
        if table.name not in NO_MATTER and _has_rows(database, table.name, seeds)
    ]


def _has_rows(database: Database, table: str, seeds: Collection[str]) -> bool:
    query, values = f'SELECT 1 FROM "{table}"', list(seeds)  # noqa: S608 - a name of our own
    if table == "strategies" and seeds:
        marks = ", ".join([database.param] * len(values))
        query += f" WHERE id NOT IN ({marks}) OR created_at <> updated_at"
    else:
        values = []
    return database.execute_sql(f"{query} LIMIT 1", values).fetchone() is not None


def clear(database: Database, wanted: Iterable[str]) -> None:
    """Leave empty tables as these migrations make them; use inside a transaction that is alone."""
    wanted = sorted(wanted)
    applied = applied_migrations(database)
    verb = "DELETE FROM" if applied == wanted else "DROP TABLE"
    for table in reversed(tables_of(database)):
        database.execute_sql(f'{verb} "{table.name}"')
    if applied and applied != wanted:
        database.execute_sql("DELETE FROM schema_migrations")
    migrate(database, up_to=wanted)
    for table in reversed(tables_of(database)):
        database.execute_sql(f'DELETE FROM "{table.name}"')  # noqa: S608 - a name of our own


def begin_anew(database: Database, now: datetime) -> tuple[str, int]:
    """Have a restored database be nobody's; return its new epoch, and how many jobs wait again.

    What runs in it runs nowhere. Packages that were published after the backup had places that would be given
    out again: so those to come are of another epoch.
    """
    migrate(database)
    epoch = Epochs(database).begin(now)
    jobs = SqlJobStore(database)
    query = f"SELECT id, attempt FROM jobs WHERE status = '{JobStatus.RUNNING.value}'"  # noqa: S608 - ours
    running = database.execute_sql(query).fetchall()
    for job_id, attempt in running:
        jobs.release(job_id, attempt)
    database.execute_sql("UPDATE pipelines SET lease_owner = NULL, lease_until = NULL")
    return epoch, len(running)
