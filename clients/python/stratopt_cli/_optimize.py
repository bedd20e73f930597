"""`stratopt optimize`: search the parameters of a strategy, and steer searches."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

from stratopt.v1.optimization_pb2 import Optimization
from stratopt_cli._arguments import FixedValues, Html, Json, Ranges, Server, Strategy, Symbol, examples
from stratopt_cli._follow import follow_optimization
from stratopt_cli._parse import params, ranges
from stratopt_cli._render_search import optimization_views, state_line, trials_table
from stratopt_cli._run_flags import RunFlags, takes
from stratopt_cli._search_flags import SearchFlags
from stratopt_cli._session import Session, session_of
from stratopt_cli._verdict import verdict
from stratopt_client import Client, OptimizationHandle, OptimizationOptions, to_dict

app = typer.Typer(no_args_is_help=True, help="Search the parameters of a strategy.")

SearchId = Annotated[str, typer.Argument(help="Id of the optimization, opt_...", show_default=False)]


@app.command(
    "run",
    epilog=examples(
        "stratopt optimize run ma_cross_v1.0 BTC/USDT -r fast_period=5:50 -r slow_period=20:200:5",
        "stratopt optimize run ma_cross_v1.0 BTC/USDT -r fast_period=5,10,20 -p slow_period=60 --holdout 0.3",
        "stratopt optimize run grid_v1.2 RNDR/USDT -r profit_ratio=0.002:0.05:log --iterations 2000",
        "stratopt optimize run ma_cross_v1.0 BTC/USDT -r fast_period=5:50 --objective sharpe "
        "--objective drawdown",
    ),
)
@takes(run=RunFlags, search=SearchFlags)
def run_command(
    context: typer.Context,
    strategy: Strategy,
    symbol: Symbol,
    *,
    range_: Ranges,
    param: FixedValues = None,
    search: SearchFlags,
    run: RunFlags,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Search ranges of parameters and show the best, in and out of sample.

    Unless told otherwise the search is repeated in five windows, and the best
    of each is run on the bars behind it, which it did not see: how that went
    is the honest figure. Ctrl-C cancels the search; trials made by then are
    kept.
    """
    session = session_of(context, server, as_json)
    param_ranges = ranges(range_)
    options: OptimizationOptions = {
        **run.options(),
        **search.options(),
        "fixed_params": params(param or ()),
    }

    async def work() -> None:
        async with Client(session.server, caller=session.caller) as client:
            handle = await client.optimizations.start(symbol, strategy, param_ranges, **options)
            await _followed(session, handle)

    session.run(work())


