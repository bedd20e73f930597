"""A PostgreSQL for tests: the one that runs, in a schema of the test's own."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from stratopt_server.storage.sql import SqlStorage

SERVER = os.environ.get("STRATOPT_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test")
"""Where a PostgreSQL is expected; tests need one that lets them make schemas."""


@contextmanager
def schema_url() -> Iterator[str]:
    """Yield the URL of an empty schema, which is dropped afterwards; skip where there is no server."""
    try:
        connection = psycopg.connect(SERVER, autocommit=True, connect_timeout=3)
    except psycopg.OperationalError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"there is no PostgreSQL at {SERVER}: {error}")
    name = f"stratopt_{secrets.token_hex(6)}"
    with connection:
        connection.execute(f"CREATE SCHEMA {name}")
        connection.execute("SELECT 1")
    try:
        yield f"{SERVER}?options=-csearch_path%3D{name}"
    finally:
        with psycopg.connect(SERVER, autocommit=True) as cleaner:
            cleaner.execute(f"DROP SCHEMA {name} CASCADE")


def emptied(storage: SqlStorage) -> SqlStorage:
    """Remove every row, which is quicker than to make the tables anew."""
    database = storage._database
    tables = [name for name in database.get_tables() if name != "schema_migrations"]
    if tables:
        database.execute_sql(f"TRUNCATE {', '.join(tables)} CASCADE")
    return storage
