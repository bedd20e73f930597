"""What happens when a part is not there: the relay's port is taken, the server is gone, and comes back."""

import socket
import time
from collections.abc import Iterator

import httpx
import pytest
from gateway_process import GatewayProcess, done, events_of, problem_of
from plain_subscriber import plain_subscriber

from stratopt_client.packages import verify
from stratopt_client.sync import SyncClient
from support import LAX, ServerProcess, write_bars

RUN = {
    "symbol": "OUT/USDT",
    "strategy_id": "ma_cross_v1.0",
    "start_date": "2023-01-01",
    "end_date": "2023-03-01",
    "params": {"fast_period": 5, "slow_period": 30, "signal_threshold": 0},
}


@pytest.fixture(scope="module")
def blocker() -> Iterator[socket.socket]:
    """Somebody else's listener on the port that the relay wants."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture(scope="module")
def own_server(blocker: socket.socket, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of this module's own, which may be killed; its relay finds its port taken."""
    folder = tmp_path_factory.mktemp("outage")
    address = f"tcp://127.0.0.1:{blocker.getsockname()[1]}"
    process = ServerProcess(folder / "data", {"STRATOPT_RELAY_BIND": address})
    with SyncClient(process.address) as client:
        bars = write_bars(folder / "bars.csv", count=2_000)
        client.market_data.import_file(bars, symbol="OUT/USDT", exchange="test")
    yield process
    process.stop()


@pytest.fixture(scope="module")
def own_http(own_server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a gateway in front of that server."""
    gateway = GatewayProcess(own_server.address, tmp_path_factory.mktemp("own") / "log")
    with gateway.open() as http:
        yield http
    assert gateway.stop() == 0, gateway.log()


def healthy(http: httpx.Client, *, within: float) -> str:
    """Wait until every part is well, and return the relay's address."""
    deadline = time.monotonic() + within
    while (answer := http.get("/health")).status_code != 200:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.1)
    return str(answer.json()["parts"]["relay"]["detail"])


def test_approval_without_relay_is_published_when_it_is_back(
    own_http: httpx.Client, own_server: ServerProcess, blocker: socket.socket
) -> None:
    """The approval is answered; its package waits in the outbox until the port is free."""
    sick = own_http.get("/health")
    assert sick.status_code == 503
    assert (sick.json()["status"], sick.json()["parts"]["relay"]["status"]) == ("ill", "ill")
    task_id = own_http.post("/api/backtest/start", json=RUN).json()["task_id"]
    done(own_http, "/api/backtest/status", task_id=task_id)
    wanted = {"strategy_id": "ma_cross_v1.0", "backtest_id": task_id, "policy": LAX}
    first = own_http.post("/api/strategies/approve", json=wanted).json()
    assert first["approved"] is True, first["reason"]
    with SyncClient(own_server.address) as client:
        key = client.approvals.signing_key().public_key
        package_id = first["parameter_package"]["package_id"]
        assert own_http.get("/api/metrics").json()["packages_unpublished"] == 1
        assert not client.approvals.package(package_id).HasField("publish_time")
        blocker.close()
        address = healthy(own_http, within=25)
        with plain_subscriber(address) as subscriber:
            assert own_http.get("/api/metrics").json()["packages_unpublished"] == 0
            assert client.approvals.package(package_id).HasField("publish_time")
            second = own_http.post("/api/strategies/approve", json=wanted).json()
            package = verify(subscriber.receive(), key)
    assert package["package_id"] == second["parameter_package"]["package_id"]
    assert package["seq"] == verify(first["parameter_package"], key)["seq"] + 1


def test_gateway_outlives_its_server(own_http: httpx.Client, own_server: ServerProcess) -> None:
    """Every route says 503 with Retry-After, streams end with a problem, and health and metrics answer."""
    wanted = {
        "symbol": "OUT/USDT",
        "strategy_id": "ma_cross_v1.0",
        "param_ranges": {"fast_period": [2, 300], "slow_period": [301, 900], "signal_threshold": [0.0, 0.5]},
        "max_iterations": 100_000,
        "algorithm": "random",
    }
    started = own_http.post("/api/optimization/start", json=wanted).json()["optimization_id"]
    with own_http.stream("GET", f"/api/optimization/{started}/events") as answer:
        assert next(events_of(answer)) == {"retry": "2000"}
        own_server.kill()
    for verb, path, body in (
        ("GET", "/api/strategies", None),
        ("GET", f"/api/optimization/status?optimization_id={started}", None),
        ("GET", f"/api/optimization/{started}/events", None),
        ("GET", "/api/metrics", None),
        ("GET", "/api/reports", None),
        ("POST", "/api/backtest/start", RUN),
        ("POST", "/api/optimization/start", wanted),
        ("POST", f"/api/optimization/{started}/cancel", None),
        ("DELETE", "/api/strategies/x", None),
    ):
        answer = own_http.request(verb, path, json=body)
        assert problem_of(answer, 503)["reason"] == "UNREACHABLE"
        assert answer.headers["retry-after"] == "1"
    health = own_http.get("/health")
    assert (health.status_code, health.json()["parts"]["gateway"]["status"]) == (503, "ok")
    assert health.json()["parts"]["server"]["status"] == "ill"
    assert "stratopt_up 0.0" in own_http.get("/metrics").text


def test_gateway_finds_a_server_that_came_back(own_http: httpx.Client, own_server: ServerProcess) -> None:
    """On the same address, within seconds, without being restarted itself."""
    settings = {"STRATOPT_LISTEN": own_server.address, "STRATOPT_REPORT_TEMPLATE": "false"}
    again = ServerProcess(own_server.data_dir, settings)
    try:
        healthy(own_http, within=15)
        with SyncClient(again.address) as client:
            left = [job.id for job in client.optimizations.list() if job.strategy_id == "ma_cross_v1.0"]
        for job in left:  # what the kill left unfinished is taken up again, and can be cancelled
            assert own_http.post(f"/api/optimization/{job}/cancel").json()["status"] == "cancelled"
    finally:
        again.stop()
