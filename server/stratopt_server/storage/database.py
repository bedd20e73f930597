"""Opens the database that a URL names, and brings its tables up to date."""

import re
from collections.abc import Collection
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from string import Template

from stratopt_server.storage.dialect import Database, DatabaseUnusable, UnsupportedDatabase
from stratopt_server.storage.sqlite import SQLITE_URL, SqliteFile

POSTGRES_URLS = ("postgresql://", "postgres://")


def connect(url: str) -> Database:
    """Open `sqlite:///PATH` or `postgresql://...`; raises DatabaseUnusable or UnsupportedDatabase."""
    if url.startswith(SQLITE_URL):
        return SqliteFile.open(url)
    if url.startswith(POSTGRES_URLS):
        # Imported here: the driver takes 0.1 s, and is not installed where only SQLite is used.
        from stratopt_server.storage.postgres import PostgresServer  # noqa: PLC0415

        return PostgresServer.open(url)
    raise UnsupportedDatabase(
        f"database_url must begin with {SQLITE_URL} or {POSTGRES_URLS[0]}, not {url.partition(':')[0]!r}"
    )


def is_there(url: str) -> bool:
    """Tell whether there is a database to open, or a server to ask for it; opening a file would make it."""
    return not url.startswith(SQLITE_URL) or Path(url.removeprefix(SQLITE_URL)).is_file()


def migrate(database: Database, *, up_to: Collection[str] | None = None) -> None:
    """Apply, in order and one server at a time, every migration that the database has not had.

    `up_to` names those to stop at. Raises DatabaseUnusable if it has had some that this build does not know.
    """
    with database.atomic():
        database.be_alone()
        database.execute_sql(
            "CREATE TABLE IF NOT EXISTS schema_migrations ("
            "name VARCHAR(100) PRIMARY KEY, applied_at TIMESTAMP NOT NULL)"
        )
        refuse_newer(database)
        applied = _applied(database)
        for name, script in migrations():
            if name in applied or (up_to is not None and name not in up_to):
                continue
            for statement in _statements(Template(script).substitute(blob=database.blob)):
                database.execute_sql(statement)
            now = datetime.now(UTC).replace(tzinfo=None).isoformat(" ")
            values = f"({database.param}, {database.param})"
            database.execute_sql(f"INSERT INTO schema_migrations VALUES {values}", (name, now))  # noqa: S608


def applied_migrations(database: Database) -> list[str]:
    """Name the migrations that the database has had, in order: none if it is new."""
    return _applied(database) if "schema_migrations" in database.get_tables() else []


def unknown_migrations(applied: Collection[str]) -> list[str]:
    """Name those that this build does not have."""
    return sorted(set(applied) - {name for name, _ in migrations()})


def refuse_newer(database: Database) -> None:
    """Raise DatabaseUnusable if the database has had migrations that this build does not know."""
    newer = unknown_migrations(applied_migrations(database))
    if newer:
        raise DatabaseUnusable(
            f"the database is newer than this version of stratopt, which does not know {', '.join(newer)}: "
            "use the newer version"
        )


def _applied(database: Database) -> list[str]:
    rows = database.execute_sql("SELECT name FROM schema_migrations ORDER BY name").fetchall()
    return [name for (name,) in rows]


def migrations() -> list[tuple[str, str]]:
    """Return the name and the script of every migration there is, in order."""
    folder = files("stratopt_server.storage") / "migrations"
    scripts = [entry for entry in folder.iterdir() if entry.name.endswith(".sql")]
    return sorted((script.name, script.read_text(encoding="utf-8")) for script in scripts)


def _statements(script: str) -> list[str]:
    """Cut a migration at its semicolons; they hold no string with one in it."""
    without_comments = re.sub(r"--.*", "", script)
    return [part.strip() for part in without_comments.split(";") if part.strip()]
