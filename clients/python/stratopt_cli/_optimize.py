"""`stratopt optimize`: search the parameters of a strategy."""

from typing import Annotated, Literal

import typer

from stratopt_cli._arguments import (
    Cash,
    End,
    Exchange,
    Fee,
    Fill,
    Json,
    Server,
    Slippage,
    Start,
    Strategy,
    Symbol,
    Timeframe,
    examples,
)
from stratopt_cli._follow import follow_optimization
from stratopt_cli._parse import params, ranges
from stratopt_cli._render import optimization_views
from stratopt_cli._session import session_of
from stratopt_cli._verdict import verdict
from stratopt_client import Client, OptimizationOptions, to_dict

SEARCH = "How to search"

app = typer.Typer(no_args_is_help=True, help="Search the parameters of a strategy.")


@app.command(
    "run",
    epilog=examples(
        "stratopt optimize run ma_cross_v1.0 BTC/USDT -r fast_period=5:50 -r slow_period=20:200:5",
        "stratopt optimize run ma_cross_v1.0 BTC/USDT -r fast_period=5,10,20 -p slow_period=60",
        "stratopt optimize run grid_v1.2 RNDR/USDT -r profit_ratio=0.002:0.05:log --iterations 2000",
    ),
)
def run_command(
    context: typer.Context,
    strategy: Strategy,
    symbol: Symbol,
    *,
    range_: Annotated[
        list[str],
        typer.Option(
            "--range",
            "-r",
            metavar="NAME=RANGE",
            help="What to try: MIN:MAX, MIN:MAX:STEP, MIN:MAX:log or a list a,b,c; again for each.",
        ),
    ],
    param: Annotated[
        list[str] | None,
        typer.Option(
            "--param", "-p", metavar="NAME=VALUE", help="A parameter that is not searched; again for each."
        ),
    ] = None,
    target: Annotated[
        Literal["sharpe", "return", "drawdown"],
        typer.Option(help="What to make best.", rich_help_panel=SEARCH),
    ] = "sharpe",
    iterations: Annotated[
        int | None, typer.Option(help="Most trials made; 100 if not given.", rich_help_panel=SEARCH)
    ] = None,
    algorithm: Annotated[
        Literal["grid", "random"] | None,
        typer.Option(help="Not given: grid if it fits into the trials, else random.", rich_help_panel=SEARCH),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Makes a random search repeatable.", rich_help_panel=SEARCH)
    ] = None,
    holdout: Annotated[
        float | None,
        typer.Option(
            help="Share of the bars, at the end, that the search does not see; 0.3 if not given.",
            rich_help_panel=SEARCH,
        ),
    ] = None,
    min_trades: Annotated[
        int | None, typer.Option(help="Round trips a trial needs to be the best.", rich_help_panel=SEARCH)
    ] = None,
    exchange: Exchange = None,
    timeframe: Timeframe = None,
    start: Start = None,
    end: End = None,
    fee: Fee = None,
    slippage: Slippage = None,
    cash: Cash = None,
    fill: Fill = None,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Search ranges of parameters and show the best, in and out of sample.

    The last bars are held out: the search does not see them, and how the
    best parameters do there is the honest figure. Ctrl-C cancels the search;
    trials made by then are kept.
    """
    session = session_of(context, server, as_json)
    param_ranges = ranges(range_)
    options = OptimizationOptions(
        fixed_params=params(param or ()),
        optimization_target=target,
        max_iterations=iterations,
        algorithm=algorithm,
        seed=seed,
        holdout=holdout,
        min_trades=min_trades,
        exchange=exchange,
        timeframe=timeframe,
        start_date=start,
        end_date=end,
        taker_fee=fee,
        slippage=slippage,
        initial_cash=cash,
        fill=fill,
    )

    async def work() -> None:
        async with Client(session.server) as client:
            handle = await client.optimizations.start(symbol, strategy, param_ranges, **options)
            await follow_optimization(session, handle)
            found = await handle.result()
            session.show(to_dict(found), *optimization_views(found), verdict(found))

    session.run(work())
