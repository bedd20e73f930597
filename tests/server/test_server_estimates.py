"""How long jobs are said to take when they are accepted, and how long they then take."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from stratopt.v1.backtest_pb2 import Backtest
from stratopt_client import BacktestHandle, Client
from support import ServerProcess, eventually, write_bars

SETTINGS = {"STRATOPT_JOBS_RUNNING_MAX": "1"}
BUSY_GRID: dict[str, Any] = {
    "symbol": "BUSY/USDT",
    "strategy_id": "grid_v1.2",
    "params": {"grid_num": 200, "profit_ratio": 0.001, "stop_loss": 0.5},
}
"""A backtest that takes a second or two, most of it for its hundred thousand trades."""
SEARCH: dict[str, Any] = {
    "symbol": "BUSY/USDT",
    "strategy_id": "ma_cross_v1.0",
    "param_ranges": {"signal_threshold": {"min": 0.0, "max": 0.5}},
    "algorithm": "random",
}


@pytest.fixture(scope="module")
def busy_bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bars that swing widely."""
    return write_bars(tmp_path_factory.mktemp("bars") / "busy.csv", count=25_000, noise=0.02)


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A server that runs one job at a time, and nobody else's."""
    process = ServerProcess(tmp_path / "data", SETTINGS)
    yield process
    process.stop()


@pytest.fixture
async def own_client(own_server: ServerProcess, busy_bars: Path) -> AsyncIterator[Client]:
    """A client of it, with the bars imported as BUSY/USDT."""
    async with Client(own_server.address) as opened:
        await opened.market_data.import_file(busy_bars, symbol="BUSY/USDT")
        yield opened


async def run(client: Client, **options: Any) -> tuple[BacktestHandle, float]:
    """Run a backtest to its end; return its handle and the seconds it took from its start on."""
    handle = await client.backtests.start(**{**BUSY_GRID, **options})
    return handle, seconds_of(await handle.result(timeout=120))


def seconds_of(backtest: Backtest) -> float:
    """How long it took, its wait included."""
    return (backtest.end_time.ToMicroseconds() - backtest.create_time.ToMicroseconds()) / 1e6


async def test_estimate_comes_true(own_client: Client) -> None:
    """After a few backtests, what is said of one like them lies within a factor of 3 of what it takes.

    A busy machine may hold up one run for longer than that, but not each of several.
    """
    for _ in range(3):
        await run(own_client)
    pairs: list[tuple[int, float]] = []
    for _ in range(4):
        handle, took = await run(own_client)
        assert handle.estimated_seconds is not None
        pairs.append((handle.estimated_seconds, took))
        # It is told in whole seconds and at least 1, however fast the machine.
        if took / 3 <= handle.estimated_seconds <= max(3 * took, 1):
            return
    pytest.fail(f"told and taken: {pairs}")


async def told_now(client: Client, **options: Any) -> int:
    """Start a search, or start it again with its request_id; return what is said of it at this moment."""
    handle = await client.optimizations.start(**{**SEARCH, **options})
    assert handle.estimated_seconds is not None
    return handle.estimated_seconds


async def test_estimate_grows_with_the_queue_and_the_work(own_client: Client) -> None:
    """Each job in a queue is told to wait for those before it, and a small search behind them for all."""
    first = await own_client.optimizations.start(**SEARCH, max_iterations=10)
    await first.result(timeout=120)
    queue = [{"request_id": f"queued-{place}", "max_iterations": 100_000} for place in range(4)]
    last = {"request_id": "last", "max_iterations": 1}
    told: list[int] = []

    async def rising() -> bool:
        told[:] = [await told_now(own_client, **options) for options in (*queue, last)]
        return told[0] < told[1] < told[2] < told[3] <= told[4]

    # What is learned of the first, while these are asked, changes what is said of the next: ask them again.
    await eventually(rising, within=20, because="each waits for those before it")
    for options in reversed(queue):
        handle = await own_client.optimizations.start(**{**SEARCH, **options})
        await handle.cancel()
    alone = await told_now(own_client, **last)
    assert alone < told[4], f"nothing is before it any more: {told}"


async def test_repeated_start_is_told_what_is_left(own_client: Client) -> None:
    """The same request_id names the same backtest; once it has ended, 1 second is the least there is."""
    first, _ = await run(own_client, request_id="once", params={"grid_num": 10})
    again = await own_client.backtests.start(
        **{**BUSY_GRID, "request_id": "once", "params": {"grid_num": 10}}
    )
    assert again.id == first.id
    assert again.estimated_seconds == 1
    assert own_client.backtests.handle(first.id).estimated_seconds is None


async def test_restart_does_not_forget(own_server: ServerProcess, own_client: Client) -> None:
    """A server that starts believes the rows of finished jobs: here, that a small backtest took a minute."""
    await run(own_client, params={"grid_num": 10})
    assert own_server.terminate() == 0
    with closing(sqlite3.connect(own_server.data_dir / "stratopt.db")) as database, database:
        database.execute("UPDATE jobs SET completed_at = datetime(completed_at, '+60 seconds')")
    restarted = ServerProcess(own_server.data_dir, SETTINGS)
    try:
        async with Client(restarted.address) as client:
            # Once its template has loaded, only what is remembered can make a search or a backtest long.
            await run(client, params={"grid_num": 10})
            handle = await client.backtests.start(**BUSY_GRID)
            assert (handle.estimated_seconds or 0) >= 2
    finally:
        restarted.stop()
