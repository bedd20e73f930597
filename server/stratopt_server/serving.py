"""What needs the whole server: serving, and the commands that read and write its storage."""

import argparse
import asyncio
import json
import signal

from stratopt_server import __version__, logs
from stratopt_server.app import AdvisorAbsent, UnknownPolicy, UnusableCache, UnusableRoutes, running
from stratopt_server.backup.archive import UnusableBackup
from stratopt_server.backup.commands import add_backup, add_restore
from stratopt_server.decisions.documents import PolicyFault
from stratopt_server.decisions.signing import UnusableKey
from stratopt_server.domain.clock import Clock
from stratopt_server.relay.curve import UnusableCurveKeys
from stratopt_server.relay.sockets import PublicRelay
from stratopt_server.settings import Settings, UnusableSettings
from stratopt_server.settings_reading import read_settings
from stratopt_server.storage.dialect import DatabaseUnusable, UnsupportedDatabase
from stratopt_server.transport.server import AddressInUse, PublicAddress

COMMANDS = (add_backup, add_restore)
"""What each adds a command to the parser; its default `run` does the work and raises what went wrong."""

STARTING_FAULTS = (
    AddressInUse,
    AdvisorAbsent,
    DatabaseUnusable,
    OSError,
    PolicyFault,
    PublicAddress,
    PublicRelay,
    UnknownPolicy,
    UnsupportedDatabase,
    UnusableBackup,
    UnusableCache,
    UnusableCurveKeys,
    UnusableKey,
    UnusableRoutes,
    UnusableSettings,
)
"""What an operator can mend; anything else is a bug and shows its traceback."""


async def serve(settings: Settings, clock: Clock | None = None) -> None:
    """Serve until a signal asks to stop; one JSON line on standard output says where.

    `clock` takes the place of the system's.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(settings, clock) as app:
        reloads: set[asyncio.Task[None]] = set()

        def reload() -> None:
            task = asyncio.ensure_future(app.reload_routes())
            reloads.add(task)
            task.add_done_callback(reloads.discard)

        loop.add_signal_handler(signal.SIGHUP, reload)
        ready = {"listening": app.address, "data_dir": str(settings.data_dir), "version": __version__}
        if app.metrics is not None:
            ready["metrics"] = app.metrics
        print(json.dumps(ready), flush=True)  # noqa: T201 - how whoever started us learns the port
        await stop.wait()


def run(_: argparse.Namespace) -> None:
    """Serve with the settings of the environment. Raises one of STARTING_FAULTS if that cannot be."""
    settings = read_settings()
    logs.configure(settings.log_level, settings.log_format)
    asyncio.run(serve(settings))
