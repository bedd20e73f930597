"""`stratopt gateway` and `stratopt up`: the REST door, alone or with a server behind it."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Annotated

import typer
from rich.text import Text

from stratopt_cli._children import Child, child
from stratopt_cli._serve import SERVER_MODULE, server_environment
from stratopt_cli._session import CommandFailed, Session, require, session_of
from stratopt_client import DEFAULT_TARGET

GATEWAY_MODULE = "stratopt_gateway"
START_SECONDS_MAX = 60.0
"""A server upgrades its database first."""

GatewayListen = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="Address of the REST door; port 0 takes a free one."),
]


def gateway_environment(*, listen: str | None, server: str | None) -> dict[str, str]:
    """Return our environment with settings of the gateway; None leaves what is there."""
    settings = {"STRATOPT_GATEWAY_LISTEN": listen, "STRATOPT_GATEWAY_SERVER": server}
    return {**os.environ, **{name: value for name, value in settings.items() if value is not None}}


def gateway(
    context: typer.Context,
    listen: GatewayListen = None,
    server: Annotated[
        str | None, typer.Option("--server", metavar="HOST:PORT", help="Where the gRPC server listens.")
    ] = None,
) -> None:
    """Run the REST gateway of a server in the foreground; Ctrl-C stops it.

    Each option is also a setting in the environment: STRATOPT_GATEWAY_LISTEN,
    STRATOPT_GATEWAY_SERVER. The routes are described at /docs and /openapi.json.
    """
    session = session_of(context, server, as_json=False)
    with session.failures_told():
        require(GATEWAY_MODULE, extra="gateway")
        require("fastapi", extra="gateway")
        # Our default is the gateway's too; what stands in the environment goes before it.
        wanted = None if session.server == DEFAULT_TARGET else session.server
        os.execve(  # noqa: S606 - our own interpreter and our own module
            sys.executable,
            [sys.executable, "-m", GATEWAY_MODULE],
            gateway_environment(listen=listen, server=wanted),
        )


def up(
    context: typer.Context,
    listen: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Address of the gRPC server.")
    ] = None,
    gateway_listen: GatewayListen = None,
    data_dir: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Folder of bars and the database.")
    ] = None,
) -> None:
    """Run a server and its REST gateway together; Ctrl-C stops both.

    If one of them ends, the other is stopped too.
    """
    session: Session = context.obj
    with session.failures_told():
        require(SERVER_MODULE, extra="server")
        require("fastapi", extra="gateway")
    session.run(_up(session, server_environment(listen=listen, data_dir=data_dir), gateway_listen))


async def _up(session: Session, environment: dict[str, str], gateway_listen: str | None) -> None:
    with _ended_by_signals(), suppress(asyncio.CancelledError):
        async with child(
            SERVER_MODULE, environment, name="server", start_seconds_max=START_SECONDS_MAX
        ) as server:
            doors = gateway_environment(listen=gateway_listen, server=server.address)
            async with child(
                GATEWAY_MODULE, doors, name="gateway", start_seconds_max=START_SECONDS_MAX
            ) as front:
                document = {"server": server.address, "gateway": front.address}
                told = f"server   {server.address}\ngateway  {front.address}  (routes: {front.address}/docs)"
                session.show(document, Text(told))
                sys.stdout.flush()
                await _first_to_end(server, front)


async def _first_to_end(*children: Child) -> None:
    """Wait until one of them ends by itself, and say so as the failure it is."""
    tasks = {asyncio.create_task(one.ended()): one for one in children}
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    first = ended.pop()
    raise CommandFailed(
        f"the {tasks[first].name} ended with exit code {first.result()}; everything else is stopped"
    )


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and a closed terminal end the block in good order."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None, "a coroutine runs in a task"
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)
    yield
