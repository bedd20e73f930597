"""A whole search over gRPC: 10,000 genetic trials of ma_cross on every minute of BTC/USDT there is.

Timed from StartOptimization to the final status, journal and database included. Memory is the most that the
search's process held, what it shares with its template included. A second search walks forward: its five
windows make 10,000 trials each too.
"""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from bench.local_server import LocalServer, local_server
from bench.sweep_year import bars
from stratopt_client import Client

NAME = "job_10k_trials"
TRIALS = 10_000
SEARCH: dict[str, Any] = {
    "symbol": "BTC/USDT",
    "strategy_id": "ma_cross_v1.0",
    "param_ranges": {"fast_period": [10, 1_000], "slow_period": [1_001, 20_000]},
    "fixed_params": {"signal_threshold": 0.0},
    "algorithm": "genetic",
    "max_iterations": TRIALS,
    "seed": 1,
}


def run() -> dict[str, object]:
    """Search without windows, then with them."""
    with local_server() as server:
        return asyncio.run(_measured(server))


async def _measured(server: LocalServer) -> dict[str, object]:
    async with Client(server.address, transfer_deadline_seconds=600) as client:
        with tempfile.TemporaryDirectory() as folder:
            imported = await client.market_data.import_file(_file(Path(folder)), symbol="BTC/USDT")
        await _search(client, server, max_iterations=100, validation="none")  # loads the template
        alone_seconds, alone_mb = await _search(client, server, validation="none")
        walk_seconds, walk_mb = await _search(client, server, validation="walk_forward")
    return {
        "name": NAME,
        "seconds": alone_seconds,
        "peak_mb": alone_mb,
        "trials": TRIALS,
        "bars": imported.dataset.bar_count,
        "ms_per_trial": alone_seconds / TRIALS * 1000,
        "walk_forward_seconds": walk_seconds,
        "walk_forward_peak_mb": walk_mb,
        "walk_forward_trials": 6 * TRIALS,
    }


async def _search(client: Client, server: LocalServer, **change: Any) -> tuple[float, float]:
    """Search to the end; give the seconds it took and the most memory its process held, in MiB."""
    began = time.perf_counter()
    handle = await client.optimizations.start(**{**SEARCH, **change})
    held: list[float] = []
    watching = asyncio.create_task(_held_mb(server, held))
    try:
        await handle.result(timeout=600)
        seconds = time.perf_counter() - began
    finally:
        watching.cancel()
    return seconds, max(held)


async def _held_mb(server: LocalServer, held: list[float]) -> None:
    """Note, again and again, the most that the search's process has held."""
    while True:
        for template in psutil.Process(server.pid).children():
            held.extend(_high_water_mb(job.pid) for job in template.children())
        await asyncio.sleep(0.05)


def _high_water_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0  # it has just ended
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def _file(folder: Path) -> Path:
    """Write the minutes, real or made up, as an import takes them."""
    sample, path = bars(), folder / "minutes.parquet"
    names = ("open", "high", "low", "close", "volume")
    columns = {name: np.asarray(getattr(sample, name)) for name in names}
    times = pa.array(np.asarray(sample.time), type=pa.timestamp("us", tz="UTC"))
    pq.write_table(pa.table({"timestamp": times, **columns}), path)
    return path
