"""What every part of the demo uses."""

from dataclasses import dataclass, field
from typing import Any

from rich.console import RenderableType

from stratopt.v1.dataset_pb2 import Dataset
from stratopt.v1.optimization_pb2 import Optimization
from stratopt_cli._follow import follow_optimization
from stratopt_cli._session import Session
from stratopt_client import BacktestHandle, Client, ParamRanges, Params

STRATEGY = "ma_cross_v1.0"


@dataclass(slots=True)
class Demo:
    """One run of the demo: the client of its server, and what there is to show in the end."""

    session: Session
    client: Client
    document: dict[str, Any] = field(default_factory=dict)

    def show(self, name: str, message: object, *views: RenderableType) -> None:
        """Show a result at once; as JSON it waits for the others."""
        self.document[name] = message
        if not self.session.as_json:
            for view in views:
                self.session.out.print(view)

    def step(self, title: str) -> None:
        """Say what comes next."""
        self.session.err.print(f"\n{title}", style="bold", markup=False)


async def backtest(demo: Demo, dataset: Dataset, params: Params) -> BacktestHandle:
    """Start a backtest over all bars of a dataset."""
    return await demo.client.backtests.start(
        dataset.symbol, STRATEGY, params=params, exchange=dataset.exchange, timeframe=dataset.timeframe
    )


async def search(
    demo: Demo, dataset: Dataset, ranges: ParamRanges, *, trials: int, seed: int, min_trades: int
) -> Optimization:
    """Search at random for the best Sharpe ratio, on the screen, and return the result."""
    handle = await demo.client.optimizations.start(
        dataset.symbol,
        STRATEGY,
        ranges,
        optimization_target="sharpe",
        algorithm="random",
        max_iterations=trials,
        seed=seed,
        min_trades=min_trades,
        exchange=dataset.exchange,
        timeframe=dataset.timeframe,
    )
    await follow_optimization(demo.session, handle)
    return await handle.result()
