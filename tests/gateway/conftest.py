"""One gateway over the shared server."""

from collections.abc import Iterator

import httpx
import pytest
from gateway_process import GatewayProcess, done

from support import ServerProcess


@pytest.fixture(scope="session")
def gateway(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """One really started gateway that most tests share."""
    process = GatewayProcess(server.address, tmp_path_factory.mktemp("gateway") / "log")
    yield process
    assert process.stop() == 0, process.log()


@pytest.fixture
def http(gateway: GatewayProcess) -> Iterator[httpx.Client]:
    """A client of the shared gateway."""
    with gateway.open() as client:
        yield client


@pytest.fixture(scope="session")
def report_id(gateway: GatewayProcess, walk: str) -> str:
    """A succeeded backtest of the shared walk."""
    with gateway.open() as client:
        wanted = {
            "symbol": walk,
            "strategy_id": "ma_cross_v1.0",
            "start_date": "2023-01-01",
            "end_date": "2023-03-20",
            "params": {"fast_period": 5, "slow_period": 30, "signal_threshold": 0},
        }
        task_id: str = client.post("/api/backtest/start", json=wanted).json()["task_id"]
        done(client, "/api/backtest/status", task_id=task_id)
    return task_id
