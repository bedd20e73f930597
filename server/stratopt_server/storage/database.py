"""Opens the database and brings its tables up to date."""

import re
import time
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from string import Template

import peewee

BUSY_TIMEOUT_SECONDS = 30
"""How long a writer waits for another one before it gives up."""
RETRY_SECONDS = 0.02
SQLITE_URL = "sqlite:///"


class DatabaseUnusable(RuntimeError):
    """The database is there, and cannot be opened."""


class UnsupportedDatabase(ValueError):
    """The URL names a database that this build does not speak."""


def connect(url: str) -> peewee.Database:
    """Open `sqlite:///PATH` and bring its tables up to date."""
    if not url.startswith(SQLITE_URL):
        raise UnsupportedDatabase(f"database_url must begin with {SQLITE_URL}, not {url.partition(':')[0]!r}")
    path = Path(url.removeprefix(SQLITE_URL))
    path.parent.mkdir(parents=True, exist_ok=True)
    database = peewee.SqliteDatabase(
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


def migrate(database: peewee.Database) -> None:
    """Apply, in order and under the write lock, every migration that the database has not had."""
    with database.atomic():
        database.execute_sql(
            "CREATE TABLE IF NOT EXISTS schema_migrations ("
            "name VARCHAR(100) PRIMARY KEY, applied_at TIMESTAMP NOT NULL)"
        )
        applied = {row[0] for row in database.execute_sql("SELECT name FROM schema_migrations")}
        for name, script in _migrations():
            if name in applied:
                continue
            for statement in _statements(Template(script).substitute(blob="BLOB")):
                database.execute_sql(statement)
            now = datetime.now(UTC).replace(tzinfo=None).isoformat(" ")
            database.execute_sql("INSERT INTO schema_migrations VALUES (?, ?)", (name, now))


def _migrations() -> list[tuple[str, str]]:
    folder = files("stratopt_server.storage") / "migrations"
    scripts = [entry for entry in folder.iterdir() if entry.name.endswith(".sql")]
    return sorted((script.name, script.read_text(encoding="utf-8")) for script in scripts)


def _statements(script: str) -> list[str]:
    """Cut a migration at its semicolons; they hold no string with one in it."""
    without_comments = re.sub(r"--.*", "", script)
    return [part.strip() for part in without_comments.split(";") if part.strip()]
