"""`stratopt backtest`: run a strategy over stored bars."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from stratopt_cli._arguments import Html, Json, Server, Strategy, Symbol, Values, examples
from stratopt_cli._follow import follow_backtest
from stratopt_cli._parse import params
from stratopt_cli._render import backtest_views
from stratopt_cli._run_flags import RunFlags, takes
from stratopt_cli._session import Session, session_of
from stratopt_client import BacktestHandle, BacktestOptions, Client, to_dict

Recompute = Annotated[
    bool, typer.Option("--recompute", help="Run it although the same run has a result already.")
]

app = typer.Typer(no_args_is_help=True, help="Run a strategy over stored bars.")


@app.command(
    "run",
    epilog=examples(
        "stratopt backtest run ma_cross_v1.0 BTC/USDT -p fast_period=5 -p slow_period=20",
        "stratopt backtest run ma_cross_v1.0 BTC/USDT --start 2022-01-01 --html report.html",
        "stratopt backtest run ma_cross_v1.0 BTC/USDT --direction both --sizing fraction:0.5",
        "stratopt backtest run grid_v1.2 RNDR/USDT --maker-fee 0.0002 --tick-size 0.001 --json",
    ),
)
@takes(run=RunFlags)
def run_command(
    context: typer.Context,
    strategy: Strategy,
    symbol: Symbol,
    *,
    param: Values = None,
    run: RunFlags,
    recompute: Recompute = False,
    html: Html = None,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Run one set of parameters and show what it earned and risked.

    Parameters that are not given take the strategy's defaults. Ctrl-C cancels the run.
    """
    session = session_of(context, server, as_json)
    options = BacktestOptions(**run.options(), params=params(param or ()), recompute=recompute)

    async def work() -> None:
        async with Client(session.server, caller=session.caller) as client:
            handle = await client.backtests.start(symbol, strategy, **options)
            await follow_backtest(session, handle)
            backtest = await handle.result()
            session.show(to_dict(backtest), *backtest_views(backtest))
            if html is not None:
                await write_report(session, handle, html)

    session.run(work())


async def write_report(session: Session, handle: BacktestHandle, path: Path) -> str:
    """Write the report of a succeeded backtest as a page, and say where."""
    where = await asyncio.to_thread(_written, path, await handle.report_html())
    session.note(f"report: {where}")
    return where


def _written(path: Path, page: str) -> str:
    """Write the page and return where it is now."""
    path.write_text(page, encoding="utf-8")
    return str(path.resolve())
