"""`stratopt decision`: look at decisions, judge them by other policies, review those that ask for it."""

import asyncio
from typing import Annotated, Literal

import typer
from rich.text import Text

from stratopt_cli._arguments import Html, Json, Server, examples
from stratopt_cli._parse import criteria
from stratopt_cli._render_decision import decision_views, decisions_table
from stratopt_cli._session import EXIT_REFUSED, session_of
from stratopt_client import Client, to_dict
from stratopt_client.packages import document_of

app = typer.Typer(no_args_is_help=True, help="Look at decisions, and review those that ask for it.")

LISTED = 20
Outcome = Literal["approve", "review", "reject"]
DecisionId = Annotated[str, typer.Argument(help="Id of a decision, dec_...", show_default=False)]
Criterion = Annotated[
    list[str] | None,
    typer.Option(
        "--criterion",
        "-c",
        metavar="NAME=VALUE",
        help="A criterion of the policy to set to another value; again for each.",
    ),
]
PolicyName = Annotated[
    str | None,
    typer.Option("--policy", metavar="NAME/vN", help="The policy; not given: the server's own."),
]


@app.command("show", epilog=examples("stratopt decision show dec_1m83w2wbg8y3q3mda --html decision.html"))
def show(
    context: typer.Context,
    decision: DecisionId,
    *,
    html: Html = None,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Show one decision with every gate; with --html write its page, with pictures, to a file."""
    session = session_of(context, server, as_json)

    async def work() -> None:
        async with Client(session.server) as client:
            found = await client.approvals.decision(decision)
            if html is not None:
                page = await client.approvals.decision_html(decision)
                await asyncio.to_thread(html.write_text, page, encoding="utf-8")
                session.note(f"page: {html}")
        session.show(to_dict(found), *decision_views(found))

    session.run(work())


@app.command("list", epilog=examples("stratopt decision list --outcome review"))
def list_command(
    context: typer.Context,
    *,
    outcome: Annotated[Outcome | None, typer.Option(help="Only decisions of this outcome.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most decisions to show.")] = LISTED,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """List decisions, newest first."""
    session = session_of(context, server, as_json)

    async def work() -> None:
        async with Client(session.server) as client:
            page = await client.approvals.decisions(outcome=outcome).page(size=limit)
        rows = page.rows[:limit]
        session.show([to_dict(row) for row in rows], decisions_table(rows))

    session.run(work())


@app.command(
    "reevaluate",
    epilog=examples(
        "stratopt decision reevaluate dec_1m83w2wbg8y3q3mda --policy conservative/v1",
        "stratopt decision reevaluate dec_1m83w2wbg8y3q3mda --criterion dsr=0.99",
    ),
)
def reevaluate(
    context: typer.Context,
    decision: DecisionId,
    *,
    policy: PolicyName = None,
    criterion: Criterion = None,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Tell what another policy would have decided on the same evidence.

    Nothing is run and nothing is stored.
    """
    session = session_of(context, server, as_json)
    wanted = criteria(criterion or ())

    async def work() -> None:
        async with Client(session.server) as client:
            found = await client.approvals.reevaluate(decision, policy=policy, approval_criteria=wanted)
        session.show(to_dict(found), *decision_views(found))

    session.run(work())


@app.command(
    "review",
    epilog=examples(
        "stratopt decision review dec_1m83w2wbg8y3q3mda approved --reviewer ada --note 'small size'"
    ),
)
def review(
    context: typer.Context,
    decision: DecisionId,
    word: Annotated[str, typer.Argument(help="approved or rejected.", show_default=False)],
    *,
    reviewer: Annotated[str, typer.Option(metavar="NAME", help="Who reviews.")],
    note: Annotated[str, typer.Option(metavar="TEXT", help="Why.")] = "",
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Record a person's word on a decision that asks for one.

    `approved` signs and publishes its package. Exit code 0 if it may trade
    then, 1 if not.
    """
    session = session_of(context, server, as_json)
    may_trade = False

    async def work() -> None:
        nonlocal may_trade
        async with Client(session.server) as client:
            answer = await client.approvals.review(decision, word, reviewer=reviewer, note=note)
        package = document_of(answer.parameter_package) if answer.HasField("parameter_package") else None
        document = {"decision": to_dict(answer.decision), "parameter_package": package}
        session.show(document, Text(f"{decision} was {word} by {reviewer}"))
        may_trade = package is not None

    session.run(work())
    if not may_trade:
        raise typer.Exit(EXIT_REFUSED)
