"""What the bench of the relay and its test share: a server to kill, an outbox, a network that loses."""

import json
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import zmq

from bench.local_server import own_environment
from stratopt_client.sync import SyncClient
from stratopt_server.decisions.recipe import canonical
from stratopt_server.decisions.signing import SigningKey
from stratopt_server.domain.clock import Ids, SystemClock
from stratopt_server.domain.packages import ParameterPackage
from stratopt_server.storage.sql import SqlStorage

STRATEGY = "ma_cross_v1.0"
PARAMS = {"fast_period": 5, "slow_period": 30, "signal_threshold": 0.0}
PACKAGES_TOPIC = b"optimizer.pool.trading"
LAX = {
    "name": "lax",
    "version": 1,
    "description": "Approves whatever ran on sound bars: for measuring delivery.",
    "validity_days": 30,
    "criteria": {"data_integrity": {"kind": "hard", "threshold": True}},
}


def free_address() -> str:
    """Return a ZeroMQ address that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"tcp://127.0.0.1:{taken.getsockname()[1]}"


class KilledServer:
    """A server that can be killed and started again on the same data and addresses."""

    def __init__(self, folder: Path, *, module: str = "stratopt_server", **settings: str) -> None:
        """Nothing is started yet; `module` is what runs."""
        self._module = module
        policies = folder / "policies"
        policies.mkdir(parents=True, exist_ok=True)
        (policies / "lax-v1.json").write_text(json.dumps(LAX))
        self.data_dir = folder / "data"
        self.published, self.requests = free_address(), free_address()
        self._environment = {
            **own_environment(str(folder)),
            "STRATOPT_LISTEN": "127.0.0.1:0",
            "STRATOPT_DATA_DIR": str(self.data_dir),
            "STRATOPT_POLICIES_DIR": str(policies),
            "STRATOPT_HARD_GATES_MAY_LOOSEN": "true",
            "STRATOPT_RELAY_BIND": self.published,
            "STRATOPT_RELAY_REQUESTS_BIND": self.requests,
            "STRATOPT_RELAY_HEARTBEAT_SECONDS": "0.2",
            "STRATOPT_LOG_LEVEL": "ERROR",
            **settings,
        }
        self._process: subprocess.Popen[str] | None = None
        self.address = ""

    @property
    def pid(self) -> int:
        """Process id of the server."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it serves."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", self._module],
            stdout=subprocess.PIPE,
            env=self._environment,
            text=True,
        )
        assert self._process.stdout is not None
        ready = self._process.stdout.readline()
        assert ready, "the server did not start"
        self.address = json.loads(ready)["listening"]

    def kill(self) -> None:
        """Kill it as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to stop."""
        self._end(signal.SIGTERM)

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(30)
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None


def approved(address: str, bars: Path) -> str:
    """Import bars, have one backtest of them approved; return the package's id."""
    with SyncClient(address) as client:
        client.market_data.import_file(bars, symbol="OUT/USDT", exchange="test")
        backtest = client.backtests.start("OUT/USDT", STRATEGY, params=PARAMS)
        backtest.result(timeout=120)
        package: str = client.approvals.approve(STRATEGY, backtest.id, policy="lax/v1").parameter_package.id
        return package


class Outbox:
    """Adds packages to a server's database as approvals do: a place and signed bytes, a transaction each."""

    def __init__(self, data_dir: Path, like: str) -> None:
        """Every package is `like` one that was approved, but for its id and place."""
        self._storage = SqlStorage.open(f"sqlite:///{data_dir / 'stratopt.db'}", migrated=True)
        self._key = SigningKey.open(data_dir / "keys" / "signing.pem")
        found = self._storage.packages.get(like)
        assert found is not None
        self._like = found
        self._said = json.loads(found.signed_payload)
        self._ids = Ids(SystemClock())
        self.public_key = self._key.public_bytes

    def add(self, count: int) -> None:
        """Add so many."""
        for _ in range(count):
            with self._storage.transaction():
                self._storage.packages.add(self._next())

    def close(self) -> None:
        """Close the database."""
        self._storage.close()

    def _next(self) -> ParameterPackage:
        now = datetime.now(UTC)
        place = self._storage.packages.next_place(now=now)
        said = {**self._said, "package_id": self._ids.new("pkg"), "epoch": place.epoch, "seq": place.seq}
        payload = canonical(said)
        return replace(
            self._like,
            id=said["package_id"],
            epoch=place.epoch,
            seq=place.seq,
            signed_payload=payload,
            signature=self._key.sign(payload),
            created_at=now,
            published_at=None,
        )


@contextmanager
def losing(upstream: str, *, share: float, seed: int) -> Iterator[str]:
    """Pass on what is published there, but for a random share of the packages; yield the address."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    stop = threading.Event()
    chance = random.Random(seed)  # noqa: S311 - it keeps no secret
    out, heard = context.socket(zmq.PUB), context.socket(zmq.SUB)
    address = f"tcp://127.0.0.1:{out.bind_to_random_port('tcp://127.0.0.1')}"
    heard.subscribe(b"")
    heard.setsockopt(zmq.RECONNECT_IVL_MAX, 500)
    heard.connect(upstream)

    def pass_on() -> None:
        while not stop.is_set():
            if heard.poll(50):
                frames = heard.recv_multipart()
                if frames[0] != PACKAGES_TOPIC or chance.random() >= share:
                    out.send_multipart(frames)

    worker = threading.Thread(target=pass_on)
    worker.start()
    try:
        yield address
    finally:
        stop.set()
        worker.join()
        context.destroy(linger=0)
