"""Lets these tests find the PostgreSQL of the storage tests, the domain samples and the feed's peer."""

import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
sys.path += [str(TESTS / folder) for folder in ("storage", "domain", "packages")]

from backup_tools import Site  # noqa: E402 - the paths come first


@pytest.fixture
def full(tmp_path: Path) -> Site:
    """A site with rows, bars and a key."""
    return Site(tmp_path / "full").filled().with_files()


@pytest.fixture
def file(full: Site, tmp_path: Path) -> Path:
    """A backup of it."""
    full.done("backup", tmp_path / "b.zip")
    return tmp_path / "b.zip"


@pytest.fixture
def empty(tmp_path: Path) -> Site:
    """A site that is not there yet."""
    return Site(tmp_path / "empty")
