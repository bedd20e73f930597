"""`stratopt strategy`: see which strategies there are."""

import typer

from stratopt_cli._arguments import Json, Server, examples
from stratopt_cli._render import strategies_table
from stratopt_cli._session import session_of
from stratopt_client import Client, to_dict

app = typer.Typer(no_args_is_help=True, help="See which strategies there are.")


@app.callback()
def group() -> None:
    """See which strategies there are."""


@app.command("list", epilog=examples("stratopt strategy list", "stratopt strategy list --json"))
def list_command(context: typer.Context, *, server: Server = None, as_json: Json = False) -> None:
    """List the strategies with their parameters, newest first."""
    session = session_of(context, server, as_json)

    async def work() -> None:
        async with Client(session.server) as client:
            strategies = [strategy async for strategy in client.strategies.list()]
        document = {"strategies": [to_dict(strategy) for strategy in strategies]}
        session.show(document, strategies_table(strategies))

    session.run(work())
