"""`stratopt pipeline`: see what became of opportunities that scanners sent."""

from collections.abc import Sequence
from contextlib import aclosing
from typing import Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from stratopt.v1.opportunity_pb2 import DeadLetter
from stratopt.v1.pipeline_pb2 import Pipeline
from stratopt_cli._arguments import Json, Server, examples
from stratopt_cli._figures import UNDEFINED, moment
from stratopt_cli._follow import meter
from stratopt_cli._render import plain_table
from stratopt_cli._session import EXIT_REFUSED, Session, session_of
from stratopt_client import Client, PipelineHandle, to_dict

app = typer.Typer(no_args_is_help=True, help="See what became of opportunities that scanners sent.")

LISTED = 20
IDS = ("optimization_id", "backtest_id", "decision_id", "package_id")
PIPELINE = "pl_1m83w2wbg8y3q3mda"
Status = Literal["pending", "running", "succeeded", "failed", "cancelled"]
PipelineId = Annotated[str, typer.Argument(help="Id of a pipeline, pl_...", show_default=False)]


@app.command("list", epilog=examples("stratopt pipeline list --status running"))
def list_command(
    context: typer.Context,
    *,
    status: Annotated[Status | None, typer.Option(help="Only pipelines in this status.")] = None,
    symbol: Annotated[str | None, typer.Option(help="Only pipelines of this symbol.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most pipelines to show.")] = LISTED,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """List pipelines, newest first."""
    session = session_of(context, server, as_json)

    async def work() -> None:
        async with Client(session.server) as client:
            page = await client.pipelines.list(status=status, symbol=symbol).page(size=limit)
        rows = page.rows[:limit]
        table = plain_table("pipeline", "symbol", "kind", "route", "status", "decided", "came")
        for row in rows:
            shown = to_dict(row)
            runs = shown["strategy_runs"]
            decided = [f"{run['strategy_id']} {run['outcome']}" for run in runs if run["outcome"]]
            opportunity = row.opportunity
            table.add_row(
                row.id,
                opportunity.symbol,
                opportunity.kind or UNDEFINED,
                row.route,
                shown["status"],
                ", ".join(decided) or UNDEFINED,
                moment(row.create_time),
            )
        session.show([to_dict(row) for row in rows], table)

    session.run(work())


@app.command("show", epilog=examples(f"stratopt pipeline show {PIPELINE}"))
def show(
    context: typer.Context, pipeline: PipelineId, *, server: Server = None, as_json: Json = False
) -> None:
    """Show one pipeline: its opportunity, and how far each strategy is."""
    session = session_of(context, server, as_json)

    async def work() -> None:
        async with Client(session.server) as client:
            found = await client.pipelines.get(pipeline)
        session.show(to_dict(found), *_views(found))

    session.run(work())


@app.command("watch", epilog=examples(f"stratopt pipeline watch {PIPELINE}"))
def watch(
    context: typer.Context, pipeline: PipelineId, *, server: Server = None, as_json: Json = False
) -> None:
    """Follow a pipeline to its end. Ctrl-C stops watching; the pipeline goes on.

    Exit code 0 if it succeeded, 1 if not.
    """
    session = session_of(context, server, as_json)
    succeeded = False

    async def work() -> None:
        nonlocal succeeded
        async with Client(session.server) as client:
            found = await _followed(session, client.pipelines.handle(pipeline))
        session.show(to_dict(found), *_views(found))
        succeeded = to_dict(found)["status"] == "succeeded"

    session.run(work())
    if not succeeded:
        raise typer.Exit(EXIT_REFUSED)


@app.command("cancel", epilog=examples(f"stratopt pipeline cancel {PIPELINE}"))
def cancel(
    context: typer.Context, pipeline: PipelineId, *, server: Server = None, as_json: Json = False
) -> None:
    """Stop a pipeline and the job it waits for; what was decided stays decided."""
    session = session_of(context, server, as_json)

    async def work() -> None:
        async with Client(session.server) as client:
            found = await client.pipelines.handle(pipeline).cancel()
        session.show(to_dict(found), Text(f"cancelled: {found.id}"))

    session.run(work())


@app.command(
    "dead-letters",
    epilog=examples("stratopt pipeline dead-letters", "stratopt pipeline dead-letters --cause STALE"),
)
def dead_letters(
    context: typer.Context,
    *,
    cause: Annotated[str | None, typer.Option(help="Only those of this cause, e.g. BAD_JSON.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most messages to show.")] = LISTED,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """List messages that came in over ZeroMQ and could not be used, newest first."""
    session = session_of(context, server, as_json)

    async def work() -> None:
        async with Client(session.server) as client:
            page = await client.pipelines.dead_letters(cause=cause).page(size=limit)
        rows = page.rows[:limit]
        session.show([to_dict(row) for row in rows], _letters(rows))

    session.run(work())


async def _followed(session: Session, handle: PipelineHandle) -> Pipeline:
    last = Pipeline()
    with meter(session.err, "pipeline") as tell:
        async with aclosing(handle.watch()) as events:
            async for event in events:
                if event.HasField("snapshot"):
                    last = event.snapshot
                    tell(last.progress, _where(last))
                elif event.HasField("progress"):
                    tell(event.progress, _where(last))
    return last


def _where(pipeline: Pipeline) -> str:
    """Say which strategy is in which step."""
    for run in to_dict(pipeline)["strategy_runs"]:
        if run["step"] != "done":
            return f"{run['strategy_id']}: {run['step'] or 'waiting'}"
    return "done"


def _views(pipeline: Pipeline) -> list[Text | Table]:
    shown = to_dict(pipeline)
    seen = shown["opportunity"]
    views: list[Text | Table] = [
        Text(
            f"{pipeline.id}  {seen['symbol']} {seen['kind']} by route {pipeline.route}: {shown['status']}, "
            f"came {moment(pipeline.create_time)}"
        )
    ]
    if shown["failure"] is not None:
        views.append(Text(f"failed: {shown['failure']['message']} ({shown['failure']['reason']})"))
    table = plain_table("strategy", "step", "outcome", "search", "backtest", "decision", "package")
    for run in shown["strategy_runs"]:
        ids = [run[name] or UNDEFINED for name in IDS]
        outcome = "failed" if run["failure"] is not None else run["outcome"] or UNDEFINED
        table.add_row(run["strategy_id"], run["step"] or "waiting", outcome, *ids)
    views.append(table)
    views += [
        Text(f"{run['strategy_id']}: {run['failure']['message']} ({run['failure']['reason']})")
        for run in shown["strategy_runs"]
        if run["failure"] is not None
    ]
    return views


def _letters(rows: Sequence[DeadLetter]) -> Table:
    table = plain_table("came", "from", "cause", "what is wrong", "id")
    for row in rows:
        table.add_row(moment(row.create_time), row.channel, row.cause, row.detail, row.id)
    return table
