"""What goes out, in every wording; keys; and that a dead or strange peer stops nothing."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import zmq
import zmq.asyncio
import zmq.auth
from relay_market import ROUTES, Market, load_bars
from relay_peers import Hearer, Speaker, asking, flat_b, two_frames

from stratopt.v1 import event_pb2, system_service_pb2
from stratopt_client import Client
from stratopt_client.packages import document_of
from stratopt_client.sync import SyncClient
from stratopt_server.relay.sockets import Sockets
from support import LAX, ServerProcess, eventually

STRATEGY = "ma_cross_v1.0"


def approved(address: str) -> Any:
    """Approve a backtest of the planted edge; return the package."""
    with SyncClient(address) as client:
        params = {"fast_period": 5, "slow_period": 30, "signal_threshold": 0.0}
        backtest = client.backtests.start("EDGE/USDT", STRATEGY, params=params)
        backtest.result(timeout=60)
        return client.approvals.approve(STRATEGY, backtest.id, policy=LAX).parameter_package


async def test_progress_of_jobs_is_told(market: Market) -> None:
    """Jobs say what they do, to whom it may concern, and end with their status."""
    with zmq.asyncio.Context() as context:
        listener = Hearer(context, market.info().relay_address, b"optimizer.progress")
        await listener.hear(b"optimizer.heartbeat")
        with SyncClient(market.server.address) as client:
            search = client.optimizations.start(
                "EDGE/USDT", STRATEGY, {"fast_period": {"min": 2, "max": 9}}, validation="none"
            )
            search.result(timeout=60)
        while True:
            told = await listener.hear(b"optimizer.progress")
            assert told["kind"] in ("optimization", "backtest", "pipeline")
            if told["id"] == search.id:
                assert 0 <= told["progress"] <= 1
                assert (told["symbol"], told["strategy_id"]) == ("EDGE/USDT", STRATEGY)
                if told["status"] == "succeeded":
                    break
        listener.socket.close()


async def test_string_framing_and_protobuf(tmp_path: Path, market_bars: Path) -> None:
    """By setting, messages are `topic JSON` in one frame, and packages come as Event bytes too."""
    server = ServerProcess(
        tmp_path / "data", {"STRATOPT_RELAY_FRAMING": "string", "STRATOPT_RELAY_PROTOBUF": "true"}
    )
    try:
        load_bars(server.address, market_bars)
        with SyncClient(server.address) as client:
            address = client.system.info().relay_address
        with zmq.asyncio.Context() as context:
            trader = Hearer(context, address, b"optimizer.pool.trading")
            await trader.hear(b"optimizer.heartbeat")
            package = approved(server.address)
            documents, events = [], []
            while not (documents and events):
                assert await trader.socket.poll(15_000)
                frames = await trader.socket.recv_multipart()
                if frames[0] == b"optimizer.pool.trading.pb":
                    events.append(event_pb2.Event.FromString(frames[1]).parameter_package)
                elif frames[0].startswith(b"optimizer.pool.trading "):
                    assert len(frames) == 1
                    documents.append(json.loads(frames[0].split(b" ", 1)[1]))
            trader.socket.close()
    finally:
        server.stop()
    events[0].ClearField("publish_time")
    package.ClearField("publish_time")
    assert events == [package]
    assert documents == [document_of(package)]


@pytest.fixture
def keyring(tmp_path: Path) -> Path:
    """A folder of keys: the server's, one listed client's, and those of the neighbours."""
    folder = tmp_path / "keys"
    (folder / "clients").mkdir(parents=True)
    zmq.auth.create_certificates(folder, "server")
    for name in ("trader", "stranger", "scanner", "review"):
        zmq.auth.create_certificates(tmp_path, name)
    (tmp_path / "trader.key").replace(folder / "clients" / "trader.key")
    for name in ("scanner", "review"):
        (tmp_path / f"{name}.key").replace(folder / f"{name}.key")
    return folder


@pytest.fixture
def guarded(tmp_path: Path, keyring: Path, neighbours: Any) -> Iterator[tuple[ServerProcess, Speaker]]:
    """A server with keys, and a scanner that is who its key says."""
    scanner = Speaker(neighbours, secret=zmq.auth.load_certificate(tmp_path / "scanner.key_secret"))
    (tmp_path / "routes.yaml").write_text(ROUTES)
    server = ServerProcess(
        tmp_path / "data",
        {
            "STRATOPT_RELAY_CURVE_DIR": str(keyring),
            "STRATOPT_SCANNER_CONNECT": scanner.address,
            "STRATOPT_ROUTES_FILE": str(tmp_path / "routes.yaml"),
            "STRATOPT_REPORT_TEMPLATE": "false",
        },
    )
    yield server, scanner
    server.stop()
    scanner.socket.close()


def with_keys(caller: zmq.Socket[bytes], tmp_path: Path, keyring: Path, name: str) -> None:
    """Have a socket call as that client."""
    caller.curve_publickey, caller.curve_secretkey = zmq.auth.load_certificate(
        tmp_path / f"{name}.key_secret"
    )
    caller.curve_serverkey = zmq.auth.load_certificate(keyring / "server.key")[0]


async def test_only_listed_keys_are_let_in(
    guarded: tuple[ServerProcess, Speaker], tmp_path: Path, keyring: Path
) -> None:
    """A listed client is answered and hears; a stranger and one without a key hear nothing, logged once."""
    server, scanner = guarded
    with SyncClient(server.address) as client:
        info = client.system.info()

    def heard(name: str | None, kind: int, address: str, within: int) -> bool:
        with zmq.Context() as context, context.socket(kind) as caller:
            caller.setsockopt(zmq.LINGER, 0)
            caller.setsockopt(zmq.SNDTIMEO, within)
            if name is not None:
                with_keys(caller, tmp_path, keyring, name)
            if kind == zmq.SUB:
                caller.subscribe(b"optimizer.heartbeat")
            caller.connect(address)
            if kind == zmq.REQ:
                with suppress(zmq.Again):  # who is refused has nobody to send to
                    caller.send(json.dumps({"method": "health_check", "id": "1"}).encode())
            return bool(caller.poll(within))

    for kind, address in ((zmq.REQ, info.relay_requests_address), (zmq.SUB, info.relay_address)):
        assert heard("trader", kind, address, 10_000)
        for name in ("stranger", None):
            assert not heard(name, kind, address, 500)
    assert server.log().count("refused a client with the key") == 1
    assert "without the keys it needs" in server.log()
    scanner.wait_heard()
    scanner.say(two_frames(flat_b("NOPE/USDT")))

    async def taken() -> bool:
        with SyncClient(server.address) as client:
            return client.system.metrics().messages_in["unknown_symbol"] == 1

    await eventually(taken, within=10, because="the scanner proves who it is")
    # A client that is listed while the server runs is let in.
    (tmp_path / "stranger.key").replace(keyring / "clients" / "stranger.key")
    assert heard("stranger", zmq.REQ, info.relay_requests_address, 10_000)


async def test_a_scanner_with_another_key_is_not_heard(
    tmp_path: Path, keyring: Path, neighbours: Any
) -> None:
    """Whoever answers at the scanner's address without its key says nothing that is believed."""
    impostor = Speaker(neighbours, secret=zmq.auth.load_certificate(tmp_path / "stranger.key_secret"))
    server = ServerProcess(
        tmp_path / "data",
        {
            "STRATOPT_RELAY_CURVE_DIR": str(keyring),
            "STRATOPT_SCANNER_CONNECT": impostor.address,
            "STRATOPT_REPORT_TEMPLATE": "false",
        },
    )
    try:

        async def ill() -> bool:
            with SyncClient(server.address) as client:
                parts = {part.name: part for part in client.system.info().parts}
            return parts["scanner"].status == system_service_pb2.PART_STATUS_ILL

        await eventually(ill, within=10, because="it is not connected")
        assert not impostor.socket.poll(1_000)
    finally:
        server.stop()
        impostor.socket.close()


