"""The server's side of the templates: starts them, keeps them alive, and has them fork."""

import asyncio
import contextvars
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stratopt_server.domain.parts import Part, PartStatus
from stratopt_server.domain.speeds import Speeds
from stratopt_server.engine.cache import kernel_cache
from stratopt_server.jobs.messages import (
    MESSAGE_BYTES_MAX,
    Exited,
    Kill,
    Ready,
    Start,
    Task,
    ToTemplate,
    decode,
    encode,
)
from stratopt_server.logs import LogFormat
from stratopt_server.tasks import end
from stratopt_server.usecases.estimates import left

log = logging.getLogger(__name__)

RESTART_SECONDS_MAX = 30.0
READY_SECONDS_MAX = 180.0
"""How long a template may load: a first one compiles every kernel."""
SWEEP_LOADS_SECONDS, REPORT_LOADS_SECONDS, COMPILING_SECONDS = 1.5, 5.0, 30.0
"""How long a template is expected to load, and how much longer if no kernel has been compiled yet."""
LINE_BYTES_MAX = 1 << 20
"""Size of one message from a job's process."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended: by itself with a code, or by a signal."""

    code: int | None
    signal: int | None


class Worker:
    """One forked process, as the server sees it."""

    def __init__(self, run: int, template: "Template", messages: asyncio.StreamReader) -> None:
        self._run = run
        self._template = template
        self._messages = messages
        self._ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()

    async def messages(self) -> AsyncIterator[Any]:
        """Yield what the process says, until it says no more."""
        while line := await self._messages.readline():
            yield decode(line)

    async def ended(self) -> Ended:
        """Wait for its end."""
        return await asyncio.shield(self._ended)

    def kill(self) -> None:
        """Have it killed; nothing happens if it has ended."""
        self._template.send(Kill(self._run))

    def end(self, ended: Ended) -> None:
        """Note its end."""
        if not self._ended.done():
            self._ended.set_result(ended)


