"""The one fixture of the market tests."""

from pathlib import Path

import pytest

from stratopt_server.market.columns import ColumnStore


@pytest.fixture
def store(tmp_path: Path) -> ColumnStore:
    """An empty column store."""
    return ColumnStore(tmp_path / "columns")
