"""`stratopt data`: bring bars in, see what is there."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from stratopt.v1.market_data_service_pb2 import ImportBarsResponse
from stratopt_cli._arguments import Json, Server, examples
from stratopt_cli._parse import file_name
from stratopt_cli._render import datasets_table, import_views
from stratopt_cli._session import Session, session_of
from stratopt_client import Client, ImportOptions, to_dict

app = typer.Typer(no_args_is_help=True, help="Bring bars in, see what is there.")


@app.command(
    "import",
    epilog=examples(
        "stratopt data import binance_BTC-USDT_1h.parquet",
        "stratopt data import prices.csv --symbol BTC/USDT --exchange kraken",
    ),
)
def import_command(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(help="CSV or Parquet with columns timestamp, open, high, low, close, volume."),
    ],
    *,
    symbol: Annotated[str | None, typer.Option(help="BASE/QUOTE, e.g. BTC/USDT.")] = None,
    exchange: Annotated[str | None, typer.Option(help="Lower case, e.g. binance.")] = None,
    timeframe: Annotated[str | None, typer.Option(help="Length of a bar, e.g. 1h.")] = None,
    bars_per_year: Annotated[
        float | None, typer.Option(help="Bars a year of the real market, for annual figures.")
    ] = None,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Import a file of bars, and report how far it can be trusted.

    Symbol, exchange and timeframe are told from a file name of the form
    EXCHANGE_BASE-QUOTE_TIMEFRAME, e.g. binance_BTC-USDT_1h.parquet, where
    they are not given. Importing the same bars again changes nothing; other
    bars replace those that were there.
    """
    session = session_of(context, server, as_json)
    named = file_name(file)
    wanted = symbol or named.symbol
    if wanted is None:
        raise typer.BadParameter(
            "the file's name does not tell it: give --symbol BASE/QUOTE", param_hint="--symbol"
        )
    options = ImportOptions(
        exchange=exchange or named.exchange,
        timeframe=timeframe or named.timeframe,
        bars_per_year=bars_per_year,
    )

    async def work() -> None:
        async with Client(session.server) as client:
            response = await import_file(session, client, file, wanted, options)
            session.show(to_dict(response), *import_views(response))

    session.run(work())


@app.command("list", epilog=examples("stratopt data list", "stratopt data list --symbol BTC/USDT --json"))
def list_command(
    context: typer.Context,
    *,
    symbol: Annotated[str | None, typer.Option(help="Only datasets of this symbol.")] = None,
    exchange: Annotated[str | None, typer.Option(help="Only datasets of this exchange.")] = None,
    timeframe: Annotated[str | None, typer.Option(help="Only datasets of this timeframe.")] = None,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """List the datasets that are there, newest first."""
    session = session_of(context, server, as_json)

    async def work() -> None:
        async with Client(session.server) as client:
            found = client.market_data.list(symbol=symbol, exchange=exchange, timeframe=timeframe)
            datasets = [dataset async for dataset in found]
        if not datasets and not session.as_json:
            session.note("there are none yet; bring some in with: stratopt data import FILE")
            return
        session.show({"datasets": [to_dict(dataset) for dataset in datasets]}, datasets_table(datasets))

    session.run(work())


async def import_file(
    session: Session, client: Client, file: Path, symbol: str, options: ImportOptions
) -> ImportBarsResponse:
    """Send a file, with a bar on a terminal while that takes long."""
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), DownloadColumn())
    with Progress(*columns, console=session.err, transient=True, disable=not session.err.is_terminal) as bar:
        sending = bar.add_task(f"sending {file.name}", total=None)

        def tell(sent: int, total: int) -> None:
            doing = "checking" if sent == total else "sending"
            bar.update(sending, completed=sent, total=total, description=f"{doing} {file.name}")

        return await client.market_data.import_file(file, symbol, progress=tell, **options)
