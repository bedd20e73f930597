"""Filling an empty database with the rows of another one, and beginning a new life in it."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime

import peewee

from stratopt_server.domain.jobs import Failure, JobStatus
from stratopt_server.storage.database import applied_migrations, migrate
from stratopt_server.storage.dialect import Database
from stratopt_server.storage.jobs import SqlJobStore
from stratopt_server.storage.models import LeaseRow, bound
from stratopt_server.storage.packages import Epochs
from stratopt_server.storage.pipelines import SqlPipelineStore
from stratopt_server.storage.tables import tables_of

OF_SERVERS = frozenset({"leases"})
"""Tables about servers that live: nothing of them is restored."""
NO_MATTER = OF_SERVERS | {"database_epoch"}
"""Tables that a server fills by being started."""
SENSELESS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    peewee.PeeweeException,
)
"""What rows raise that no server wrote."""
RESTORED = Failure(
    reason="RESTORED",
    message="it had not ended when the backup was made, and its opportunity is stale: send a new one",
)


def has_server(database: Database) -> bool:
    """Tell whether a server holds a lease by the database's clock; never where databases are not shared."""
    now = database.now()
    if now is None or "leases" not in database.get_tables():
        return False
    leases = bound(LeaseRow, database)
    return bool(leases.select().where(leases.lease_until > now).exists())


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


def begin_anew(database: Database, now: datetime) -> tuple[str, int, int]:
    """Have a restored database be nobody's; return its new epoch, how many jobs wait again and pipelines end.

    What runs in it runs nowhere. Pipelines that went on would publish once more what came of a stale
    opportunity: so they fail. Packages that were published after the backup had places that would be given
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
    return epoch, len(running), _end_pipelines(database, now)


def _end_pipelines(database: Database, now: datetime) -> int:
    pipelines = SqlPipelineStore(database)
    unended = [status.value for status in JobStatus if not status.is_final]
    marks = ", ".join([database.param] * len(unended))
    query = f"SELECT id FROM pipelines WHERE status IN ({marks})"  # noqa: S608 - ours
    found = database.execute_sql(query, unended).fetchall()
    for (pipeline_id,) in found:
        pipeline = pipelines.get(pipeline_id)
        assert pipeline is not None
        pipelines.end(replace(pipeline, status=JobStatus.FAILED, failure=RESTORED, completed_at=now))
    return len(found)
