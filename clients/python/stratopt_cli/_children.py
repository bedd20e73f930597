"""Programs of ours as child processes: started until they say where they listen, stopped whatever happens."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from stratopt_cli._session import CommandFailed

STOP_SECONDS_MAX = 15.0
LOG_LINES_SHOWN = 15


@dataclass(frozen=True, slots=True)
class Child:
    """A program that is up."""

    name: str
    address: str
    process: asyncio.subprocess.Process

    async def ended(self) -> int:
        """Wait until it has ended by itself, and return its exit code."""
        return await self.process.wait()


@asynccontextmanager
async def child(
    module: str,
    environment: Mapping[str, str],
    *,
    name: str,
    start_seconds_max: float,
    log: Path | None = None,
) -> AsyncIterator[Child]:
    """Run `python -m module`; yield it once it has said where it listens; stop it at the end of the block.

    What it writes about itself goes to `log`, or to our own standard error.
    """
    process = await _started(module, environment, log)
    try:
        address = await _address(process, name, log, start_seconds_max)
        draining = asyncio.create_task(_drain(process))
        yield Child(name, address, process)
        draining.cancel()
    finally:
        await _stop(process)


async def _started(
    module: str, environment: Mapping[str, str], log: Path | None
) -> asyncio.subprocess.Process:
    errors = None if log is None else log.open("wb")
    try:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env=dict(environment),
            # Ctrl-C is ours to handle: a child is told to stop when its time has come.
            start_new_session=True,
        )
    finally:
        if errors is not None:
            errors.close()


async def _address(
    process: asyncio.subprocess.Process, name: str, log: Path | None, seconds_max: float
) -> str:
    """Return the address that the program says when it is ready."""
    assert process.stdout is not None, "it was started with a pipe"
    try:
        async with asyncio.timeout(seconds_max):
            while line := await process.stdout.readline():
                with suppress(ValueError, KeyError, TypeError):
                    return str(json.loads(line)["listening"])
    except TimeoutError:
        raise CommandFailed(f"the {name} was not ready after {seconds_max:g} s{_tail(log)}") from None
    raise CommandFailed(f"the {name} ended before it was ready{_tail(log)}")


async def _drain(process: asyncio.subprocess.Process) -> None:
    """Read on, so that a talkative program is not held up by a full pipe."""
    assert process.stdout is not None, "it was started with a pipe"
    while await process.stdout.read(65_536):
        pass


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Ask the program to end, and make sure that nothing of it is left."""
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


def _tail(log: Path | None) -> str:
    """Return the end of what the program wrote, on lines of its own."""
    if log is None:
        return "; what it wrote stands above"
    lines = log.read_text(errors="replace").strip().splitlines()[-LOG_LINES_SHOWN:]
    return "; it wrote:\n  " + "\n  ".join(lines) if lines else "; it wrote nothing"
