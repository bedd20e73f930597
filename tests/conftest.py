"""Fixtures that several folders use."""

import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from stratopt_client import Client
from stratopt_client.sync import SyncClient
from support import ServerProcess, write_bars

# Whoever runs the tests in the background may have SIGINT ignored, and what we start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Examples are drawn anew on every run at a desk; in CI a change is judged by the same ones every time.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One really started server that most tests share; each test uses a symbol or ids of its own."""
    process = ServerProcess(tmp_path_factory.mktemp("server") / "data")
    yield process
    process.stop()


@pytest.fixture
async def client(server: ServerProcess) -> AsyncIterator[Client]:
    """A client of the shared server."""
    async with Client(server.address) as opened:
        yield opened


@pytest.fixture(scope="session")
def bars_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2,000 hourly random-walk bars from 2023-01-01 on."""
    return write_bars(tmp_path_factory.mktemp("bars") / "walk.csv", count=2_000)


@pytest.fixture(scope="session")
def walk(server: ServerProcess, bars_file: Path) -> str:
    """The symbol under which those bars are on the shared server."""
    with SyncClient(server.address) as client:
        client.market_data.import_file(bars_file, symbol="WALK/USDT", exchange="test")
    return "WALK/USDT"
