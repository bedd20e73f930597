"""Search problems whose best is known: two real tables, and families that are hard in different ways.

A family's loss is smaller where better. Regret is (found - best) / (median - best), so a search that finds
the best has 0 and one that finds what a single draw does has about 1.
"""

import bench.harness  # isort: skip  # noqa: F401 - sets up numba before it is imported

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from bench.figures import CASH, FEE, SLIPPAGE
from stratopt_server.domain.market import Bars
from stratopt_server.domain.parameters import ChoiceList, IntegerRange, RealRange
from stratopt_server.domain.runs import Costs, Fill, RunTerms
from stratopt_server.domain.space import SearchSpace
from stratopt_server.engine.sweep import Sweeper

BTC = Path(__file__).parents[2] / "shared" / "data" / "market" / "binance_BTC-USDT_1d.parquet"
DRAWS = 20_000
"""Points drawn to find a family's median."""


@dataclass(frozen=True)
class Family:
    """A space, a loss over it, and the least loss there is."""

    name: str
    space: SearchSpace
    loss: Callable[[Mapping[str, Any]], float]
    best: float
    median: float

    def regret(self, found: float) -> float:
        """How far a loss is from the best."""
        return (found - self.best) / (self.median - self.best)


def family(name: str, space: SearchSpace, loss: Callable[[Mapping[str, Any]], float], best: float) -> Family:
    """Make a family; its median is that of points drawn evenly."""
    vectors = space.draw(DRAWS, np.random.default_rng(1))
    points = space.decode(vectors[space.feasible_mask(vectors)][:2_000])
    return Family(name, space, loss, best, float(np.median([loss(point) for point in points])))


def space_of(*constraints: str, **ranges: Any) -> SearchSpace:
    """A space of these ranges."""
    return SearchSpace.of(ranges, fixed={}, constraints=constraints)


def bowl() -> Family:
    """Smooth, with one bottom, steeper along one axis than another."""
    space = space_of(x=IntegerRange(0, 400), y=IntegerRange(0, 400), z=RealRange(0.0, 1.0, 0.005))
    return family(
        "bowl",
        space,
        lambda p: ((p["x"] - 287) / 400) ** 2 + 4 * ((p["y"] - 61) / 400) ** 2 + (p["z"] - 0.385) ** 2,
        0.0,
    )


def hills() -> Family:
    """Rastrigin's function on a lattice: a bowl with many bottoms."""

    def loss(p: Mapping[str, Any]) -> float:
        x, y = (p["x"] - 640) / 100, (p["y"] - 310) / 100
        return 20 + x**2 + y**2 - 10 * (math.cos(2 * math.pi * x) + math.cos(2 * math.pi * y))

    return family("hills", space_of(x=IntegerRange(0, 1_000), y=IntegerRange(0, 1_000)), loss, 0.0)


def ridge() -> Family:
    """A narrow valley beside a constraint, as fast and slow periods have it."""

    def loss(p: Mapping[str, Any]) -> float:
        across, along = (p["slow"] - 3 * p["fast"] - 10) / 50, (p["fast"] - 73) / 150
        return across**2 + 0.3 * along**2

    space = space_of("fast < slow", fast=IntegerRange(2, 150), slow=IntegerRange(10, 500))
    return family("ridge", space, loss, 0.0)


def steps() -> Family:
    """Plateaus with noise that is the same at every visit: a backtest's loss over coarse parameters."""
    noise = np.random.default_rng(5).normal(0.0, 0.02, (301, 301))

    def loss(p: Mapping[str, Any]) -> float:
        distance = math.hypot(p["x"] - 190, p["y"] - 90)
        return math.floor(distance / 25) / 10 + float(noise[p["x"], p["y"]])

    every = [loss({"x": x, "y": y}) for x in range(301) for y in range(301)]
    return family("steps", space_of(x=IntegerRange(0, 300), y=IntegerRange(0, 300)), loss, min(every))


def mixed() -> Family:
    """Words, a log axis and whole numbers: what is best of the numbers depends on the word."""
    words = ("a", "b", "c", "d")
    offsets = {"a": 0.6, "b": 0.0, "c": 0.3, "d": 0.9}

    def loss(p: Mapping[str, Any]) -> float:
        place = words.index(p["word"])
        rate = math.log10(p["rate"]) + 2.0 + 0.4 * place
        return offsets[p["word"]] + 0.5 * rate**2 + ((p["count"] - 40 - 10 * place) / 60) ** 2

    space = space_of(
        word=ChoiceList(words), rate=RealRange(1e-4, 1.0, None, log=True), count=IntegerRange(1, 120)
    )
    return family("mixed", space, loss, 0.0)


def crossings(name: str, bars: Bars) -> Family:
    """The Sharpe ratio of every moving-average cross on real daily bars."""
    fasts, slows = range(2, 61), range(61, 301)
    costs = Costs(taker_fee=FEE, slippage=SLIPPAGE)
    terms = RunTerms(costs=costs, initial_cash=CASH, fill=Fill.NEXT_OPEN, bars_per_year=365.0)
    sets = [
        {"fast_period": fast, "slow_period": slow, "signal_threshold": 0.0}
        for fast in fasts
        for slow in slows
    ]
    sharpes = [metrics.sharpe_ratio or 0.0 for metrics in Sweeper("ma_cross", bars, terms).evaluate(sets)]
    table = {(s["fast_period"], s["slow_period"]): -sharpe for s, sharpe in zip(sets, sharpes, strict=True)}
    space = space_of(fast=IntegerRange(2, 60), slow=IntegerRange(61, 300))
    return family(name, space, lambda p: table[p["fast"], p["slow"]], min(table.values()))


def btc() -> Bars:
    """Daily bars of BTC/USDT."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - only to read this file

    table = pq.read_table(BTC)
    columns = [table[name].to_numpy() for name in ("open", "high", "low", "close", "volume")]
    return Bars(table["timestamp"].to_numpy().astype("datetime64[us]").astype(np.int64), *columns)


def sp500() -> Bars:
    """Daily bars of the S&P 500, which the package arch brings."""
    from arch.data import sp500 as data  # noqa: PLC0415 - it takes a second

    frame = data.load()
    columns = [frame[name].to_numpy(dtype=np.float64) for name in ("Open", "High", "Low", "Close", "Volume")]
    return Bars(frame.index.to_numpy().astype("datetime64[us]").astype(np.int64), *columns)


@cache
def families() -> dict[str, Family]:
    """Every family by name; the table of BTC/USDT where its bars are beside the project."""
    made = [bowl(), hills(), ridge(), steps(), mixed(), crossings("sp500", sp500())]
    if BTC.exists():
        made.append(crossings("btc", btc()))
    return {one.name: one for one in made}
