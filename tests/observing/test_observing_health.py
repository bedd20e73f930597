"""How the server is, at every door, by one rule."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import zmq
from gateway_process import GatewayProcess
from observing_samples import RUN, SEARCH, SYMBOL

from stratopt_client import Client
from stratopt_client.sync import SyncClient
from stratopt_server.domain.parts import Health, Part, PartStatus, health_of
from support import ServerProcess, eventually

NOBODY = "127.0.0.1:9"
BARE = {"STRATOPT_REPORT_TEMPLATE": "false"}
"""Nothing is backtested here, or only late."""
ILL, OK, IDLE = PartStatus.ILL, PartStatus.OK, PartStatus.IDLE


@pytest.mark.parametrize(
    ("ill", "draining", "expected"),
    [
        ((), False, Health.OK),
        (("scanner", "review"), False, Health.OK),
        (("cache",), False, Health.DEGRADED),
        (("cache", "scanner"), False, Health.DEGRADED),
        (("cache", "database"), False, Health.ILL),
        (("relay",), False, Health.ILL),
        (("relay_requests",), False, Health.ILL),
        ((), True, Health.ILL),
    ],
)
def test_rule(ill: tuple[str, ...], *, draining: bool, expected: Health) -> None:
    """Absent neighbours are no illness, the cache is dispensable, everything else is needed."""
    names = ("database", "cache", "relay", "relay_requests", "scanner", "review", "sweep_template")
    parts = [Part(name, ILL if name in ill else IDLE if name == "cache" else OK) for name in names]
    assert health_of(parts, draining=draining) is expected


def health(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("STRATOPT_")}
    return subprocess.run(
        [sys.executable, "-m", "stratopt_server", "health", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=clean | environment,
    )


def test_command_says_whether_it_serves(seen: ServerProcess) -> None:
    """0 and not a word where a server serves, at the address given or at the setting's."""
    for done in (health(seen.address), health(STRATOPT_LISTEN=seen.address)):
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    port = seen.address.rpartition(":")[2]
    assert health(f"0.0.0.0:{port}").returncode == 0


@pytest.mark.parametrize(("address", "why"), [(NOBODY, "no answer"), ("127.0.0.1:0", "port 0")])
def test_command_says_why_not(address: str, why: str) -> None:
    """1, and one line that says why."""
    done = health(address)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith(f"{address}: ")
    assert why in line


def test_command_while_draining(tmp_path: Path, bars_file: Path) -> None:
    """A server on its way out is named NOT_SERVING."""
    server = ServerProcess(tmp_path / "data", {**BARE, "STRATOPT_DRAIN_SECONDS": "3"})
    try:
        with SyncClient(server.address) as client:
            client.market_data.import_file(bars_file, symbol=SYMBOL, exchange="test")
            client.optimizations.start(
                SYMBOL,
                strategy_id="ma_cross_v1.0",
                param_ranges={"fast_period": [2, 400], "slow_period": [401, 1_000]},
                fixed_params={"signal_threshold": 0.0},
                algorithm="random",
                max_iterations=100_000,
            )
        os.kill(server.pid, signal.SIGTERM)
        deadline = time.monotonic() + 5
        while (done := health(server.address)).returncode == 0:
            assert time.monotonic() < deadline
        assert "NOT_SERVING" in done.stderr
    finally:
        server.stop()


def ask(address: str, context: zmq.Context[zmq.Socket[bytes]]) -> dict[str, Any]:
    """Ask the ROUTER how the server is."""
    with context.socket(zmq.REQ) as asker:
        asker.setsockopt(zmq.LINGER, 0)
        asker.connect(address)
        asker.send_json({"method": "health_check", "params": {}, "id": "1"})
        assert asker.poll(10_000)
        answer = asker.recv_json()
    assert isinstance(answer, dict)
    result: dict[str, Any] = answer["result"]
    return result


