"""The stores in PostgreSQL keep every promise of the ports."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from storage_postgres import emptied, schema_url
from storage_suite import *  # noqa: F403 - its tests are this file's

from stratopt_server.storage.sql import SqlStorage


@pytest.fixture(scope="module")
def migrated() -> Iterator[str]:
    """URL of a database with tables and no rows."""
    with schema_url() as url:
        SqlStorage.open(url).close()
        yield url


@pytest.fixture
def storage(migrated: str) -> Iterator[SqlStorage]:
    """An empty storage on the server."""
    with closing(SqlStorage.open(migrated, migrated=True)) as opened:
        yield emptied(opened)
