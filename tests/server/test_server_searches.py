"""Searches through the front door: windows, verbs, queue, trials, ledger."""

import asyncio
import csv
import io
import itertools
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest

from stratopt.v1 import job_pb2, optimization_pb2
from stratopt.v1.optimization_pb2 import Optimization
from stratopt_client import (
    Client,
    FailedPrecondition,
    InvalidRequest,
    OptimizationHandle,
    ResourceExhausted,
)
from support import ServerProcess, eventually, write_bars

SEARCH: dict[str, Any] = {
    "symbol": "WALK/USDT",
    "strategy_id": "ma_cross_v1.0",
    "param_ranges": {"fast_period": [2, 20], "slow_period": [21, 80]},
    "fixed_params": {"signal_threshold": 0.0},
    "algorithm": "genetic",
    "max_iterations": 60,
    "seed": 7,
}
SLOW: dict[str, Any] = {
    **SEARCH,
    "symbol": "SLOW/USDT",
    "param_ranges": {"fast_period": [2, 400], "slow_period": [401, 4_000]},
    "max_iterations": 3_000,
}
"""A search that takes some seconds, windows included."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Bars of a few weeks, and of years."""
    folder = tmp_path_factory.mktemp("bars")
    return {
        "WALK/USDT": write_bars(folder / "walk.csv", count=2_000, seed=5),
        "SLOW/USDT": write_bars(folder / "slow.csv", count=60_000, seed=6, step=timedelta(minutes=15)),
    }


