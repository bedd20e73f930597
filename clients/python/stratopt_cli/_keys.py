"""`stratopt keys`: make the keys of the ZeroMQ sockets."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from stratopt_cli._arguments import Json, examples
from stratopt_cli._session import CommandFailed, require, session_of

app = typer.Typer(no_args_is_help=True, help="Make the keys of the ZeroMQ sockets.")

SERVER = "server"
SECRET_MODE = 0o600
FOLDER_MODE = 0o700


@app.command(
    "zmq",
    epilog=examples(
        "stratopt keys zmq --out ./zmq-keys --client trader --client dashboard",
        "STRATOPT_RELAY_CURVE_DIR=./zmq-keys stratopt serve",
    ),
)
def zmq_command(
    context: typer.Context,
    *,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the keys go.")],
    client: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A client that shall be let in; again for each."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make CURVE keys: the server's, and a pair for each client that is to be let in.

    The server's are made once; later calls add clients. No key is ever
    overwritten. A client needs its .key_secret file and server.key.
    """
    session = session_of(context, None, as_json)
    with session.failures_told():
        require("zmq", extra="packages")
        made = _make(out, client or [])
        views = [
            Text(f"server: {out / 'server.key_secret'} (keep it to yourself; the server reads the folder)"),
            *(
                Text(f"{name}: give it {pair['secret']} and {out / 'server.key'}")
                for name, pair in made["clients"].items()
            ),
            Text(f"start the server with STRATOPT_RELAY_CURVE_DIR={out}"),
            Text(
                f"for a scanner or review desk with keys, put its public key into {out / 'scanner.key'} or "
                f"{out / 'review.key'}"
            ),
        ]
        session.show(made, *views)


def _make(out: Path, clients: list[str]) -> dict[str, dict[str, dict[str, str]]]:
    listed = out / "clients"
    for name in clients:
        if not name.replace("-", "").replace("_", "").isalnum() or name == SERVER:
            raise CommandFailed(f"--client {name}: letters, digits, - and _ only, and not {SERVER!r}")
        for path in (listed / f"{name}.key", out / f"{name}.key_secret"):
            if path.exists():
                raise CommandFailed(f"{path} is there already: no key is overwritten. Remove it first")
    listed.mkdir(parents=True, exist_ok=True)
    out.chmod(FOLDER_MODE)
    if not (out / f"{SERVER}.key_secret").exists():
        _pair(out, SERVER, public_in=out)
    pairs = {name: _pair(out, name, public_in=listed) for name in clients}
    return {"server": {"keys": {"public": str(out / "server.key")}}, "clients": pairs}


def _pair(folder: Path, name: str, *, public_in: Path) -> dict[str, str]:
    import zmq.auth  # noqa: PLC0415 - an extra

    public, secret = (Path(path) for path in zmq.auth.create_certificates(folder, name))
    secret.chmod(SECRET_MODE)
    return {"public": str(public.replace(public_in / public.name)), "secret": str(secret)}
