"""`stratopt route`: which opportunities become pipelines of which strategies."""

from collections.abc import Sequence

import typer
from rich.table import Table

from stratopt.v1.pipeline_pb2 import Route
from stratopt_cli._arguments import Json, Server, examples
from stratopt_cli._render import plain_table
from stratopt_cli._session import session_of
from stratopt_client import Client, to_dict

app = typer.Typer(no_args_is_help=True, help="See and reload the routes that opportunities take.")

ANY = "any"


@app.command("list", epilog=examples("stratopt route list"))
def list_command(context: typer.Context, *, server: Server = None, as_json: Json = False) -> None:
    """List the routes in force; an opportunity takes the first that takes it."""
    session = session_of(context, server, as_json)

    async def work() -> None:
        async with Client(session.server) as client:
            routes = await client.pipelines.routes()
        session.show([to_dict(route) for route in routes], _table(routes))

    session.run(work())


@app.command("reload", epilog=examples("stratopt route reload"))
def reload(context: typer.Context, *, server: Server = None, as_json: Json = False) -> None:
    """Have the server read its routes file again.

    What is wrong with the file is told, all of it, and the routes stay as
    they were.
    """
    session = session_of(context, server, as_json)

    async def work() -> None:
        async with Client(session.server) as client:
            routes = await client.pipelines.reload_routes()
        session.note(f"{len(routes)} routes are in force")
        session.show([to_dict(route) for route in routes], _table(routes))

    session.run(work())


def _table(routes: Sequence[Route]) -> Table:
    table = plain_table("route", "kinds", "symbols", "confidence", "strategies", "policy")
    for route in routes:
        least = f">= {route.confidence_min:g}" if route.HasField("confidence_min") else ANY
        table.add_row(
            route.name,
            ", ".join(route.kinds) or ANY,
            ", ".join(route.symbols) or ANY,
            least,
            ", ".join(route.strategy_ids),
            route.policy or "the server's own",
        )
    return table
