"""`stratopt backup` and `stratopt restore`: done by the server's own module, with its settings."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from stratopt_cli._arguments import Json, examples
from stratopt_cli._serve import SERVER_MODULE, server_environment
from stratopt_cli._session import require, session_of

ALLOW = "--allow-missing-bars"
backup_epilog = examples(
    "stratopt backup /mnt/backup/stratopt.zip",
    "STRATOPT_DATABASE_URL=postgresql://stratopt@db/stratopt stratopt backup ./today.zip --force",
)
restore_epilog = examples("STRATOPT_DATA_DIR=./new stratopt restore /mnt/backup/stratopt.zip")


def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File to write.", show_default=False)],
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    allow_missing_bars: Annotated[
        bool, typer.Option(ALLOW, help="Go on if bars of a dataset are missing or damaged.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write the database, the bars and the signing key into one file.

    As they are at one moment, while servers run. The database and the folder
    are those that `stratopt serve` would use here. The file holds the signing
    key: only you can read it, keep it so.
    """
    _become(context, "backup", file, flags=_flags(force, allow_missing_bars), as_json=as_json)


def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Backup to restore.", show_default=False)],
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Move another signing key away, if one is there.")
    ] = False,
    allow_missing_bars: Annotated[
        bool, typer.Option(ALLOW, help="Leave out bars that are damaged in the file.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Fill an empty database from a backup, whichever kind of database it was made of.

    Stop the servers first: it is refused while one runs. The database and the folder are those that
    `stratopt serve` would use here; a database with rows is refused. Either
    everything is restored or nothing.
    """
    _become(context, "restore", file, flags=_flags(force, allow_missing_bars), as_json=as_json)


def _flags(force: bool, allow_missing_bars: bool) -> list[str]:
    return ["--force"] * force + [ALLOW] * allow_missing_bars


def _become(context: typer.Context, command: str, file: Path, *, flags: list[str], as_json: bool) -> None:
    session = session_of(context, None, as_json)
    with session.failures_told():
        require(SERVER_MODULE, extra="server")
        flags = [*flags, *["--json"] * session.as_json]
        os.execve(  # noqa: S606 - our own interpreter and our own module
            sys.executable,
            [sys.executable, "-m", SERVER_MODULE, command, *flags, "--", str(file)],
            server_environment(),
        )
