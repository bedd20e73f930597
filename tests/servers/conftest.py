"""Two servers on one PostgreSQL and one Redis."""

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent.parent / "storage"))

from servers_pair import Pair
from storage_postgres import schema_url

from stores import own_redis_in
from stratopt_client import Client
from support import write_bars


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two servers, with bars imported by way of the first."""
    folder = tmp_path_factory.mktemp("pair")
    redis = own_redis_in(folder)
    with schema_url() as url:
        servers = Pair(folder, url, redis)
        try:
            servers.load(write_bars(folder / "bars.csv", count=30_000))
            yield servers
        finally:
            servers.stop()
            redis.kill()


@pytest.fixture
def pair(both: Pair) -> Pair:
    """Both of them, alive: a test may kill what it likes."""
    both.revive()
    return both


@pytest.fixture
async def first(pair: Pair) -> AsyncIterator[Client]:
    """A client of the first."""
    async with Client(pair.first.address) as opened:
        yield opened


@pytest.fixture
async def second(pair: Pair) -> AsyncIterator[Client]:
    """A client of the second."""
    async with Client(pair.second.address) as opened:
        yield opened
