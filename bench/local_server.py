"""A server in a process of its own for the time of a block, on a free loopback port."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class LocalServer:
    """A server that is up."""

    pid: int
    address: str


def own_environment(folder: str) -> dict[str, str]:
    """This process's environment without anybody's settings, of variables or of a file."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STRATOPT_")}
    return {**kept, "XDG_CONFIG_HOME": folder}


@contextmanager
def local_server(**settings: str) -> Iterator[LocalServer]:
    """Start it with its data in a temporary folder; stop it at the end of the block."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **own_environment(folder),
            "STRATOPT_LISTEN": "127.0.0.1:0",
            "STRATOPT_DATA_DIR": folder,
            "STRATOPT_RELAY_BIND": "tcp://127.0.0.1:*",
            "STRATOPT_RELAY_REQUESTS_BIND": "tcp://127.0.0.1:*",
            "STRATOPT_LOG_LEVEL": "WARNING",
            **settings,
        }
        command = [sys.executable, "-m", "stratopt_server"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
            try:
                assert process.stdout is not None
                ready = json.loads(process.stdout.readline())
                yield LocalServer(process.pid, ready["listening"])
            finally:
                process.send_signal(signal.SIGTERM)


@contextmanager
def local_gateway(server: str) -> Iterator[str]:
    """Start a gateway in front of a server; give its URL; stop it at the end of the block."""
    settings = {"STRATOPT_GATEWAY_LISTEN": "127.0.0.1:0", "STRATOPT_GATEWAY_SERVER": server}
    environment = {**os.environ, **settings, "STRATOPT_GATEWAY_LOG_LEVEL": "WARNING"}
    command = [sys.executable, "-m", "stratopt_gateway"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        try:
            assert process.stdout is not None
            url: str = json.loads(process.stdout.readline())["listening"]
            yield url
        finally:
            process.send_signal(signal.SIGTERM)
