"""The command line: `stratopt COMMAND`."""

import os
import sys
import traceback
from typing import Annotated

import typer

from stratopt_cli import (
    _backtest,
    _config,
    _data,
    _decision,
    _holdout,
    _keys,
    _optimize,
    _package,
    _pipeline,
    _policy,
    _route,
    _strategy,
)
from stratopt_cli._advise import explain, explain_epilog, propose, propose_epilog
from stratopt_cli._approve import approve, approve_epilog
from stratopt_cli._arguments import CONNECTION, Json, examples
from stratopt_cli._backup import backup, backup_epilog, restore, restore_epilog
from stratopt_cli._demo import demo, demo_epilog
from stratopt_cli._gateway import gateway, up
from stratopt_cli._serve import serve
from stratopt_cli._session import EXIT_REFUSED, Session
from stratopt_cli._tail import revoke, revoke_epilog, tail, tail_epilog
from stratopt_client import DEFAULT_TARGET

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    epilog=examples(
        "stratopt demo",
        "stratopt up",
        "stratopt data import binance_BTC-USDT_1h.parquet",
        "stratopt backtest run ma_cross_v1.0 BTC/USDT --html report.html",
        "stratopt optimize run ma_cross_v1.0 BTC/USDT --range fast_period=5:50:1",
    ),
)

STARTING = "Getting started"
WORKING = "Working with a server"

app.command(rich_help_panel=STARTING, epilog=demo_epilog)(demo)
app.command(
    rich_help_panel=STARTING, epilog=examples("stratopt serve", "stratopt serve --data-dir ./stratopt-data")
)(serve)
app.command(
    rich_help_panel=STARTING,
    epilog=examples("stratopt gateway", "stratopt gateway --server 127.0.0.1:50051 --listen 127.0.0.1:8080"),
)(gateway)
app.command(
    rich_help_panel=STARTING, epilog=examples("stratopt up", "stratopt up --data-dir ./stratopt-data")
)(up)
app.command(rich_help_panel=STARTING, epilog=backup_epilog)(backup)
app.command(rich_help_panel=STARTING, epilog=restore_epilog)(restore)
app.add_typer(_config.app, name="config", rich_help_panel=STARTING)
app.add_typer(_data.app, name="data", rich_help_panel=WORKING)
app.add_typer(_strategy.app, name="strategy", rich_help_panel=WORKING)
app.add_typer(_backtest.app, name="backtest", rich_help_panel=WORKING)
app.add_typer(_optimize.app, name="optimize", rich_help_panel=WORKING)
app.command(rich_help_panel=WORKING, epilog=approve_epilog)(approve)
app.command(rich_help_panel=WORKING, epilog=explain_epilog)(explain)
app.command(rich_help_panel=WORKING, epilog=propose_epilog)(propose)
app.add_typer(_decision.app, name="decision", rich_help_panel=WORKING)
app.add_typer(_holdout.app, name="holdout", rich_help_panel=WORKING)
app.add_typer(_policy.app, name="policy", rich_help_panel=WORKING)
_package.app.command("tail", epilog=tail_epilog)(tail)
_package.app.command("revoke", epilog=revoke_epilog)(revoke)
app.add_typer(_package.app, name="package", rich_help_panel=WORKING)
app.add_typer(_package.app, name="packages", hidden=True)
app.add_typer(_pipeline.app, name="pipeline", rich_help_panel=WORKING)
app.add_typer(_route.app, name="route", rich_help_panel=WORKING)
app.add_typer(_keys.app, name="keys", rich_help_panel=WORKING)


@app.callback()
def root(
    context: typer.Context,
    *,
    server: Annotated[
        str,
        typer.Option(
            envvar="STRATOPT_SERVER",
            metavar="HOST:PORT",
            help="Where the server listens.",
            rich_help_panel=CONNECTION,
        ),
    ] = DEFAULT_TARGET,
    caller: Annotated[
        str,
        typer.Option(
            envvar="STRATOPT_CALLER",
            metavar="NAME",
            help="Who asks: jobs of different callers take turns in the queue.",
            rich_help_panel=CONNECTION,
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """Find out which parameters of a strategy may trade a symbol, and how good the evidence is.

    Bring bars in, backtest strategies on them, search parameters, and see
    how the best ones do on bars the search never saw.

    Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 130 interrupted.
    """
    context.obj = Session(server=server, as_json=as_json, caller=caller)


def main() -> None:
    """Run the command line; what nobody foresaw is told in one line too."""
    try:
        app()
    except Exception as bug:  # noqa: BLE001 - the last resort of a program
        if os.environ.get("STRATOPT_TRACEBACK"):
            traceback.print_exc()
        print(
            f"error: {type(bug).__name__}: {bug}\n"
            "this is a bug in stratopt; STRATOPT_TRACEBACK=1 shows where",
            file=sys.stderr,
        )
        sys.exit(EXIT_REFUSED)


if __name__ == "__main__":
    main()
