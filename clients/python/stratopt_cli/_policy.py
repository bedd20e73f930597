"""`stratopt policy`: what decides."""

from typing import Annotated

import typer

from stratopt_cli._arguments import Json, Server, examples
from stratopt_cli._render_decision import policies_table, policy_views
from stratopt_cli._session import session_of
from stratopt_client import Client, to_dict

app = typer.Typer(no_args_is_help=True, help="Look at the policies that decide.")


@app.command("list", epilog=examples("stratopt policy list"))
def list_command(context: typer.Context, *, server: Server = None, as_json: Json = False) -> None:
    """List every policy, the one that the server decides by first."""
    session = session_of(context, server, as_json)

    async def work() -> None:
        async with Client(session.server) as client:
            found = await client.approvals.policies()
        session.show([to_dict(policy) for policy in found], policies_table(found))

    session.run(work())


@app.command("show", epilog=examples("stratopt policy show", "stratopt policy show conservative/v1"))
def show(
    context: typer.Context,
    policy: Annotated[
        str, typer.Argument(metavar="[NAME/vN]", help="Which; not given: the server's own.")
    ] = "",
    *,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Show one policy: its criteria, their thresholds, and what they measure."""
    session = session_of(context, server, as_json)

    async def work() -> None:
        async with Client(session.server) as client:
            found = await client.approvals.policy(policy)
        session.show(to_dict(found), *policy_views(found))

    session.run(work())
