"""What every command shares: where the server is, where output goes, and how failures are told."""

import asyncio
import importlib.util
import json
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import typer
from rich.console import Console, RenderableType

from stratopt_client import DEFAULT_TARGET, JobCancelled, JobFailed, StratoptError, to_dict

EXIT_REFUSED = 1
EXIT_INTERRUPTED = 130
PLAIN_WIDTH = 120
"""Columns of output that goes into a file or a pipe."""


class CommandFailed(Exception):
    """A command cannot go on; the message says why and what to do."""


class Interrupted(Exception):
    """The user pressed Ctrl-C, and what had to be stopped has been."""


def _console(*, stderr: bool = False) -> Console:
    console = Console(stderr=stderr, highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    return console


@dataclass(slots=True)
class Session:
    """One invocation of the command line: results go to `out`, everything else to `err`."""

    server: str = DEFAULT_TARGET
    as_json: bool = False
    caller: str = ""
    """Who asks: jobs of different callers take turns in the queue."""
    out: Console = field(default_factory=_console)
    err: Console = field(default_factory=lambda: _console(stderr=True))

    def note(self, text: str) -> None:
        """Tell the user something that is not the result."""
        self.err.print(text, markup=False, soft_wrap=True)

    def show(self, document: object, *views: RenderableType) -> None:
        """Print the result: the document as JSON if that is wanted, else the views."""
        if self.as_json:
            # Not through rich: it would fold long lines.
            print(json.dumps(document, indent=2))
            return
        for view in views:
            self.out.print(view)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Do the work; a failure is told and ends the program."""
        with self.failures_told():
            asyncio.run(work)

    @contextmanager
    def failures_told(self) -> Iterator[None]:
        """Tell a failure inside in a few lines, never as a traceback, and end with its exit code."""
        try:
            yield
        except (Interrupted, KeyboardInterrupt):
            raise typer.Exit(EXIT_INTERRUPTED) from None
        except StratoptError as error:
            self._fail(str(error), **_facts(error))
        except grpc.aio.AioRpcError as error:
            code = error.code().name
            self._fail(f"the call failed with {code}: {error.details()}", code=code)
        except (CommandFailed, OSError) as error:
            self._fail(str(error))

    def _fail(self, message: str, **facts: object) -> None:
        if self.as_json:
            print(json.dumps({"error": {"message": message, **facts}}, indent=2))
        self.err.print("error:", style="bold red", end=" ")
        self.note(message)
        raise typer.Exit(EXIT_REFUSED)


def session_of(context: typer.Context, server: str | None, as_json: bool) -> Session:
    """Return the session with what the command itself was given, before what stands in front of it."""
    session: Session = context.obj
    session.server = server or session.server
    session.as_json = as_json or session.as_json
    return session


def require(module: str, *, extra: str) -> None:
    """Raise CommandFailed unless a part of stratopt that is installed separately is there."""
    if importlib.util.find_spec(module) is None:
        raise CommandFailed(f"this needs {module}, which is not installed: pip install 'stratopt[{extra}]'")


def _facts(error: StratoptError) -> dict[str, object]:
    facts: dict[str, object] = {
        "code": error.code.name,
        "reason": error.reason,
        "metadata": error.metadata,
        "violations": [
            {"field": violation.field, "reason": violation.reason, "description": violation.description}
            for violation in error.violations
        ],
    }
    if isinstance(error, JobFailed | JobCancelled):
        facts["job"] = to_dict(error.job)
    return facts
