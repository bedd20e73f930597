"""What approval is worth: how often nothing at all is approved, and how often an edge is.

Each case is a market of its own through the front door: import, a search of 100 trials and its windows, a
backtest of its best, an approval by default/v1. Markets without anything to find are random walks and real
daily bars whose blocks stand in another order, without their drift; the others have an edge planted whose
Sharpe ratio after costs was measured over 200,000 days of ten other markets. A rule that many use, best
Sharpe ratio above 1, decides on the same runs.
"""

import asyncio
import math
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench import markets
from bench.local_server import local_server
from stratopt.v1.decision_pb2 import DecisionOutcome, GateKind, GateResult
from stratopt_client import Client, params_to_python, to_dict
from stratopt_server.domain.market import Bars
from stratopt_server.domain.runs import Costs, Fill, RunTerms
from stratopt_server.engine.sweep import sweep

NAME = "null_test"
NULLS = 240
POWERED = 40
EDGES = (1.0, 1.5, 2.0, 3.0)
AT_A_TIME = 2
REAL = Path(__file__).parent.parent.parent / "shared" / "data" / "market"
SEARCH: dict[str, Any] = {
    "strategy_id": "ma_cross_v1.0",
    "param_ranges": {"fast_period": [2, 10], "slow_period": [11, 40]},
    "fixed_params": {"signal_threshold": 0.0},
    "algorithm": "random",
    "max_iterations": 100,
    "exchange": "bench",
}
CALIBRATION_DAYS = 20_000
CALIBRATION_MARKETS = 10
"""So many are measured and averaged: prices of a longer one leave the range in which costs are exact."""
UNMET = {GateResult.GATE_RESULT_FAILED, GateResult.GATE_RESULT_NOT_COMPUTABLE}
DOUBTFUL = UNMET | {GateResult.GATE_RESULT_REVIEW}


@dataclass
class Tally:
    """What was decided of the cases of one kind."""

    cases: int = 0
    approved: int = 0
    reviewed: int = 0
    naive: int = 0
    stopped: Counter[str] = field(default_factory=Counter)
    """How often each hard or review gate stood in the way."""
    alone: Counter[str] = field(default_factory=Counter)
    """How often it was the only one that did."""

    def report(self) -> dict[str, object]:
        """Say it."""
        share = lambda count: round(count / max(self.cases, 1), 4)  # noqa: E731 - one line, used five times
        return {
            "cases": self.cases,
            "approved": share(self.approved),
            "review": share(self.reviewed),
            "naive": share(self.naive),
            "stopped_by": {name: share(count) for name, count in self.stopped.most_common()},
            "by_it_alone": {name: share(count) for name, count in self.alone.most_common()},
        }


def run(*, nulls: int = NULLS, powered: int = POWERED, edges: tuple[float, ...] = EDGES) -> dict[str, object]:
    """Decide about every case, and count."""
    drifts = {edge: drift_of(edge) for edge in edges}
    with local_server() as server:
        tallies = asyncio.run(_connected(server.address, nulls, powered, drifts))
    null = tallies["null"]
    low, high = interval(null.approved, null.cases)
    return {
        "name": NAME,
        "approved_share": null.approved / null.cases,
        "approved_low": low,
        "approved_high": high,
        "naive_share": null.naive / null.cases,
        "power": {f"{edge:g}": tallies[f"{edge:g}"].approved / powered for edge in edges},
        "power_with_review": {
            f"{edge:g}": (tallies[f"{edge:g}"].approved + tallies[f"{edge:g}"].reviewed) / powered
            for edge in edges
        },
        "drifts": {f"{edge:g}": drift for edge, drift in drifts.items()},
        "gates": {kind: tally.report() for kind, tally in tallies.items()},
    }


