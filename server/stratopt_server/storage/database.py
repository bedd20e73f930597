"""Opens the database that a URL names, and brings its tables up to date."""

import re
from datetime import UTC, datetime
from importlib.resources import files
from string import Template

from stratopt_server.storage.dialect import Database, UnsupportedDatabase
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


def migrate(database: Database) -> None:
    """Apply, in order and one server at a time, every migration that the database has not had."""
    with database.atomic():
        database.be_alone()
        database.execute_sql(
            "CREATE TABLE IF NOT EXISTS schema_migrations ("
            "name VARCHAR(100) PRIMARY KEY, applied_at TIMESTAMP NOT NULL)"
        )
        applied = {row[0] for row in database.execute_sql("SELECT name FROM schema_migrations").fetchall()}
        for name, script in migrations():
            if name in applied:
                continue
            for statement in _statements(Template(script).substitute(blob=database.blob)):
                database.execute_sql(statement)
            now = datetime.now(UTC).replace(tzinfo=None).isoformat(" ")
            values = f"({database.param}, {database.param})"
            database.execute_sql(f"INSERT INTO schema_migrations VALUES {values}", (name, now))  # noqa: S608


def migrations() -> list[tuple[str, str]]:
    """Return the name and the script of every migration there is, in order."""
    folder = files("stratopt_server.storage") / "migrations"
    scripts = [entry for entry in folder.iterdir() if entry.name.endswith(".sql")]
    return sorted((script.name, script.read_text(encoding="utf-8")) for script in scripts)


def _statements(script: str) -> list[str]:
    """Cut a migration at its semicolons; they hold no string with one in it."""
    without_comments = re.sub(r"--.*", "", script)
    return [part.strip() for part in without_comments.split(";") if part.strip()]