async def test_absent_neighbours_are_no_illness(tmp_path: Path) -> None:
    """REST and the ROUTER agree: a scanner that is away is told of, and the server is well."""
    nobody = f"tcp://{NOBODY}"
    settings = {**BARE, "STRATOPT_SCANNER_CONNECT": nobody, "STRATOPT_REVIEW_CONNECT": nobody}
    server = ServerProcess(tmp_path / "data", settings)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    gateway = None
    try:
        async with Client(server.address) as client:

            async def bound() -> bool:
                parts = {part.name: part.status for part in (await client.system.info()).parts}
                return parts["relay"] == parts["relay_requests"] == parts["database"]

            await eventually(bound, within=10, because="the relay binds")
            info = await client.system.info()
        gateway = GatewayProcess(server.address, tmp_path / "gateway.log")
        with gateway.open() as http:
            answer = http.get("/health")
        assert (answer.status_code, answer.json()["status"]) == (200, "ok")
        assert answer.json()["parts"]["scanner"]["status"] == "ill"
        asked = ask(info.relay_requests_address, context)
        assert (asked["healthy"], asked["health"]) == (True, "ok")
    finally:
        context.destroy(linger=0)
        if gateway is not None:
            gateway.stop()
        server.stop()


def test_ill_relay_is_named(tmp_path: Path) -> None:
    """A needed part that is ill makes a 503 that names it, in /health as in /api/metrics."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        server = ServerProcess(tmp_path / "data", {**BARE, "STRATOPT_RELAY_BIND": address})
        gateway = GatewayProcess(server.address, tmp_path / "gateway.log")
        try:
            with gateway.open() as http:
                sick = http.get("/health")
                counted = http.get("/api/metrics").json()
        finally:
            gateway.stop()
            server.stop()
    assert (sick.status_code, sick.json()["status"]) == (503, "ill")
    assert sick.json()["detail"].startswith("relay: ")
    assert counted["parts"]["relay"]["status"] == "ill"
    assert counted["parts"]["database"] == {"status": "ok", "detail": ""}
    assert "sweep_template" in counted["parts"]


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


async def scrape(server: ServerProcess) -> str:
    """Read what Prometheus would."""
    async with httpx.AsyncClient(trust_env=False) as http:
        return (await http.get(f"http://{server.metrics}/metrics")).text


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A Redis of our own, and its URL."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("redis-server is not installed")
    pytest.importorskip("redis")
    port = free_port()
    process = subprocess.Popen(
        [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)],
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 10
    while True:
        with socket.socket() as asker:
            if asker.connect_ex(("127.0.0.1", port)) == 0:
                break
        assert time.monotonic() < deadline, "Redis does not start"
        time.sleep(0.05)
    yield f"redis://127.0.0.1:{port}/0", process
    process.kill()
    process.wait()


async def test_dead_redis_degrades(
    tmp_path: Path, bars_file: Path, redis: tuple[str, subprocess.Popen[bytes]]
) -> None:
    """Without Redis the answer is 200, degraded, the cache named; calls and jobs go on."""
    url, process = redis
    settings = {**BARE, "STRATOPT_REDIS_URL": url, "STRATOPT_METRICS_LISTEN": "127.0.0.1:0"}
    server = ServerProcess(tmp_path / "data", settings)
    gateway = GatewayProcess(server.address, tmp_path / "gateway.log")
    try:
        async with Client(server.address) as client:
            await client.market_data.import_file(bars_file, symbol=SYMBOL, exchange="test")
            with gateway.open() as http:

                async def says(word: str) -> bool:
                    answer = http.get("/health")
                    return bool(answer.json()["status"] == word)

                await eventually(lambda: says("ok"), within=10, because="everything is well")
                process.kill()
                process.wait()
                await (await client.optimizations.start(SYMBOL, **SEARCH)).result(timeout=60)
                await (await client.backtests.start(SYMBOL, **RUN)).cancel()  # looked for in the cache
                await eventually(lambda: says("degraded"), within=10, because="the cache was lost")
                answer = http.get("/health")
                assert answer.status_code == 200
                assert answer.json()["parts"]["cache"]["status"] == "ill"
                assert answer.json()["detail"].startswith("cache: ")
                assert http.get("/api/metrics").json()["parts"]["cache"]["status"] == "ill"
            info = await client.system.info()
            context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
            asked = ask(info.relay_requests_address, context)
            context.destroy(linger=0)
            assert (asked["healthy"], asked["health"]) == (True, "degraded")

        async def shown() -> bool:
            text = await scrape(server)
            return 'stratopt_part_up{part="cache"} 0.0' in text

        await eventually(shown, within=12, because="Prometheus is told")
        text = await scrape(server)
        assert 'stratopt_cache_lookups_total{outcome="error"} 0.0' not in text
        assert health(server.address).returncode == 0
    finally:
        gateway.stop()
        server.stop()
