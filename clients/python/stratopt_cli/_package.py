"""`stratopt package`: check signed parameters; see also `_tail`."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from stratopt_cli._arguments import Json, Server, examples
from stratopt_cli._figures import assigned
from stratopt_cli._session import CommandFailed, require, session_of
from stratopt_client import Client
from stratopt_client.packages import InvalidPackage, verify

app = typer.Typer(no_args_is_help=True, help="Check signed parameters, see them arrive, take one back.")

KEY_BYTES = 32


@app.command(
    "verify",
    epilog=examples(
        "stratopt package verify package.json --key 3b6a27bc...",
        "stratopt package verify package.json --key server.pub --json",
    ),
)
def verify_command(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(help="A package, as `approve --out` wrote it or as it was published.")
    ],
    *,
    key: Annotated[
        str, typer.Option(metavar="HEX_OR_FILE", help="The server's public key, or a file that holds it.")
    ],
    as_json: Json = False,
) -> None:
    """Check a package: signature, every field, and whether its time is over.

    Needs only the file and the public key; no server is asked. Exit code 0 if
    it may be used, 1 if not.
    """
    session = session_of(context, None, as_json)
    with session.failures_told():
        require("cryptography", extra="packages")
        try:
            package = verify(file.read_bytes(), read_key(key))
        except InvalidPackage as error:
            raise CommandFailed(f"do not use {file}: {error} ({error.reason})") from None
        session.show(package, *_views(package))


@app.command("key", epilog=examples("stratopt package key > server.pub", "stratopt package key --json"))
def key_command(context: typer.Context, *, server: Server = None, as_json: Json = False) -> None:
    """Print the public key of a server, in hex; keep it where nobody can change it."""
    session = session_of(context, server, as_json)

    async def work() -> None:
        async with Client(session.server) as client:
            key = await client.approvals.signing_key()
        session.show({"public_key": key.public_key.hex(), "key_id": key.key_id}, Text(key.public_key.hex()))

    session.run(work())


def read_key(given: str) -> bytes:
    """Read a key written in hex, or a file that holds its bytes or their hex."""
    content = Path(given).read_bytes() if Path(given).is_file() else given.encode()
    try:
        key = content if len(content) == KEY_BYTES else bytes.fromhex(content.decode().strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise CommandFailed(f"--key {given}: neither {KEY_BYTES} bytes in hex nor a file that holds a key")
    return key


def _views(package: dict[str, Any]) -> list[Text]:
    provenance = package["provenance"]
    return [
        Text(f"{package['package_id']} is signed and unchanged, valid until {package['valid_until']}"),
        Text(f"{package['strategy_id']} on {package['symbol']} {package['timeframe']}: {package['action']}"),
        Text(f"params  {assigned(package['parameters'])}"),
        Text(f"position size {package['position_size']:.3g}, risk {package['risk_level']}"),
        Text(f"approved by {provenance['policy']} in decision {package['decision_id']}"),
    ]