async def test_wildcard_addresses_are_told_by_name(tmp_path: Path) -> None:
    """What is bound on every interface is told with the public host, one on loopback as it is."""
    server = ServerProcess(
        tmp_path / "data",
        {
            "STRATOPT_RELAY_BIND": "tcp://0.0.0.0:*",
            "STRATOPT_RELAY_PUBLIC_HOST": "relay.example",
            "STRATOPT_PUBLIC_WITHOUT_TLS": "true",
            "STRATOPT_REPORT_TEMPLATE": "false",
        },
    )
    try:
        async with Client(server.address) as client:

            async def told() -> bool:
                info = await client.system.info()
                return bool(info.relay_address and info.relay_requests_address)

            await eventually(told, within=10, because="both sockets are bound")
            info = await client.system.info()
        assert info.relay_address.startswith("tcp://relay.example:")
        assert info.relay_requests_address.startswith("tcp://127.0.0.1:")
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("bound", "told"),
    [
        ("tcp://*:5556", "tcp://host:5556"),
        ("tcp://[::]:5556", "tcp://host:5556"),
        ("tcp://10.0.0.0:5556", "tcp://10.0.0.0:5556"),
        ("ipc:///run/relay", "ipc:///run/relay"),
    ],
)
def test_what_is_told_of_an_address(bound: str, told: str) -> None:
    """Only wildcards are replaced, and only where a host is set."""
    limits = {"message_bytes_max": 1, "queue_messages_max": 1}
    assert Sockets(None, **limits, public_host="host").told(bound) == told
    assert Sockets(None, **limits).told(bound) == bound


