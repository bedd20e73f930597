"""`stratopt optimize`: search the parameters of a strategy."""

import typer

from stratopt_cli._arguments import (
    Algorithm,
    FixedValues,
    Holdout,
    Iterations,
    Json,
    MinTrades,
    Ranges,
    Seed,
    Server,
    Strategy,
    Symbol,
    Target,
    examples,
)
from stratopt_cli._follow import follow_optimization
from stratopt_cli._parse import params, ranges
from stratopt_cli._render import optimization_views
from stratopt_cli._run_flags import RunFlags, takes_run_flags
from stratopt_cli._session import session_of
from stratopt_cli._verdict import verdict
from stratopt_client import Client, OptimizationOptions, to_dict

app = typer.Typer(no_args_is_help=True, help="Search the parameters of a strategy.")


@app.command(
    "run",
    epilog=examples(
        "stratopt optimize run ma_cross_v1.0 BTC/USDT -r fast_period=5:50 -r slow_period=20:200:5",
        "stratopt optimize run ma_cross_v1.0 BTC/USDT -r fast_period=5,10,20 -p slow_period=60",
        "stratopt optimize run grid_v1.2 RNDR/USDT -r profit_ratio=0.002:0.05:log --iterations 2000",
        "stratopt optimize run ma_cross_v1.0 BTC/USDT -r fast_period=5:50 --direction both --stop-loss 0.05",
    ),
)
@takes_run_flags
def run_command(
    context: typer.Context,
    strategy: Strategy,
    symbol: Symbol,
    *,
    range_: Ranges,
    param: FixedValues = None,
    target: Target = "sharpe",
    iterations: Iterations = None,
    algorithm: Algorithm = None,
    seed: Seed = None,
    holdout: Holdout = None,
    min_trades: MinTrades = None,
    run: RunFlags,
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
        **run.options(),
        fixed_params=params(param or ()),
        optimization_target=target,
        max_iterations=iterations,
        algorithm=algorithm,
        seed=seed,
        holdout=holdout,
        min_trades=min_trades,
    )

    async def work() -> None:
        async with Client(session.server) as client:
            handle = await client.optimizations.start(symbol, strategy, param_ranges, **options)
            await follow_optimization(session, handle)
            found = await handle.result()
            session.show(to_dict(found), *optimization_views(found), verdict(found))

    session.run(work())
