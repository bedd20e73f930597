"""A server of our own, for as long as it is needed."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from stratopt_cli._serve import SERVER_MODULE
from stratopt_cli._session import CommandFailed

START_SECONDS_MAX = 30.0
STOP_SECONDS_MAX = 15.0
LOG_LINES_SHOWN = 15


@asynccontextmanager
async def local_server(folder: Path) -> AsyncIterator[str]:
    """Start a server whose files are all in `folder`; yield its address; stop it whatever happens."""
    log = folder / "server.log"
    # The user's own settings, a database first of all, are not for this one.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("STRATOPT_")}
    settings = {"STRATOPT_LISTEN": "127.0.0.1:0", "STRATOPT_DATA_DIR": str(folder / "data")}
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            SERVER_MODULE,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env=inherited | settings,
            # Ctrl-C is ours to handle: the server is told to stop when its jobs have been.
            start_new_session=True,
        )
    try:
        address = await _address(process, log)
        draining = asyncio.create_task(_drain(process))
        yield address
        draining.cancel()
    finally:
        await _stop(process)


async def _address(process: asyncio.subprocess.Process, log: Path) -> str:
    """Return the address that the server says when it is ready."""
    assert process.stdout is not None, "it was started with a pipe"
    try:
        async with asyncio.timeout(START_SECONDS_MAX):
            while line := await process.stdout.readline():
                with suppress(ValueError, KeyError, TypeError):
                    return str(json.loads(line)["listening"])
    except TimeoutError:
        raise CommandFailed(f"the server was not ready after {START_SECONDS_MAX:g} s{_tail(log)}") from None
    raise CommandFailed(f"the server ended before it was ready{_tail(log)}")


async def _drain(process: asyncio.subprocess.Process) -> None:
    """Read on, so that a talkative server is not held up by a full pipe."""
    assert process.stdout is not None, "it was started with a pipe"
    while await process.stdout.read(65_536):
        pass


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Ask the server to end, and make sure that nothing of it is left."""
    try:
        with suppress(ProcessLookupError, TimeoutError):
            process.terminate()
            async with asyncio.timeout(STOP_SECONDS_MAX):
                await process.wait()
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with suppress(asyncio.CancelledError):
            await process.wait()


def _tail(log: Path) -> str:
    """Return the end of what the server wrote, on lines of its own."""
    lines = log.read_text(errors="replace").strip().splitlines()[-LOG_LINES_SHOWN:]
    return "; it wrote:\n  " + "\n  ".join(lines) if lines else "; it wrote nothing"
