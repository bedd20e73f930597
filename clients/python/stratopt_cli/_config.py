"""`stratopt config`: the settings of the server, as it reads them itself."""

import os
import sys

import typer

from stratopt_cli._arguments import Json, examples
from stratopt_cli._serve import SERVER_MODULE, server_environment
from stratopt_cli._session import require, session_of

app = typer.Typer(no_args_is_help=True, help="See the settings of the server.")


@app.command(
    "show",
    epilog=examples(
        "stratopt config show",
        "STRATOPT_CONFIG_FILE=./stratopt.toml stratopt config show --json",
    ),
)
def show_command(context: typer.Context, *, as_json: Json = False) -> None:
    """Print every setting, its value and where that came from.

    They are those that `stratopt serve` would start with here, not those of
    a server that is running. Passwords and keys are hidden. Faults are told,
    one a line, with exit code 2.
    """
    session = session_of(context, None, as_json)

    with session.failures_told():
        require(SERVER_MODULE, extra="server")
        command = [sys.executable, "-m", SERVER_MODULE, "config", "show"]
        os.execve(  # noqa: S606 - our own interpreter and our own module
            sys.executable, [*command, "--json"] if session.as_json else command, server_environment()
        )