@app.command("show", epilog=examples("stratopt optimize show opt_1m83w2wbg8y3q3mda"))
def show_command(
    context: typer.Context,
    search_id: SearchId,
    *,
    html: Html = None,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Show a search as it stands; with --html write its page, with pictures, to a file once it succeeded."""
    session = session_of(context, server, as_json)

    async def work() -> None:
        async with Client(session.server) as client:
            found = await client.optimizations.get(search_id)
            if html is not None:
                page = await client.optimizations.handle(search_id).report_html()
                await asyncio.to_thread(html.write_text, page, encoding="utf-8")
                session.note(f"page: {html}")
            session.show(to_dict(found), *optimization_views(found), state_line(found))

    session.run(work())


@app.command("watch", epilog=examples("stratopt optimize watch opt_1m83w2wbg8y3q3mda"))
def watch_command(
    context: typer.Context, search_id: SearchId, *, server: Server = None, as_json: Json = False
) -> None:
    """Follow a search to its end, and show it; Ctrl-C cancels it."""
    session = session_of(context, server, as_json)

    async def work() -> None:
        async with Client(session.server) as client:
            await _followed(session, client.optimizations.handle(search_id))

    session.run(work())


@app.command("pause", epilog=examples("stratopt optimize pause opt_1m83w2wbg8y3q3mda"))
def pause_command(
    context: typer.Context, search_id: SearchId, *, server: Server = None, as_json: Json = False
) -> None:
    """Stop a search for a while; what it has found is kept."""
    _turn(session_of(context, server, as_json), search_id, OptimizationHandle.pause)


@app.command("resume", epilog=examples("stratopt optimize resume opt_1m83w2wbg8y3q3mda"))
def resume_command(
    context: typer.Context, search_id: SearchId, *, server: Server = None, as_json: Json = False
) -> None:
    """Let a paused search go on where it was."""
    _turn(session_of(context, server, as_json), search_id, OptimizationHandle.resume)


@app.command("cancel", epilog=examples("stratopt optimize cancel opt_1m83w2wbg8y3q3mda"))
def cancel_command(
    context: typer.Context, search_id: SearchId, *, server: Server = None, as_json: Json = False
) -> None:
    """Stop a search for good; its trials are kept, and it can be extended."""
    _turn(session_of(context, server, as_json), search_id, OptimizationHandle.cancel)


@app.command("extend", epilog=examples("stratopt optimize extend opt_1m83w2wbg8y3q3mda 500"))
def extend_command(
    context: typer.Context,
    search_id: SearchId,
    iterations: Annotated[int, typer.Argument(help="Most trials of each search from now on.")],
    *,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Let a search that has ended go on behind its trials."""
    session = session_of(context, server, as_json)
    _turn(session, search_id, lambda handle: handle.extend(iterations))


@app.command(
    "trials",
    epilog=examples(
        "stratopt optimize trials opt_1m83w2wbg8y3q3mda --order-by 'sharpe_ratio desc' --limit 20"
    ),
)
def trials_command(
    context: typer.Context,
    search_id: SearchId,
    *,
    order_by: Annotated[
        str, typer.Option(help="number, score or a metric; ' desc' behind it for the largest first.")
    ] = "number",
    status: Annotated[
        Literal["ok", "too_few_trades", "undefined"] | None, typer.Option(help="Only trials of this status.")
    ] = None,
    window: Annotated[
        int | None, typer.Option(help="Only of this window's search; not given: of that for the best.")
    ] = None,
    limit: Annotated[int, typer.Option(help="Most trials shown.", min=1, max=1_000)] = 50,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """List what a search has tried."""
    session = session_of(context, server, as_json)

    async def work() -> None:
        async with Client(session.server) as client:
            handle = client.optimizations.handle(search_id)
            page = await handle.trials(status=status, window=window, order_by=order_by).page(size=limit)
            session.show([to_dict(trial) for trial in page.rows], trials_table(page.rows))

    session.run(work())


@app.command("export", epilog=examples("stratopt optimize export opt_1m83w2wbg8y3q3mda trials.parquet"))
def export_command(
    context: typer.Context,
    search_id: SearchId,
    file: Annotated[Path, typer.Argument(help="Where to write them; .parquet is Parquet, else CSV.")],
    *,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Write every trial to a file, windows' trials included, a row each."""
    session = session_of(context, server, as_json)

    async def work() -> None:
        async with Client(session.server) as client:
            kind: Literal["csv", "parquet"] = "parquet" if file.suffix == ".parquet" else "csv"
            size = await client.optimizations.handle(search_id).export_trials(file, format=kind)
            session.show({"file": str(file), "bytes": size}, f"{file}: {size:,} bytes of {kind}")

    session.run(work())


async def _followed(session: Session, handle: OptimizationHandle) -> None:
    """Follow a search to its end and show what it found."""
    await follow_optimization(session, handle)
    found = await handle.result()
    session.show(to_dict(found), *optimization_views(found), verdict(found))


def _turn(
    session: Session, search_id: str, verb: Callable[[OptimizationHandle], Awaitable[Optimization]]
) -> None:
    """Do one thing to a search and say where it stands."""

    async def work() -> None:
        async with Client(session.server) as client:
            found = await verb(client.optimizations.handle(search_id))
            session.show(to_dict(found), state_line(found))

    session.run(work())
