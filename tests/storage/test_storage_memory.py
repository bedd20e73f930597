"""The stores in memory keep every promise of the ports."""

import pytest
from storage_suite import *  # noqa: F403 - its tests are this file's

from stratopt_server.storage.memory import MemoryStorage


@pytest.fixture
def storage() -> MemoryStorage:
    """An empty storage."""
    return MemoryStorage()
