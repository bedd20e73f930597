"""What tests of several folders need: a really started server, and bars to feed it."""

import asyncio
import csv
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

READY_SECONDS = 30.0
STOP_SECONDS = 20.0

POLICIES = Path(__file__).parent / "policies"
LAX = "lax/v1"
"""Name of a policy that approves whatever ran soundly: for tests of what comes after."""
MARKET_FILES = Path(__file__).parent.parent.parent / "shared" / "data" / "market"
"""Real bars, where they are present."""


class ServerProcess:
    """A server in a process of its own, on a free port, with SQLite in a folder of the test's."""

    def __init__(self, data_dir: Path, settings: Mapping[str, str] | None = None) -> None:
        """Start it and wait until it says where it listens."""
        self.data_dir = data_dir
        self._log_path = data_dir.with_suffix(".log")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("STRATOPT_")}
        environment |= {
            "XDG_CONFIG_HOME": str(data_dir),  # nobody's own settings
            "STRATOPT_LISTEN": "127.0.0.1:0",
            "STRATOPT_DATA_DIR": str(data_dir),
            "STRATOPT_RELAY_BIND": "tcp://127.0.0.1:*",
            "STRATOPT_RELAY_REQUESTS_BIND": "tcp://127.0.0.1:*",
            "STRATOPT_RELAY_HEARTBEAT_SECONDS": "0.5",
            "STRATOPT_POLICIES_DIR": str(POLICIES),
            "STRATOPT_HARD_GATES_MAY_LOOSEN": "true",
            **(settings or {}),
        }
        with self._log_path.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "stratopt_server"],
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                text=True,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the server did not start:\n{self.log()}"
        ready = json.loads(line)
        self.address: str = ready["listening"]
        self.metrics: str | None = ready.get("metrics")
        """Where it serves /metrics, where it does."""

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def log(self) -> str:
        """Everything the server has logged."""
        return self._log_path.read_text()

    def terminate(self) -> int:
        """Ask it to stop, wait, and return its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> int:
        """Kill it as a power cut would."""
        self._process.kill()
        return self.wait()

    def hang_up(self) -> None:
        """Ask it to read its routes again."""
        self._process.send_signal(signal.SIGHUP)

    def wait(self) -> int:
        """Wait for its end and return its exit code."""
        code = self._process.wait(STOP_SECONDS)
        if self._process.stdout is not None:
            self._process.stdout.close()
        return code

    def stop(self) -> None:
        """End it, however it is."""
        if self._process.poll() is None:
            try:
                self.terminate()
            except subprocess.TimeoutExpired:
                self.kill()
        elif self._process.stdout is not None:
            self._process.stdout.close()


async def eventually(condition: Callable[[], Awaitable[bool]], *, within: float, because: str) -> None:
    """Wait until the condition holds; fail with the reason if it does not in time."""
    deadline = time.monotonic() + within
    while not await condition():
        assert time.monotonic() < deadline, f"not within {within} s: {because}"
        await asyncio.sleep(0.02)


def write_bars(
    path: Path,
    *,
    count: int,
    seed: int = 1,
    step: timedelta = timedelta(hours=1),
    start: datetime = datetime(2023, 1, 1, tzinfo=UTC),
    regime_bars: int = 0,
    regime_drift: float = 0.0,
    noise: float = 0.01,
) -> Path:
    """Write a CSV file of random-walk bars and return its path.

    With regimes, prices drift up for so many bars, then down for as many: an edge that is planted.
    """
    rng = np.random.default_rng(seed)
    drift = np.zeros(count)
    if regime_bars:
        drift = np.where(np.arange(count) // regime_bars % 2 == 0, regime_drift, -regime_drift)
    closes = 100 * np.exp(np.cumsum(rng.normal(drift, noise)))
    opens = np.concatenate([[100.0], closes[:-1]]) * np.exp(rng.normal(0, 0.001, count))
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["timestamp", "open", "high", "low", "close", "volume"])
        for number, (opened, closed) in enumerate(zip(opens, closes, strict=True)):
            high, low = max(opened, closed) * 1.001, min(opened, closed) / 1.001
            moment = (start + number * step).isoformat()
            writer.writerow([moment, opened, high, low, closed, round(float(rng.uniform(1, 9)), 3)])
    return path


def close_to(left: float, right: float) -> bool:
    """Tell whether two figures agree as the engine's contract has it."""
    return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-12)
