"""How soon after its start the server serves, and what it and its templates hold in memory."""

import asyncio
import csv
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from bench.local_server import LocalServer, local_server
from stratopt_client import Client

RUNS = 5
MEGABYTE = 1 << 20


def run() -> dict[str, object]:
    """Start the server several times; the first fills the caches and does not count."""
    _serving_ms()
    serving = [_serving_ms() for _ in range(RUNS)]
    with local_server() as server:
        ready_ms = asyncio.run(_jobs_ready_ms(server))
        held = _memory(server)
    return {
        "name": "startup",
        "serving_ms": sorted(serving)[RUNS // 2],
        "serving_ms_worst": max(serving),
        **ready_ms,
        **held,
        "peak_mb": held["server_mb"],
    }


def _serving_ms() -> float:
    """Time from the start of the process to its first answer to a call."""
    began = time.perf_counter()
    with local_server() as server:
        asyncio.run(_first_answer(server))
        return (time.perf_counter() - began) * 1000


async def _first_answer(server: LocalServer) -> None:
    async with Client(server.address) as client:
        await client.strategies.get("ma_cross_v1.0")


async def _jobs_ready_ms(server: LocalServer) -> dict[str, float]:
    """Time to the end of a first job of each kind, then of a second one on warm templates."""
    figures: dict[str, float] = {}
    async with Client(server.address) as client:
        with tempfile.TemporaryDirectory() as folder:
            await client.market_data.import_file(write_bars(Path(folder)), symbol="BENCH/USDT")
        for turn in ("first", "warm"):
            began = time.perf_counter()
            search = await client.optimizations.start(
                symbol="BENCH/USDT",
                strategy_id="ma_cross_v1.0",
                param_ranges={"fast_period": [2, 11]},
                max_iterations=10,
            )
            await search.result()
            figures[f"{turn}_search_ms"] = (time.perf_counter() - began) * 1000
            began = time.perf_counter()
            backtest = await client.backtests.start(symbol="BENCH/USDT", strategy_id="ma_cross_v1.0")
            await backtest.result()
            figures[f"{turn}_backtest_ms"] = (time.perf_counter() - began) * 1000
    return figures


def write_bars(folder: Path) -> Path:
    """Write 5,000 hourly bars into the folder and return the file."""
    path = folder / "bars.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["timestamp", "open", "high", "low", "close", "volume"])
        for number in range(5_000):
            moment = datetime(2023, 1, 1, tzinfo=UTC) + timedelta(hours=number)
            price = 100 + number % 97
            writer.writerow([moment.isoformat(), price, price + 1, price - 1, price, 1])
    return path


def _memory(server: LocalServer) -> dict[str, float]:
    """Memory that each process does not share with the others, its own part of what it shares included."""
    process = psutil.Process(server.pid)
    held = {"server_mb": process.memory_full_info().pss / MEGABYTE}
    for template in process.children():
        name = "report_template_mb" if "--report" in template.cmdline() else "template_mb"
        held[name] = template.memory_full_info().pss / MEGABYTE
    return held
