"""`stratopt serve`: become the server."""

import os
import sys
from typing import Annotated

import typer

from stratopt_cli._session import Session, require

SERVER_MODULE = "stratopt_server"


def server_environment(**settings: str | None) -> dict[str, str]:
    """Return our environment with settings of the server; None leaves what is there."""
    given = {f"STRATOPT_{name.upper()}": value for name, value in settings.items() if value is not None}
    # Where the command line finds its server is no setting of a server.
    inherited = {name: value for name, value in os.environ.items() if name != "STRATOPT_SERVER"}
    return inherited | given


def serve(
    context: typer.Context,
    listen: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Address to listen on; port 0 takes a free one."),
    ] = None,
    data_dir: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Folder of bars and the database.")
    ] = None,
    database_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Database, if not the one in the data folder.")
    ] = None,
) -> None:
    """Run a server in the foreground; Ctrl-C stops it, jobs go on when it starts again.

    Each option is also a setting in the environment: STRATOPT_LISTEN,
    STRATOPT_DATA_DIR, STRATOPT_DATABASE_URL.
    """
    session: Session = context.obj

    with session.failures_told():
        require(SERVER_MODULE, extra="server")
        environment = server_environment(listen=listen, data_dir=data_dir, database_url=database_url)
        os.execve(  # noqa: S606 - our own interpreter and our own module
            sys.executable, [sys.executable, "-m", SERVER_MODULE], environment
        )
