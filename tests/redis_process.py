"""Redis for tests: the one that runs, and one of a test's own that may be killed."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
import redis

SERVER = os.environ.get("STRATOPT_TEST_REDIS", "redis://127.0.0.1:6379/9")
"""Where a Redis is expected, and the number of a database that tests may fill."""
START_SECONDS = 10.0


def running_redis() -> str:
    """URL of the Redis that runs; skips where there is none, but never in CI."""
    try:
        with redis.Redis.from_url(SERVER, socket_connect_timeout=2) as client:
            client.ping()
    except redis.exceptions.ConnectionError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"there is no Redis at {SERVER}: {error}")
    return SERVER


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RedisProcess:
    """A Redis in a process of its own, which keeps nothing."""

    def __init__(self, folder: Path) -> None:
        """Start it; skips where there is no redis-server, but never in CI."""
        found = shutil.which("redis-server")
        if found is None:
            assert not os.environ.get("CI"), "CI has a redis-server"
            pytest.skip("redis-server is not installed")
        self._program = found
        self._folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it, on the same port as before."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            [self._program, *options, "--dir", str(self._folder)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                with redis.Redis.from_url(self.url, socket_connect_timeout=1) as client:
                    client.ping()
            except redis.exceptions.RedisError:
                assert time.monotonic() < deadline, "redis-server did not start"
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """Kill it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Let it answer nobody, with its connections open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
