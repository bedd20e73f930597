"""The stores in an SQLite file keep every promise of the ports."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from storage_suite import *  # noqa: F403 - its tests are this file's

from stratopt_server.storage.sql import SqlStorage


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database without rows: to copy it is faster than to migrate another."""
    path = tmp_path_factory.mktemp("migrated") / "stratopt.db"
    SqlStorage.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def storage(tmp_path: Path, migrated: Path) -> Iterator[SqlStorage]:
    """An empty storage in a file."""
    path = shutil.copy(migrated, tmp_path)
    with closing(SqlStorage.open(f"sqlite:///{path}", migrated=True)) as opened:
        yield opened
