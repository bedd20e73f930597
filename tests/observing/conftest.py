"""A server that shows everything there is to see, and bars to work on."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from observing_samples import SYMBOL

from stratopt_client.sync import SyncClient
from support import ServerProcess

TESTS = Path(__file__).parent.parent
sys.path += [str(TESTS / folder) for folder in ("gateway", "domain")]


@pytest.fixture(scope="session")
def seen(tmp_path_factory: pytest.TempPathFactory, bars_file: Path) -> Iterator[ServerProcess]:
    """One server that logs JSON and serves metrics; tests of this folder share it."""
    settings = {
        "STRATOPT_METRICS_LISTEN": "127.0.0.1:0",
        "STRATOPT_LOG_FORMAT": "json",
        "STRATOPT_LOG_LEVEL": "DEBUG",
    }
    process = ServerProcess(tmp_path_factory.mktemp("seen") / "data", settings)
    with SyncClient(process.address) as client:
        client.market_data.import_file(bars_file, symbol=SYMBOL, exchange="test")
    yield process
    process.stop()
