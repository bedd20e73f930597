"""A backtest that was run before, against the same one run again; on SQLite, and on PostgreSQL with Redis."""

import tempfile
import time
from pathlib import Path
from typing import Any

from bench.fault_world import EXCHANGE, SYMBOL
from bench.local_server import local_server
from bench.markets import random_walk, write
from bench.relay_traffic import PARAMS, STRATEGY
from bench.stores import PostgresProcess, RedisProcess
from stratopt_client.sync import SyncClient

REPEATS = 20


def run() -> dict[str, Any]:
    """Measure both; the peer is the run itself."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bars = write(folder / "bars.parquet", random_walk(1))
        postgres, redis = PostgresProcess(folder), RedisProcess(folder)
        try:
            alone = _measured(bars)
            url = postgres.new_database()
            shared = _measured(bars, STRATOPT_DATABASE_URL=url, STRATOPT_REDIS_URL=redis.url)
        finally:
            redis.kill()
            postgres.stop("immediate")
    return {
        "name": "cached_backtest",
        "ratio": round(alone["run_ms"] / alone["cached_ms"], 1),
        "max_rel_diff": max(alone["max_rel_diff"], shared["max_rel_diff"]),
        "sqlite": alone,
        "postgres_redis": shared,
    }


def _measured(bars: Path, **settings: str) -> dict[str, float]:
    with local_server(**settings) as server, SyncClient(server.address) as client:
        client.market_data.import_file(bars, symbol=SYMBOL, exchange=EXCHANGE)
        first = client.backtests.start(SYMBOL, STRATEGY, params=PARAMS).result(timeout=180)
        runs, cached = [], []
        for _ in range(REPEATS):
            began = time.perf_counter()
            again = client.backtests.start(SYMBOL, STRATEGY, params=PARAMS, recompute=True).result()
            runs.append(time.perf_counter() - began)
            began = time.perf_counter()
            found = client.backtests.start(SYMBOL, STRATEGY, params=PARAMS).result()
            cached.append(time.perf_counter() - began)
            assert found.cached_from, "it was answered from the cache"
            assert not again.cached_from, "it ran"
            assert found.metrics == again.metrics == first.metrics, "all say the same"
    return {
        "run_ms": round(sorted(runs)[REPEATS // 2] * 1e3, 1),
        "cached_ms": round(sorted(cached)[REPEATS // 2] * 1e3, 2),
        "max_rel_diff": 0.0,
    }
