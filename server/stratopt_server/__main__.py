"""`python -m stratopt_server`: read the settings, serve until SIGTERM or SIGINT, drain.

SIGHUP reads the routes file again.
"""

import asyncio
import json
import logging
import os
import signal
import sys

from pydantic import ValidationError

from stratopt_server import __version__
from stratopt_server.app import AdvisorAbsent, UnknownPolicy, UnusableRoutes, running
from stratopt_server.decisions.documents import PolicyFault
from stratopt_server.decisions.signing import UnusableKey
from stratopt_server.relay.curve import UnusableCurveKeys
from stratopt_server.relay.sockets import PublicRelay
from stratopt_server.settings import Settings, unknown_settings
from stratopt_server.storage.database import DatabaseUnusable, UnsupportedDatabase
from stratopt_server.transport.server import AddressInUse, PublicAddress


class UnknownSetting(ValueError):
    """A variable looks like a setting and is none."""


STARTING_FAULTS = (
    AddressInUse,
    AdvisorAbsent,
    DatabaseUnusable,
    OSError,
    PolicyFault,
    PublicAddress,
    PublicRelay,
    UnknownPolicy,
    UnknownSetting,
    UnsupportedDatabase,
    UnusableCurveKeys,
    UnusableKey,
    UnusableRoutes,
)
"""What an operator can mend; anything else is a bug and shows its traceback."""


async def serve(settings: Settings) -> None:
    """Serve until a signal asks to stop; one JSON line on standard output says where."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(settings) as app:
        reloads: set[asyncio.Task[None]] = set()

        def reload() -> None:
            task = asyncio.ensure_future(app.reload_routes())
            reloads.add(task)
            task.add_done_callback(reloads.discard)

        loop.add_signal_handler(signal.SIGHUP, reload)
        ready = {"listening": app.address, "data_dir": str(settings.data_dir), "version": __version__}
        print(json.dumps(ready), flush=True)  # noqa: T201 - how whoever started us learns the port
        await stop.wait()


def main() -> None:
    """Run the server; what keeps it from starting is one line on standard error and exit code 2."""
    try:
        refuse_unknown_settings()
        settings = Settings()
        logging.basicConfig(
            level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
        )
        asyncio.run(serve(settings))
    except ValidationError as error:
        for fault in error.errors():
            name = "_".join(str(part) for part in fault["loc"]).upper()
            print(f"STRATOPT_{name}: {fault['msg']}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    except STARTING_FAULTS as error:
        print(error, file=sys.stderr)  # noqa: T201
        sys.exit(2)


def refuse_unknown_settings() -> None:
    """A misspelt setting would be one that silently does nothing."""
    for name, nearest in unknown_settings(os.environ).items():
        hint = f": did you mean {nearest}?" if nearest else ""
        raise UnknownSetting(f"{name} is no setting{hint}")


if __name__ == "__main__":
    main()
