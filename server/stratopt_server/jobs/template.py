"""The warm template: loads the engine once, then forks a process for each task.

Exec'd by the supervisor with an empty environment. It stays single-threaded in Python and holds no
database connection, no secret and no grpc, so a fork of it is safe and cheap.
"""

import argparse
import ctypes
import gc
import os
import selectors
import signal
import socket
import sys
from collections.abc import Callable

import numpy as np

from stratopt_server import logs
from stratopt_server.domain.speeds import Speeds
from stratopt_server.engine import sweep
from stratopt_server.engine.version import engine_digest
from stratopt_server.jobs import child
from stratopt_server.jobs.calibration import report_speeds, sweep_speeds
from stratopt_server.jobs.messages import MESSAGE_BYTES_MAX, Exited, Kill, Ready, Start, Task, decode, encode
from stratopt_server.storage import codec
from stratopt_server.validation.overfitting import probability_of_backtest_overfitting

PR_SET_PDEATHSIG = 1
LEISURE_SECONDS = 0.3
"""Without a task for so long, a template loads what only some tasks need."""


class Template:
    """Answers the supervisor until it hangs up."""

    def __init__(
        self, supervisor: socket.socket, speeds: Speeds, *, at_leisure: Callable[[], None] | None = None
    ) -> None:
        """`speeds` are what was measured of the engine; `at_leisure` loads what not every task needs."""
        self._supervisor = supervisor
        self._speeds = speeds
        self._at_leisure = at_leisure
        self._runs: dict[int, int] = {}  # pid of each process -> its run
        self._wakeup, wakeup_writer = socket.socketpair()
        for end in (self._wakeup, wakeup_writer):
            end.setblocking(False)  # noqa: FBT003 - the socket's own way
        signal.signal(signal.SIGCHLD, lambda *_: None)  # a handler is needed for the wake-up to happen
        signal.set_wakeup_fd(wakeup_writer.fileno(), warn_on_full_buffer=False)
        self._wakeup_writer = wakeup_writer

    def serve(self) -> None:
        """Fork, kill and reap on request."""
        self._supervisor.send(encode(Ready(self._speeds)))
        with selectors.DefaultSelector() as selector:
            selector.register(self._supervisor, selectors.EVENT_READ)
            selector.register(self._wakeup, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select(self._patience())}
                if not ready:
                    self._load_the_rest()
                if self._wakeup in ready:
                    self._wakeup.recv(4096)
                    self._reap()
                if self._supervisor in ready and not self._answer():
                    return

    def _patience(self) -> float | None:
        """How long nothing may happen before the rest is loaded; None once it is."""
        return None if self._at_leisure is None else LEISURE_SECONDS

    def _load_the_rest(self) -> None:
        if self._at_leisure is not None:
            self._at_leisure()
            self._at_leisure = None
            gc.freeze()

    def _answer(self) -> bool:
        """Do what one message asks; False once the supervisor has gone."""
        message, pipes, *_ = socket.recv_fds(self._supervisor, MESSAGE_BYTES_MAX, 1)
        if not message:
            return False
        match decode(message):
            case Start(run=run, task=task):
                pid = os.fork()
                if pid == 0:
                    self._become(task, pipes[0])
                self._runs[pid] = run
            case Kill(run=run):
                for pid in [pid for pid, other in self._runs.items() if other == run]:
                    os.kill(pid, signal.SIGKILL)  # not reaped yet, so the pid is still its own
        for pipe in pipes:
            os.close(pipe)
        return True

    def _become(self, task: Task, pipe: int) -> None:
        """Turn the fork into the task's process; does not return."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for end in (self._supervisor, self._wakeup, self._wakeup_writer):
            end.close()
        die_with_parent()
        child.run(task, pipe)

    def _reap(self) -> None:
        while self._runs:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            signalled = os.WIFSIGNALED(status)
            self._supervisor.send(
                encode(
                    Exited(
                        self._runs.pop(pid),
                        None if signalled else os.WEXITSTATUS(status),
                        os.WTERMSIG(status) if signalled else None,
                    )
                )
            )


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies, where the kernel can (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    """Load what was asked for, then serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--socket", type=int, required=True, help="descriptor of the supervisor's socket")
    parser.add_argument("--report", action="store_true", help="load vectorbt too")
    parser.add_argument("--log-level", default="INFO", help="least severity of what is logged")
    parser.add_argument("--log-format", choices=logs.LOG_FORMATS, default="text", help="how it is written")
    options = parser.parse_args()
    logs.configure(options.log_level, options.log_format)
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to handle
    supervisor = socket.socket(fileno=options.socket)
    sweep.warm()
    probability_of_backtest_overfitting(np.eye(4, 2), 2)  # its kernel likewise
    if options.report:
        from stratopt_server.engine import report  # noqa: PLC0415 - takes seconds, and not all need it

        report.preload()
    else:
        from stratopt_server.jobs import optimization  # noqa: F401, PLC0415 - every search needs it

    codec.prepare()
    engine_digest()
    # What is loaded stays: a collection that walks over it takes 0.2 s with vectorbt, here and in every fork.
    gc.freeze()
    # Each measures what is run from it.
    measured = Speeds(report=report_speeds()) if options.report else Speeds(sweep=sweep_speeds())
    Template(supervisor, measured, at_leisure=None if options.report else _load_surrogate).serve()


def _load_surrogate() -> None:
    """Load what a Bayesian search needs: seconds that each of them would take, and other jobs need not."""
    from stratopt_server.optimizers import bayesian  # noqa: F401, PLC0415


if __name__ == "__main__":
    main()
