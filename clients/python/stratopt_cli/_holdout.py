"""`stratopt holdout`: seal the last bars of a market until one decision reads them."""

from typing import Annotated

import typer
from rich.text import Text

from stratopt_cli._arguments import Json, Server, Strategy, Symbol, examples
from stratopt_cli._figures import UNDEFINED, moment, ratio
from stratopt_cli._render import plain_table
from stratopt_cli._session import session_of
from stratopt_client import Client, to_dict

app = typer.Typer(no_args_is_help=True, help="Seal the last bars of a market until one decision reads them.")

LISTED = 50


@app.command("seal", epilog=examples("stratopt holdout seal ma_cross_v1.0 BTC/USDT --share 0.2"))
def seal(
    context: typer.Context,
    strategy: Strategy,
    symbol: Symbol,
    *,
    exchange: Annotated[str | None, typer.Option(help="Exchange of the bars.")] = None,
    timeframe: Annotated[str | None, typer.Option(help="Length of a bar.")] = None,
    share: Annotated[float, typer.Option(help="Share of the bars, at the end.")] = 0.2,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Seal bars: no backtest or search of this strategy reads them from now on.

    The first approval that every other gate lets pass reads them, once.
    Bars that a job of the strategy has read cannot be sealed.
    """
    session = session_of(context, server, as_json)

    async def work() -> None:
        async with Client(session.server) as client:
            found = await client.approvals.seal_holdout(
                strategy, symbol, exchange=exchange, timeframe=timeframe, share=share
            )
        told = f"{found.id}: bars of {found.symbol} from {moment(found.first_bar_time)} on are sealed"
        session.show(to_dict(found), Text(told))

    session.run(work())


@app.command("list", epilog=examples("stratopt holdout list"))
def list_command(context: typer.Context, *, server: Server = None, as_json: Json = False) -> None:
    """List sealed holdouts, spent ones too, newest first."""
    session = session_of(context, server, as_json)

    async def work() -> None:
        async with Client(session.server) as client:
            rows = (await client.approvals.sealed_holdouts().page(size=LISTED)).rows
        table = plain_table("holdout", "strategy", "symbol", "timeframe", "from", "spent on", "Sharpe ratio")
        for row in rows:
            sharpe = ratio(row.test.sharpe) if row.test.HasField("sharpe") else UNDEFINED
            table.add_row(
                row.id,
                row.strategy_id,
                row.symbol,
                row.timeframe,
                moment(row.first_bar_time),
                row.spent_on or UNDEFINED,
                sharpe,
            )
        session.show([to_dict(row) for row in rows], table)

    session.run(work())