FAULTS = {
    "no key": ({"STRATOPT_RELAY_CURVE_DIR": "{empty}"}, "server.key_secret"),
    "no key of the scanner": (
        {"STRATOPT_RELAY_CURVE_DIR": "{keys}", "STRATOPT_SCANNER_CONNECT": "tcp://127.0.0.1:1"},
        "scanner.key",
    ),
    "public requests": (
        {"STRATOPT_RELAY_REQUESTS_BIND": "tcp://0.0.0.0:5557"},
        "STRATOPT_PUBLIC_WITHOUT_TLS",
    ),
    "no routes": ({"STRATOPT_ROUTES_FILE": "{empty}/none.yaml"}, "none.yaml"),
    "wrong routes": ({"STRATOPT_ROUTES_FILE": "{bad}"}, "routes[0].strategies[0].param_ranges"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_keeps_it_from_starting_is_said(case: str, tmp_path: Path) -> None:
    """One line that names the file or the setting."""
    settings, words = FAULTS[case]
    keys = tmp_path / "keys"
    keys.mkdir()
    zmq.auth.create_certificates(keys, "server")
    bad = tmp_path / "bad.yaml"
    bad.write_text("version: 1\nroutes:\n  - name: a\n    strategies:\n      - strategy_id: x\n")
    paths = {"empty": tmp_path, "keys": keys, "bad": bad}
    settings = {name: value.format(**paths) for name, value in settings.items()}
    ended = subprocess.run(
        [sys.executable, "-m", "stratopt_server"],
        env={**os.environ, "STRATOPT_DATA_DIR": str(tmp_path / "data"), **settings},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_peer_that_speaks_no_zeromq_does_no_harm(market: Market) -> None:
    """HTTP, noise and half a greeting on every port; the next peer is served, each time."""
    info = market.info()
    noises = [b"GET / HTTP/1.1\r\n\r\n", b"\xff" + b"\0" * 8]
    noises += [bytes([first]) + os.urandom(4_095) for first in range(0, 256, 4)]
    for noise in noises:
        for address in (info.relay_address, info.relay_requests_address):
            host, port = address.removeprefix("tcp://").split(":")
            with socket.create_connection((host, int(port))) as peer:
                peer.sendall(noise)
        with asking(info.relay_requests_address) as asker:
            assert asker.result("health_check")
