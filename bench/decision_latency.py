"""How long a decision about 10,000 trials over 48,160 hourly bars takes, and cross-validation by itself.

Timed from ApproveStrategy to its answer. Cross-validation is that of 10,000 trials by 16 blocks, beside numpy
doing the same on the same block sums; the results must be equal.
"""

import asyncio
import tempfile
import time
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bench.harness import best_seconds
from bench.local_server import local_server
from stratopt_client import Client, params_to_python
from stratopt_server.validation.overfitting import overfitting_of_blocks

NAME = "decision_latency"
TRIALS, BARS, BLOCKS = 10_000, 48_160, 16
HOUR = 3_600_000_000
APPROVALS = 5
PEER_HALVES = 400
"""Of 12,870: numpy takes as long for each."""
STRATEGY = "ma_cross_v1.0"


def run() -> dict[str, object]:
    """Time decisions through a server, then cross-validation by itself."""
    with local_server() as server:
        seconds, search_seconds, outcome = asyncio.run(_decided(server.address))
    blocks = _blocks()
    ours = best_seconds(lambda: overfitting_of_blocks(blocks, BARS // BLOCKS), repeats=3)
    found = overfitting_of_blocks(blocks, BARS // BLOCKS)
    assert found is not None
    began = time.perf_counter()
    logits = _by_numpy(blocks)
    peer = (time.perf_counter() - began) * found.n_splits / 2 / PEER_HALVES
    own = found.logits[: 2 * PEER_HALVES : 2]
    return {
        "name": NAME,
        "seconds": min(seconds),
        "seconds_worst": max(seconds),
        "outcome": outcome,
        "search_seconds": search_seconds,
        "pbo_seconds": ours,
        "ratio": peer / ours,
        "max_rel_diff": float(np.max(np.abs(own - logits))),
        "trials": TRIALS,
        "bars": BARS,
    }


async def _decided(address: str) -> tuple[list[float], float, str]:
    async with Client(address, transfer_deadline_seconds=600) as client:
        with tempfile.TemporaryDirectory() as folder:
            await client.market_data.import_file(_file(Path(folder)), symbol="BTC/USD")
        wanted: dict[str, Any] = {
            "symbol": "BTC/USD",
            "strategy_id": STRATEGY,
            "param_ranges": {"fast_period": [5, 200], "slow_period": [201, 2_000]},
            "fixed_params": {"signal_threshold": 0.0},
            "algorithm": "random",
            "max_iterations": TRIALS,
            "seed": 1,
        }
        began = time.perf_counter()
        found = await (await client.optimizations.start(**wanted)).result(timeout=600)
        search_seconds = time.perf_counter() - began
        backtest = await client.backtests.start(
            symbol="BTC/USD", strategy_id=STRATEGY, params=params_to_python(found.best.trial.params)
        )
        await backtest.result(timeout=600)
        seconds = []
        for _ in range(APPROVALS):
            began = time.perf_counter()
            decision = (await client.approvals.approve(STRATEGY, backtest.id)).decision
            seconds.append(time.perf_counter() - began)
    return seconds, search_seconds, "approved" if decision.approved else "not approved"


def _file(folder: Path) -> Path:
    """Write hourly bars that trend by turns."""
    rng = np.random.default_rng(7)
    side = np.where(np.cumsum(rng.random(BARS) < 1 / 400) % 2 == 0, 1.0, -1.0)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.006, BARS) + 0.0005 * side))
    opened = np.concatenate(([100.0], close[:-1]))
    path = folder / "bars.parquet"
    stamps = pa.array(1_577_836_800_000_000 + np.arange(BARS) * HOUR, pa.timestamp("us", tz="UTC"))
    high, low = np.maximum(opened, close) * 1.001, np.minimum(opened, close) / 1.001
    columns = {"open": opened, "high": high, "low": low, "close": close, "volume": np.full(BARS, 1e5)}
    pq.write_table(pa.table({"timestamp": stamps, **columns}), path)
    return path


def _blocks() -> NDArray[np.float64]:
    rng = np.random.default_rng(1)
    deviation = 0.01 * np.sqrt(BARS // BLOCKS)
    sums = rng.normal(0, deviation, (TRIALS, BLOCKS))
    squares = rng.normal(1, 0.01, (TRIALS, BLOCKS)) * deviation**2
    return np.stack([sums, squares], axis=-1)


def _by_numpy(blocks: NDArray[np.float64]) -> NDArray[np.float64]:
    """The definition in whole-array steps: logits of the first halves."""
    bars = BARS // 2
    total = blocks.sum(axis=1)
    logits = []
    for _, rest in zip(range(PEER_HALVES), combinations(range(1, BLOCKS), BLOCKS // 2 - 1), strict=False):
        inside = blocks[:, (0, *rest)].sum(axis=1)
        outside = total - inside
        scores = []
        for sums, squares in (inside.T, outside.T):
            scores.append(sums / np.sqrt(np.maximum(squares - sums**2 / bars, 0)))
        best = int(np.argmax(scores[0]))
        omega = (np.sum(scores[1] < scores[1][best]) + 1) / (TRIALS + 1)
        logits.append(np.log(omega / (1 - omega)))
    return np.array(logits)
