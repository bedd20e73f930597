"""A Redis, a PostgreSQL, a slow line and a small disk, each of its own, to be broken and brought back."""

import asyncio
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import redis

START_SECONDS = 20.0
NOBODY = "postgres"
"""Whose process a PostgreSQL is where we are root: it refuses to be root's."""


class ProgramAbsent(RuntimeError):
    """This machine has no such program."""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RedisProcess:
    """A Redis that keeps nothing."""

    def __init__(self, folder: Path) -> None:
        """Start it; raises ProgramAbsent."""
        found = shutil.which("redis-server")
        if found is None:
            raise ProgramAbsent("redis-server is not installed")
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
        with redis.Redis.from_url(self.url, socket_connect_timeout=1) as client:
            _until(client.ping, redis.exceptions.RedisError)

    @property
    def is_running(self) -> bool:
        """Whether it was started, and not killed."""
        return self._process is not None

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


class PostgresProcess:
    """A cluster of its own, with a database for each who asks."""

    def __init__(self, folder: Path) -> None:
        """Make and start it; raises ProgramAbsent."""
        self._programs = _postgres_programs()
        self._data = folder / "postgres"
        self.port = free_port()
        self._as_owner = _as_owner(folder)
        self._run("initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync")
        self.start()

    def url(self, database: str) -> str:
        """Address of one of its databases."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """Make an empty database; return its address."""
        name = f"stratopt_{secrets.token_hex(6)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def start(self) -> None:
        """Start it, on the same port as before."""
        self._run(
            "pg_ctl", "start", "--wait", "--silent", f"--log={self._data}.log", f"--options={self._options}"
        )

    def stop(self, mode: str = "fast") -> None:
        """Stop it: `fast` in order, `immediate` as a power cut would."""
        self._run("pg_ctl", "stop", "--wait", "--silent", f"--mode={mode}")

    @property
    def _options(self) -> str:
        return f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as_owner, str(self._programs / program), f"--pgdata={self._data}", *arguments]
        # Its postmaster would keep our pipes open.
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, timeout=60)


def _postgres_programs() -> Path:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    found = shutil.which("pg_ctl")
    if found is not None:
        folders.append(Path(found).parent)
    if not folders:
        raise ProgramAbsent("PostgreSQL's own programs are not installed")
    return folders[-1]


def _as_owner(folder: Path) -> list[str]:
    """Give the folder to whom PostgreSQL may run as, and say how to be them."""
    if os.geteuid() != 0:
        return []
    shutil.chown(folder, NOBODY)
    for parent in folder.parents:
        with suppress(PermissionError):
            parent.chmod(parent.stat().st_mode | 0o011)
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]


def _until(call: object, *errors: type[Exception]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            call()  # type: ignore[operator]
        except errors:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


class SlowLine:
    """Passes TCP on to a port, at once or late, until it is told otherwise."""

    def __init__(self, port: int) -> None:
        """`port` is where it leads to."""
        self._to = port
        self.seconds = 0.0
        """How late everything is that passes, either way."""
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Begin to pass on."""
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """End."""
        if self._server is not None:
            self._server.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.close()
            return
        with suppress(OSError, asyncio.CancelledError):
            await asyncio.gather(self._copy(reader, back), self._copy(there, writer))

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while said := await source.read(65_536):
                if self.seconds:
                    await asyncio.sleep(self.seconds)
                sink.write(said)
                await sink.drain()
        finally:
            sink.close()


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """Yield a folder on a disk of that size; raises ProgramAbsent where none may be mounted."""
    folder = Path(f"/tmp/stratopt-disk-{secrets.token_hex(4)}")  # noqa: S108 - a mount point of our own
    folder.mkdir()
    options = f"size={megabytes}m"
    mount, umount = shutil.which("mount") or "mount", shutil.which("umount") or "umount"
    command = [mount, "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, check=False)
    if mounted.returncode:
        folder.rmdir()
        raise ProgramAbsent("no disk may be mounted here")
    try:
        yield folder
    finally:
        subprocess.run([umount, "--lazy", str(folder)], check=False)
        with suppress(OSError):
            folder.rmdir()
