"""`stratopt up` and `stratopt gateway`: really started, and ended together."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from support import ServerProcess

READY_SECONDS = 30.0


@asynccontextmanager
async def started(*arguments: str, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the command line as a program with its data in the folder."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith("STRATOPT_")}
    environment |= {
        "STRATOPT_LISTEN": "127.0.0.1:0",
        "STRATOPT_DATA_DIR": str(folder / "data"),
        "STRATOPT_RELAY_BIND": "tcp://127.0.0.1:*",
        "STRATOPT_RELAY_REQUESTS_BIND": "tcp://127.0.0.1:*",
        "STRATOPT_REPORT_TEMPLATE": "false",
        "STRATOPT_GATEWAY_LISTEN": "127.0.0.1:0",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "stratopt_cli.main",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def addresses(process: asyncio.subprocess.Process) -> tuple[str, str]:
    """Return the addresses of server and gateway that `up` prints."""
    assert process.stdout is not None
    found = []
    async with asyncio.timeout(READY_SECONDS):
        for word in (b"server", b"gateway"):
            line = await process.stdout.readline()
            assert line.startswith(word), line
            found.append(line.split()[1].decode())
    return found[0], found[1]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
async def test_up_runs_both_and_ends_both(tmp_path: Path, name: str) -> None:
    """The gateway speaks to the server; one signal ends everything, with exit code 0."""
    async with started("up", folder=tmp_path) as process:
        _, url = await addresses(process)
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            assert (await http.get("/api/strategies")).status_code == 200
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) >= 2
        process.send_signal(signal.Signals[name])
        _, err = await asyncio.wait_for(process.communicate(), READY_SECONDS)
    assert process.returncode == 0, err
    assert b"Traceback" not in err
    assert psutil.wait_procs(children, timeout=5)[1] == []


@pytest.mark.parametrize("victim", ["stratopt_server", "stratopt_gateway"])
async def test_death_of_one_ends_the_other(tmp_path: Path, victim: str) -> None:
    """And is told, with an exit code that says so."""
    async with started("up", folder=tmp_path) as process:
        await addresses(process)
        children = psutil.Process(process.pid).children()
        dying = next(child for child in children if victim in child.cmdline())
        dying.kill()
        _, err = await asyncio.wait_for(process.communicate(), READY_SECONDS)
    assert process.returncode == 1
    name = victim.removeprefix("stratopt_")
    assert f"error: the {name} ended with exit code -9; everything else is stopped" in err.decode()
    assert psutil.wait_procs(children, timeout=5)[1] == []


async def test_taken_port_is_told(tmp_path: Path) -> None:
    """What the gateway wrote stands above, the server is stopped, the exit code is 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        async with started("up", "--gateway-listen", address, folder=tmp_path) as process:
            _, err = await asyncio.wait_for(process.communicate(), READY_SECONDS)
    assert process.returncode == 1
    assert b"the gateway ended before it was ready" in err
    assert b"address already in use" in err


async def test_gateway_becomes_the_gateway(tmp_path: Path, server: ServerProcess) -> None:
    """With the server that stands in front of the command; SIGTERM ends it with exit code 0."""
    arguments = ("--server", server.address, "gateway", "--listen", "127.0.0.1:0")
    async with started(*arguments, folder=tmp_path) as process:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), READY_SECONDS)
        url = json.loads(line)["listening"]
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            assert (await http.get("/health")).json()["parts"]["server"]["status"] == "ok"
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), READY_SECONDS) == 0