class Template:
    """One template process, started again whenever it is lost."""

    def __init__(
        self,
        name: str,
        *arguments: str,
        cache_dir: Path,
        loads_seconds: float,
        on_ready: Callable[[Speeds], None],
    ) -> None:
        """`arguments` go to the template's command line; it is expected to load for so long.

        `on_ready` is called when it has loaded, with what it has measured.
        """
        self.name = name
        self._arguments = arguments
        self._cache_dir = kernel_cache(cache_dir)
        self._workers: dict[int, Worker] = {}
        self._runs = 0
        self._socket: socket.socket | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._ready = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._loading_since = float("inf")
        self._was_lost = False
        self._loads_seconds = loads_seconds + (0 if self._cache_dir.exists() else COMPILING_SECONDS)
        self._on_ready = on_ready

    @property
    def pid(self) -> int | None:
        """Its process id, while there is one."""
        return None if self._process is None else self._process.pid

    @property
    def is_ready(self) -> bool:
        """Tell whether everything is loaded."""
        return self._ready.is_set()

    @property
    def ready_in(self) -> float:
        """Seconds until everything should be loaded; from any thread."""
        if self.is_ready:
            return 0.0
        return left(self._loads_seconds, max(time.monotonic() - self._loading_since, 0.0))

    @property
    def takes_tasks(self) -> bool:
        """Tell whether a task should be given to it now.

        One that is loading is spared: what waits for it would hold a place that others can use. One that
        loads for too long is not, so that its tasks fail with a reason instead of waiting for ever.
        """
        loading = time.monotonic() - self._loading_since
        return self._keeper is None or self.is_ready or loading > READY_SECONDS_MAX

    def start(self) -> None:
        """Begin to keep a template process running."""
        if self._keeper is None:
            self._loading_since = time.monotonic()
            self._was_lost = False
            # It outlives whoever needed it first: what it logs is not about them.
            self._keeper = asyncio.create_task(
                self._keep(), name=f"template {self.name}", context=contextvars.Context()
            )

    async def stop(self) -> None:
        """End the template, and with it every process it forked."""
        await end(self._keeper)
        self._keeper = None

    async def fork(self, task: Task) -> Worker:
        """Have a process forked for the task, once the template is ready; TimeoutError if it never is."""
        self.start()
        async with asyncio.timeout(READY_SECONDS_MAX):
            await self._ready.wait()
        assert self._socket is not None, "a ready template has a socket"
        reading, writing = os.pipe()
        stream = asyncio.StreamReader(limit=LINE_BYTES_MAX)
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(reading, "rb", buffering=0)
        )
        self._runs += 1
        worker = Worker(self._runs, self, stream)
        self._workers[self._runs] = worker
        try:
            socket.send_fds(self._socket, [encode(Start(self._runs, task))], [writing])
        except OSError:  # the template has just been lost
            log.warning("template %s was lost", self.name)
            self._workers.pop(self._runs, None)
            worker.end(Ended(None, signal.SIGKILL))
        finally:
            os.close(writing)
        return worker

    def send(self, message: ToTemplate) -> None:
        """Send a message; a lost template needs none, its processes are gone with it."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.send(encode(message))

    async def _keep(self) -> None:
        pause = 1.0
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await self._live()
            except OSError:
                log.exception("template %s could not be started", self.name)
            finally:
                self._was_lost = True
                self._lose_workers()
            if asyncio.get_running_loop().time() - began > RESTART_SECONDS_MAX:
                pause = 1.0
            log.error("template %s ended, starting it again in %.0f s", self.name, pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, RESTART_SECONDS_MAX)

    async def _live(self) -> None:
        """Run one template process until it hangs up."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)  # noqa: FBT003 - the socket's own way
        with ours:
            with theirs:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "stratopt_server.jobs.template",
                    f"--socket={theirs.fileno()}",
                    *self._arguments,
                    pass_fds=[theirs.fileno()],
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    env=self._environment(),
                )
            self._socket = ours
            try:
                while message := await asyncio.get_running_loop().sock_recv(ours, MESSAGE_BYTES_MAX):
                    self._hear(decode(message))
            except ConnectionError:
                pass
            finally:
                self._ready.clear()
                self._loading_since = time.monotonic()
                self._socket = None
                await self._end_process()

    def _environment(self) -> dict[str, str]:
        """Nothing of ours is inherited: uploaded code will run in forks of this process."""
        return {
            "PATH": os.defpath,
            "HOME": str(self._cache_dir),
            "NUMBA_THREADING_LAYER": "workqueue",  # GNU OpenMP kills forked processes
            "NUMBA_CACHE_DIR": str(self._cache_dir),
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            "MPLCONFIGDIR": str(self._cache_dir),
        }

    def _hear(self, message: Any) -> None:
        match message:
            case Ready(speeds=speeds):
                self._ready.set()
                self._was_lost = False
                self._on_ready(speeds)
            case Exited(run=run, code=code, signal=number):
                worker = self._workers.pop(run, None)
                if worker is not None:
                    worker.end(Ended(code, number))

    def _lose_workers(self) -> None:
        """The kernel killed them when their template died."""
        for worker in self._workers.values():
            worker.end(Ended(None, signal.SIGKILL))
        self._workers.clear()

    async def _end_process(self) -> None:
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
        await process.wait()
        self._process = None

    def part(self) -> Part:
        """How the template is: ill once it was lost, or loads for too long, until it is ready again."""
        name = f"{self.name}_template"
        if self._keeper is None:
            return Part(name, PartStatus.IDLE, "started when it is needed")
        if self.is_ready:
            return Part(name, PartStatus.OK)
        loading = time.monotonic() - self._loading_since
        if self._was_lost:
            return Part(name, PartStatus.ILL, "starting again: it ended unexpectedly")
        if loading > READY_SECONDS_MAX:
            return Part(name, PartStatus.ILL, f"loading for {loading:.0f} s")
        return Part(name, PartStatus.IDLE, "loading")


class Templates:
    """The templates of one server: one with the kernels, one with vectorbt for reports too."""

    def __init__(
        self,
        cache_dir: Path,
        *,
        log_level: str,
        log_format: LogFormat,
        on_ready: Callable[[Speeds], None],
    ) -> None:
        """`on_ready` is called whenever one has loaded, with what it has measured."""
        logging_as = (f"--log-level={log_level}", f"--log-format={log_format}")
        self.sweep = Template(
            "sweep", *logging_as, cache_dir=cache_dir, loads_seconds=SWEEP_LOADS_SECONDS, on_ready=on_ready
        )
        self.report = Template(
            "report",
            "--report",
            *logging_as,
            cache_dir=cache_dir,
            loads_seconds=REPORT_LOADS_SECONDS,
            on_ready=on_ready,
        )

    def parts(self) -> list[Part]:
        """How they are."""
        return [self.sweep.part(), self.report.part()]

    async def stop(self) -> None:
        """End both."""
        await self.report.stop()
        await self.sweep.stop()