@pytest.fixture(scope="module")
def module_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server for the tests that change nothing but their own jobs."""
    process = ServerProcess(tmp_path_factory.mktemp("searches") / "data", {"STRATOPT_LEASE_SECONDS": "2"})
    yield process
    process.stop()


@pytest.fixture
async def searcher(module_server: ServerProcess, files: dict[str, Path]) -> AsyncIterator[Client]:
    """A client with the bars imported."""
    async with Client(module_server.address) as opened:
        for symbol, path in files.items():
            await opened.market_data.import_file(path, symbol=symbol)
        yield opened


async def finished(client: Client, **change: Any) -> Optimization:
    """Search to the end."""
    handle = await client.optimizations.start(**{**SEARCH, **change})
    return await handle.result(timeout=120)


async def trials_of(client: Client, optimization_id: str, **wanted: Any) -> list[Any]:
    """All trials that match."""
    return [trial async for trial in client.optimizations.handle(optimization_id).trials(**wanted)]


STRAIGHT: list[tuple[dict[str, Any], list[list[Any]]]] = []
"""What the slow search finds without a break, and its trials: made by the first test that needs it."""


async def straight(client: Client) -> tuple[dict[str, Any], list[list[Any]]]:
    """Run the slow search to its end, once for all tests."""
    if not STRAIGHT:
        handle = await client.optimizations.start(**SLOW)
        STRAIGHT.append(await told(client, handle))
    return STRAIGHT[0]


async def told(client: Client, handle: OptimizationHandle) -> tuple[dict[str, Any], list[list[Any]]]:
    """Wait for a search and return what it found, and the trials of some of its searches."""
    result = await handle.result(timeout=120)
    return found_of(result), [await trials_of(client, handle.id, window=window) for window in (None, 0, 4)]


async def under_way(handle: OptimizationHandle) -> None:
    """Wait until it has made trials."""

    async def has_trials() -> bool:
        return (await handle.get()).progress.done > 0

    await eventually(has_trials, within=60, because="the search makes trials")


async def test_walk_forward_is_the_default(searcher: Client) -> None:
    """Five windows tile the second half, each with its own best, and the tests are measured as one."""
    found = await finished(searcher)
    assert found.validation.method == optimization_pb2.VALIDATION_METHOD_WALK_FORWARD
    windows = found.walk_forward.windows
    assert [window.number for window in windows] == [0, 1, 2, 3, 4]
    for window, later in itertools.pairwise(windows):
        assert window.train_end_date.seconds < window.test_start_date.seconds
        assert later.test_start_date.seconds - window.test_end_date.seconds == 3_600
    assert windows[-1].test_end_date == found.end_date
    assert found.walk_forward.out_of_sample.bar_count == 1_000
    tests = [window.best.out_of_sample for window in windows]
    product = 1.0
    for test in tests:
        product *= 1 + test.total_return
    assert 1 + found.walk_forward.out_of_sample.total_return == pytest.approx(product, rel=1e-9)
    assert sum(test.trade_count for test in tests) == found.walk_forward.out_of_sample.trade_count
    assert found.progress.done == found.progress.total == 6 * 60
    assert found.trials_ever > 60
    assert found.robust.neighbours > 0
    for window in windows:
        own = await trials_of(searcher, found.id, window=window.number)
        assert len(own) == 60
        best = max((t for t in own if t.status == optimization_pb2.TRIAL_STATUS_OK), key=lambda t: t.score)
        assert window.best.trial.score == best.score


async def test_same_seed_same_trials(searcher: Client) -> None:
    """Two searches of one seed make the same trials; another seed makes others."""
    first, second = [await finished(searcher, holdout=0.3) for _ in range(2)]
    other = await finished(searcher, holdout=0.3, seed=8)
    lists = [await trials_of(searcher, found.id) for found in (first, second, other)]
    assert lists[0] == lists[1] != lists[2]
    assert first.trials_ever == second.trials_ever < other.trials_ever, "a repeat is no new trial"


@pytest.mark.parametrize("algorithm", ["genetic", "bayesian", "random", "sobol", "tpe", None])
async def test_every_algorithm(searcher: Client, algorithm: str | None) -> None:
    """Each makes its trials, each of them once; what was chosen is shown."""
    found = await finished(searcher, algorithm=algorithm, max_iterations=24, holdout=0.3)
    trials = await trials_of(searcher, found.id)
    sets = {str(sorted((name, value.integer) for name, value in trial.params.items())) for trial in trials}
    assert len(sets) == len(trials) == 24
    assert found.algorithm != optimization_pb2.ALGORITHM_UNSPECIFIED
    assert found.stop_reason == optimization_pb2.STOP_REASON_MAX_ITERATIONS


async def test_pareto_front(searcher: Client) -> None:
    """Of two figures at once no trial beats one of the front in both."""
    found = await finished(
        searcher,
        algorithm=None,
        objectives=[{"target": "sharpe"}, {"target": "drawdown"}],
        holdout=0.3,
        max_iterations=120,
    )
    assert found.algorithm == optimization_pb2.ALGORITHM_NSGA2
    front = [(t.trial.metrics.sharpe_ratio, -t.trial.metrics.max_drawdown) for t in found.pareto_front]
    assert front == sorted(front, reverse=True)
    usable = [
        (trial.metrics.sharpe_ratio, -trial.metrics.max_drawdown)
        for trial in await trials_of(searcher, found.id, status="ok")
    ]
    for point in front:
        assert not any(a >= point[0] and b >= point[1] and (a, b) != point for a, b in usable)
    assert all(best.HasField("out_of_sample") for best in found.pareto_front)


async def test_weights_constraints_and_first_sets(searcher: Client) -> None:
    """A weighted sum is scored as such; constraints hold in every trial; known sets are tried first."""
    known = {"fast_period": 5, "slow_period": 60}
    found = await finished(
        searcher,
        objectives=[{"target": "sharpe", "weight": 1.0}, {"target": "drawdown", "weight": 2.0}],
        constraints=["fast_period * 3 < slow_period"],
        initial_params=[known],
        holdout=0.3,
    )
    trials = await trials_of(searcher, found.id)
    assert {name: trials[0].params[name].integer for name in known} == known
    for trial in trials:
        assert trial.params["fast_period"].integer * 3 < trial.params["slow_period"].integer
        if trial.HasField("score"):
            wanted = trial.metrics.sharpe_ratio - 2.0 * trial.metrics.max_drawdown
            assert trial.score == pytest.approx(wanted)


async def test_pause_and_resume(searcher: Client) -> None:
    """A paused search stands still; resumed, it ends as one that was not interrupted."""
    expected = await straight(searcher)
    handle = await searcher.optimizations.start(**SLOW)
    await under_way(handle)
    assert (await handle.pause()).status == job_pb2.JOB_STATUS_PAUSED
    assert (await handle.pause()).status == job_pb2.JOB_STATUS_PAUSED
    done = (await handle.get()).progress.done
    await asyncio.sleep(0.5)
    assert (await handle.get()).progress.done == done < 6 * SLOW["max_iterations"]
    assert (await handle.resume()).status == job_pb2.JOB_STATUS_PENDING
    assert await told(searcher, handle) == expected
    with pytest.raises(FailedPrecondition):
        await handle.pause()


async def test_paused_job_can_be_cancelled(searcher: Client) -> None:
    """It keeps what it found."""
    handle = await searcher.optimizations.start(**SLOW)
    await under_way(handle)
    await handle.pause()
    cancelled = await handle.cancel()
    assert cancelled.status == job_pb2.JOB_STATUS_CANCELLED
    assert cancelled.stop_reason == optimization_pb2.STOP_REASON_CANCELLED
    assert cancelled.best.trial.HasField("score")


async def test_extend(searcher: Client) -> None:
    """An extended search keeps its trials and goes on behind them, windows included."""
    handle = await searcher.optimizations.start(**SEARCH)
    before = await handle.result(timeout=120)
    first = await trials_of(searcher, handle.id)
    with pytest.raises(InvalidRequest) as refusal:
        await handle.extend(60)
    assert refusal.value.violations[0].field == "max_iterations"
    extended = await handle.extend(90)
    assert extended.status in (job_pb2.JOB_STATUS_PENDING, job_pb2.JOB_STATUS_RUNNING)
    after = await handle.result(timeout=120)
    assert (after.max_iterations, after.progress.done) == (90, 6 * 90)
    trials = await trials_of(searcher, handle.id)
    assert trials[:60] == first
    assert len(trials) == 90
    assert after.best.trial.score >= before.best.trial.score
    assert len(await trials_of(searcher, handle.id, window=4)) == 90


async def test_trials_are_sorted_and_exported(searcher: Client, tmp_path: Path) -> None:
    """By any figure, either way; a file has every trial and every figure."""
    found = await finished(searcher)
    by_return = await trials_of(searcher, found.id, order_by="total_return desc")
    figures = [trial.metrics.total_return for trial in by_return]
    assert figures == sorted(figures, reverse=True)
    assert len(figures) == 60
    handle = searcher.optimizations.handle(found.id)
    await handle.export_trials(tmp_path / "trials.csv", format="csv")
    await handle.export_trials(tmp_path / "trials.parquet", format="parquet")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "trials.csv").read_text())))
    table = pq.read_table(tmp_path / "trials.parquet").to_pylist()
    assert len(rows) == len(table) == 360
    assert [int(row["number"]) for row in rows] == list(range(360))
    best = table[found.best.trial.number]
    assert best["sharpe_ratio"] == found.best.trial.metrics.sharpe_ratio
    assert best["params_fast_period"] == found.best.trial.params["fast_period"].integer
    assert float(rows[found.best.trial.number]["score"]) == found.best.trial.score
    with pytest.raises(InvalidRequest):
        await trials_of(searcher, found.id, order_by="beauty")


@pytest.mark.parametrize("after_seconds", [0.15, 0.5, 1.1])
async def test_killed_searches_end_alike(
    searcher: Client, module_server: ServerProcess, after_seconds: float
) -> None:
    """Whenever its process is killed, a walk-forward ends with the same results and trials."""
    expected = await straight(searcher)
    handle = await searcher.optimizations.start(**SLOW)
    await under_way(handle)
    await asyncio.sleep(after_seconds)
    for template in psutil.Process(module_server.pid).children():
        for job in template.children():
            job.kill()
    assert await told(searcher, handle) == expected


def found_of(optimization: Optimization) -> dict[str, Any]:
    """What a search found, without its id and times."""
    names = ("best", "robust", "plateau", "walk_forward", "stop_reason", "warnings")
    return {name: getattr(optimization, name) for name in names}


async def test_priority_turns_and_room(tmp_path: Path, files: dict[str, Path]) -> None:
    """A job of higher priority overtakes; callers take turns; a full queue refuses and says when to retry."""
    settings = {"STRATOPT_JOBS_RUNNING_MAX": "1", "STRATOPT_JOBS_PENDING_MAX": "6"}
    server = ServerProcess(tmp_path / "data", settings)
    quick = {**SEARCH, "holdout": 0.3, "max_iterations": 10}
    try:
        async with Client(server.address, caller="greedy") as greedy, Client(server.address) as other:
            for symbol, path in files.items():
                await greedy.market_data.import_file(path, symbol=symbol)
            blocker = await greedy.optimizations.start(**SLOW, priority=10)
            await under_way(blocker)
            queued = [await greedy.optimizations.start(**quick) for _ in range(3)]
            polite = await other.optimizations.start(**quick)
            urgent = await greedy.optimizations.start(**quick, priority=5)
            await greedy.optimizations.start(**quick, priority=-10)
            with pytest.raises(ResourceExhausted) as full:
                await other.optimizations.start(**quick)
            assert full.value.retry_after_seconds >= 1
            await blocker.cancel()
            ended = {}
            for handle in (urgent, polite, *queued):
                result = await handle.result(timeout=60)
                ended[handle.id] = result.start_time.ToMicroseconds()
            order = sorted(ended, key=lambda key: ended[key])
            assert order == [urgent.id, polite.id, *(handle.id for handle in queued)]
            assert (await queued[0].get()).caller == "greedy"
    finally:
        server.stop()
