"""A server between a scanner and a review desk, with bars and routes."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import zmq
from relay_market import ROUTES, Market, Pipelines, load_bars
from relay_peers import Speaker

from support import ServerProcess, write_bars


@pytest.fixture(scope="session")
def neighbours() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    """The context of the neighbours' sockets."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    yield context
    context.destroy(linger=0)


@pytest.fixture(scope="session")
def market_bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bars with an edge that is planted."""
    path = tmp_path_factory.mktemp("relay") / "bars.csv"
    return write_bars(path, count=2_500, regime_bars=100, regime_drift=0.002)


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory, neighbours: Any, market_bars: Path) -> Iterator[Market]:
    """One server that the tests of this folder share."""
    folder = tmp_path_factory.mktemp("market")
    routes = folder / "routes.yaml"
    routes.write_text(ROUTES)
    scanner, desk = Speaker(neighbours), Speaker(neighbours)
    server = ServerProcess(
        folder / "data",
        {
            "STRATOPT_SCANNER_CONNECT": scanner.address,
            "STRATOPT_REVIEW_CONNECT": desk.address,
            "STRATOPT_ROUTES_FILE": str(routes),
        },
    )
    load_bars(server.address, market_bars)
    scanner.wait_heard()
    desk.wait_heard(topics=4)
    yield Market(server, scanner, desk, routes)
    server.stop()
    scanner.socket.close()
    desk.socket.close()


@pytest.fixture
async def pipelines(market: Market) -> AsyncIterator[Pipelines]:
    """The pipelines of the shared server."""
    async with grpc.aio.insecure_channel(market.server.address) as channel:
        yield Pipelines(channel)
