"""`stratopt packages tail` and `revoke`: see packages arrive, and take one back."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from stratopt_cli._arguments import CONNECTION, Json, Server, examples
from stratopt_cli._figures import assigned
from stratopt_cli._package import read_key
from stratopt_cli._session import CommandFailed, Session, require, session_of
from stratopt_client import Client, to_dict
from stratopt_client.packages import CurveKeys, PackageFeed, UnusableKeys, UnusableState

SILENCE_SECONDS = 15.0
"""Three heartbeats of a server."""

tail_epilog = examples(
    "stratopt packages tail",
    "stratopt packages tail --key server.pub --state trader.db --json",
)
revoke_epilog = examples(
    "stratopt package revoke pkg_1m83w2wbg8y3q3mda --reason 'the exchange delists it' --by ada"
)


def tail(
    context: typer.Context,
    *,
    key: Annotated[
        str | None,
        typer.Option(metavar="HEX_OR_FILE", help="The server's public key; not given: the server is asked."),
    ] = None,
    address: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Where packages are published, tcp://...")
    ] = None,
    requests: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Where requests are answered, tcp://...")
    ] = None,
    state: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Remember the place here; go on behind it.")
    ] = None,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Begin with the first package there ever was.")
    ] = False,
    count: Annotated[int | None, typer.Option(min=1, help="End after so many.")] = None,
    curve_secret: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Our .key_secret file.", rich_help_panel=CONNECTION)
    ] = None,
    curve_server: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The server.key file.", rich_help_panel=CONNECTION)
    ] = None,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Show packages and revocations as they arrive, checked, none missing; Ctrl-C ends it.

    With --json each is one line of JSON.
    """
    session = session_of(context, server, as_json)

    async def work() -> None:
        require("zmq", extra="packages")
        require("cryptography", extra="packages")
        public, published, asked = await _found(session, key, address, requests)
        try:
            feed = PackageFeed(
                published,
                requests=asked,
                key=public,
                state=state,
                start="all" if from_start or state is not None else "new",
                curve=_curve(curve_secret, curve_server),
            )
            session.note(f"listening on {published}")
            async with feed, _worried(session, feed):
                await feed.run(_Shown(session, feed, count), _Shown(session, feed, None))
        except (UnusableKeys, UnusableState) as error:
            raise CommandFailed(str(error)) from None

    session.run(work())


def revoke(
    context: typer.Context,
    package: Annotated[str, typer.Argument(help="Id of a package, pkg_...", show_default=False)],
    *,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why.")],
    by: Annotated[str, typer.Option(metavar="NAME", help="Who revokes it.")],
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Say that a package may trade no more, and tell everyone who subscribed."""
    session = session_of(context, server, as_json)

    async def work() -> None:
        async with Client(session.server) as client:
            found = await client.approvals.revoke(package, reason=reason, revoked_by=by)
        revocation = found.revocation
        told = f"{package} may trade no more: {revocation.reason} ({revocation.revoked_by})"
        session.show(to_dict(found), Text(told))

    session.run(work())


class _Shown:
    """Prints what arrives; ends the feed after so many."""

    def __init__(self, session: Session, feed: PackageFeed, count: int | None) -> None:
        self._session = session
        self._feed = feed
        self._left = count

    def __call__(self, document: dict[str, Any]) -> None:
        """Print one."""
        if self._session.as_json:
            print(json.dumps(document), flush=True)
        else:
            self._session.out.print(Text(_line(document)), soft_wrap=True)
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                self._feed.stop()


@asynccontextmanager
async def _worried(session: Session, feed: PackageFeed) -> AsyncIterator[None]:
    """Say so if nothing at all is heard at the beginning: not even a heartbeat."""

    async def look() -> None:
        await asyncio.sleep(SILENCE_SECONDS)
        if feed.status().seconds_since_heard is None:
            session.note(
                "nothing heard yet, not even a heartbeat: is the server there, and does it ask for keys "
                "(--curve-secret, --curve-server)?"
            )

    looking = asyncio.create_task(look())
    try:
        yield
    finally:
        looking.cancel()


def _line(document: dict[str, Any]) -> str:
    place = f"{document['seq']:>6}  {document.get('timestamp', '')}  {document['package_id']}"
    if "revoked_by" in document:
        return f"{place}  REVOKED by {document['revoked_by']}: {document.get('reason', '')}"
    return (
        f"{place}  {document.get('strategy_id')} on {document.get('symbol')}: {document.get('action')}  "
        f"{assigned(document['parameters'])}"
    )


async def _found(
    session: Session, key: str | None, address: str | None, requests: str | None
) -> tuple[bytes, str, str]:
    """Ask the server for what was not given."""
    public = None if key is None else read_key(key)
    if public is not None and address and requests:
        return public, address, requests
    async with Client(session.server) as client:
        info = await client.system.info()
        if public is None:
            public = (await client.approvals.signing_key()).public_key
            session.note("the key came from the server itself: give --key to check it against your own")
    published, asked = address or info.relay_address, requests or info.relay_requests_address
    if not published or not asked:
        raise CommandFailed(
            "the server publishes nothing now: its relay is off, or its address is taken; /health says more"
        )
    return public, published, asked


def _curve(secret: Path | None, server: Path | None) -> CurveKeys | None:
    if secret is None and server is None:
        return None
    if secret is None or server is None:
        raise CommandFailed("--curve-secret and --curve-server belong together")
    return CurveKeys(secret, server)
