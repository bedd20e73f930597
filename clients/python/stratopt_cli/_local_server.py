"""A server of our own, for as long as it is needed."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from stratopt_cli._children import child
from stratopt_cli._serve import SERVER_MODULE

START_SECONDS_MAX = 30.0


@asynccontextmanager
async def local_server(folder: Path) -> AsyncIterator[str]:
    """Start a server whose files are all in `folder`; yield its address; stop it whatever happens."""
    # The user's own settings, a database first of all, are not for this one: neither variables nor a file.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("STRATOPT_")}
    settings = {
        "XDG_CONFIG_HOME": str(folder),
        "STRATOPT_LISTEN": "127.0.0.1:0",
        "STRATOPT_DATA_DIR": str(folder / "data"),
        "STRATOPT_RELAY_BIND": "tcp://127.0.0.1:*",
        "STRATOPT_RELAY_REQUESTS_BIND": "tcp://127.0.0.1:*",
    }
    async with child(
        SERVER_MODULE,
        inherited | settings,
        name="server",
        start_seconds_max=START_SECONDS_MAX,
        log=folder / "server.log",
    ) as server:
        yield server.address