def interval(hits: int, cases: int, z: float = 1.959964) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson)."""
    share, wide = hits / cases, z * z / cases
    middle = (share + wide / 2) / (1 + wide)
    half = z / (1 + wide) * math.sqrt(share * (1 - share) / cases + wide / cases / 4)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def drift_of(sharpe: float) -> float:
    """Find the drift at which the planted parameters have that annual Sharpe ratio after costs."""
    terms = RunTerms(
        costs=Costs(taker_fee=0.001, slippage=0.0005),
        initial_cash=1e4,
        fill=Fill.NEXT_OPEN,
        bars_per_year=365.0,
    )
    params = {"fast_period": markets.FAST, "slow_period": markets.SLOW, "signal_threshold": 0.0}

    time = np.arange(CALIBRATION_DAYS) * markets.MICROSECONDS_A_DAY

    def measured(drift: float) -> float:
        found = []
        for seed in range(CALIBRATION_MARKETS):
            columns = markets.planted(drift, seed, CALIBRATION_DAYS)
            bars = Bars(time, *(columns[name] for name in (*markets.PRICES, "volume")))
            found.append(sweep("ma_cross", bars, [params], terms)[0].sharpe_ratio or 0.0)
        return float(np.mean(found))

    low, high = 0.0, 0.02
    for _ in range(9):
        middle = (low + high) / 2
        low, high = (middle, high) if measured(middle) < sharpe else (low, middle)
    return (low + high) / 2


async def _connected(address: str, nulls: int, powered: int, drifts: dict[float, float]) -> dict[str, Tally]:
    async with Client(address, transfer_deadline_seconds=600) as client:
        return await decided(client, nulls, powered, drifts)


async def decided(client: Client, nulls: int, powered: int, drifts: dict[float, float]) -> dict[str, Tally]:
    """Decide about so many markets without an edge, and so many with each planted drift."""
    tallies = {"null": Tally(), **{f"{edge:g}": Tally() for edge in drifts}}
    real = sorted(REAL.glob("binance_*_1d.parquet")) if REAL.exists() else []
    places = asyncio.Semaphore(AT_A_TIME)
    with tempfile.TemporaryDirectory() as folder:
        cases: list[Awaitable[None]] = []

        def add(kind: str, make: Callable[[], dict[str, markets.Floats]], number: int) -> None:
            case = _Case(client, Path(folder), f"CASE{len(cases)}/USD", number)
            cases.append(case.decide(make, tallies[kind], places))

        for number in range(nulls):
            if number % 2 and real:
                path = real[number // 2 % len(real)]
                add("null", lambda path=path, seed=number: markets.shuffled(path, seed), number)
            else:
                add("null", lambda seed=number: markets.random_walk(seed), number)
        for edge, drift in drifts.items():
            for number in range(powered):
                seed = 1_000 + number
                add(f"{edge:g}", lambda drift=drift, seed=seed: markets.planted(drift, seed), number)
        await asyncio.gather(*cases)
    return tallies


@dataclass
class _Case:
    client: Client
    folder: Path
    symbol: str
    seed: int

    async def decide(
        self, make: Callable[[], dict[str, markets.Floats]], tally: Tally, places: asyncio.Semaphore
    ) -> None:
        """Take a market from its bars to a decision."""
        async with places:
            path = self.folder / f"{self.symbol.replace('/', '-')}.parquet"
            await asyncio.to_thread(lambda: markets.write(path, make()))
            await self.client.market_data.import_file(path, symbol=self.symbol, exchange="bench")
            path.unlink()
            search = await self.client.optimizations.start(symbol=self.symbol, seed=self.seed, **SEARCH)
            found = await search.result(timeout=600)
            tally.cases += 1
            if not found.HasField("best"):
                tally.stopped["no best trial"] += 1
                return
            tally.naive += found.best.trial.metrics.sharpe_ratio > 1
            backtest = await self.client.backtests.start(
                symbol=self.symbol,
                strategy_id=str(SEARCH["strategy_id"]),
                params=params_to_python(found.best.trial.params),
                exchange="bench",
            )
            await backtest.result(timeout=600)
            decision = (await self.client.approvals.approve(str(SEARCH["strategy_id"]), backtest.id)).decision
            tally.approved += decision.outcome == DecisionOutcome.DECISION_OUTCOME_APPROVE
            tally.reviewed += decision.outcome == DecisionOutcome.DECISION_OUTCOME_REVIEW
            stopping = [
                to_dict(gate)["criterion"]
                for gate in decision.gates
                if gate.kind != GateKind.GATE_KIND_WARN and gate.result in DOUBTFUL
            ]
            tally.stopped.update(stopping)
            if len(stopping) == 1:
                tally.alone.update(stopping)
