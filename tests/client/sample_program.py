"""A first program: import bars, run a backtest, search better parameters, check them.

python sample_program.py BARS.csv SYMBOL [HOST:PORT]
"""

# ruff: noqa: T201 - a program prints

import asyncio
import sys
from datetime import date

from stratopt_client import (
    DEFAULT_TARGET,
    Client,
    JobFailed,
    OptimizationOptions,
    ParamRanges,
    StratoptError,
    params_to_python,
    to_dict,
)
from stratopt_client.sync import SyncClient

RANGES: ParamRanges = {"fast_period": {"min": 2, "max": 20}, "slow_period": [30, 90]}
OPTIONS: OptimizationOptions = {"exchange": "sample", "max_iterations": 50, "seed": 7}


async def search(target: str, file: str, symbol: str) -> dict[str, int | float | str | bool]:
    """Return the best parameters found."""
    async with Client(target) as client:
        await client.wait_ready(timeout=5)
        imported = await client.market_data.import_file(file, symbol, exchange="sample")
        print(imported.dataset.bar_count, "bars:", to_dict(imported)["dataset"]["quality"]["grade"])

        backtest = await client.backtests.start(
            symbol,
            "ma_cross_v1.0",
            params={"fast_period": 5, "signal_threshold": 0.0},
            start_date="2018-01-01",
            end_date=date(2020, 12, 31),
            exchange="sample",
            fill="next_open",
        )
        print("return:", (await backtest.result(timeout=60)).metrics.total_return)

        optimization = await client.optimizations.start(symbol, "ma_cross_v1.0", RANGES, **OPTIONS)
        async for event in optimization.watch():
            if event.HasField("improvement"):
                print("trial", event.improvement.number, "scores", event.improvement.score)
        best = (await optimization.result()).best
        tried = [trial.score async for trial in optimization.trials(status="ok")]
        print("in sample:", best.trial.score, "of", len(tried))
        print("out of sample:", best.out_of_sample.sharpe_ratio)

        # The best parameters are a message; they can be given to a backtest as they are.
        check = await client.backtests.start(
            symbol, "ma_cross_v1.0", params=best.trial.params, exchange="sample"
        )
        print(len(await check.report_html()) if (await check.result()).metrics.trade_count else "no trades")
        return params_to_python(best.trial.params)


def summary(target: str) -> list[str]:
    """Return the ids of every finished backtest, without asyncio."""
    with SyncClient(target) as client:
        return [backtest.id for backtest in client.backtests.list(status="succeeded")]


def main(file: str, symbol: str, target: str = DEFAULT_TARGET) -> int:
    """Search, and tell what went wrong if something did."""
    try:
        print(asyncio.run(search(target, file, symbol)))
    except JobFailed as failed:
        print(failed.reason, failed.metadata, file=sys.stderr)
        return 1
    except StratoptError as refused:
        print(refused, file=sys.stderr)
        return 1
    print(summary(target))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
