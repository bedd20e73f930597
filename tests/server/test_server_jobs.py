"""Jobs: side by side, killed, cancelled, taken up again, and watched through all of it."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from stratopt.v1 import job_pb2
from stratopt_client import (
    Client,
    FailedPrecondition,
    JobCancelled,
    JobFailed,
    OptimizationHandle,
)
from support import ServerProcess, eventually, write_bars

LONG = {
    "strategy_id": "ma_cross_v1.0",
    "param_ranges": {"fast_period": [2, 400], "slow_period": [401, 4_000]},
    "fixed_params": {"signal_threshold": 0.0},
    "algorithm": "random",
    "max_iterations": 60_000,
    "holdout": 0.3,
    "seed": 3,
}
"""A search that takes several seconds."""


@pytest.fixture(scope="module")
def long_bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough bars for a search to take its time."""
    return write_bars(tmp_path_factory.mktemp("bars") / "long.csv", count=100_000)


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A server that a test may kill."""
    process = ServerProcess(tmp_path / "data", {"STRATOPT_LEASE_SECONDS": "2"})
    yield process
    process.stop()


@pytest.fixture
async def own_client(own_server: ServerProcess, long_bars: Path) -> AsyncIterator[Client]:
    """A client of it, with the long bars imported as LONG/USDT."""
    async with Client(own_server.address) as opened:
        await opened.market_data.import_file(long_bars, symbol="LONG/USDT")
        yield opened


def job_processes(server: ServerProcess) -> list[psutil.Process]:
    """The processes of jobs: children of the server's templates."""
    return [
        job
        for template in psutil.Process(server.pid).children()
        for job in template.children()
        if job.status() != psutil.STATUS_ZOMBIE
    ]


async def start_long(client: Client, **change: Any) -> OptimizationHandle:
    """Start a search that takes several seconds and wait until it has made trials."""
    handle = await client.optimizations.start(symbol="LONG/USDT", **{**LONG, **change})
    async for event in handle.watch():
        if event.HasField("progress") and event.progress.done > 0:
            break
    return handle


async def test_two_searches_progress_side_by_side(own_client: Client) -> None:
    """Two searches started together are both under way at the same time."""
    first, second = await asyncio.gather(start_long(own_client), start_long(own_client, seed=4))
    states = [await first.get(), await second.get()]
    assert [state.status for state in states] == [job_pb2.JOB_STATUS_RUNNING] * 2
    assert all(state.progress.done > 0 for state in states)
    assert all(state.progress.HasField("rate") and state.progress.HasField("eta_seconds") for state in states)
    await asyncio.gather(first.cancel(), second.cancel())


async def test_killed_process_is_started_again(own_server: ServerProcess, own_client: Client) -> None:
    """A search whose process is killed goes on in another one, and ends as if nothing had been."""
    search = {**LONG, "max_iterations": 12_000}
    straight = await own_client.optimizations.start(symbol="LONG/USDT", **search)
    expected = await straight.result(timeout=120)
    handle = await start_long(own_client, max_iterations=12_000)
    for process in job_processes(own_server):
        process.kill()
    result = await handle.result(timeout=120)
    assert result.best == expected.best
    assert result.robust == expected.robust
    assert [t async for t in handle.trials()] == [t async for t in straight.trials()]


async def test_job_that_kills_its_processes_fails(tmp_path: Path, long_bars: Path) -> None:
    """After job_attempts_max lost attempts the job fails with the reason; the server runs the next one."""
    server = ServerProcess(tmp_path / "data", {"STRATOPT_JOB_ATTEMPTS_MAX": "2"})
    try:
        async with Client(server.address) as client:
            await client.market_data.import_file(long_bars, symbol="LONG/USDT")
            handle = await start_long(client)

            async def ended() -> bool:
                for process in job_processes(server):
                    process.kill()
                return (await handle.get()).status == job_pb2.JOB_STATUS_FAILED

            await eventually(ended, within=30, because="every attempt is killed")
            with pytest.raises(JobFailed) as failure:
                await handle.result(timeout=10)
            assert failure.value.reason == "WORKER_KILLED"
            assert failure.value.metadata["signal"] == "SIGKILL"
            after = await client.optimizations.start(symbol="LONG/USDT", **{**LONG, "max_iterations": 10})
            assert (await after.result(timeout=30)).progress.done == 10
    finally:
        server.stop()


async def test_lost_template_is_started_again(own_server: ServerProcess, own_client: Client) -> None:
    """Killing the template takes its jobs with it; they go on from a new one."""
    handle = await start_long(own_client, max_iterations=12_000)
    for job in job_processes(own_server):
        job.parent().kill()
        break
    assert (await handle.result(timeout=120)).progress.done == 12_000


async def test_cancel_stops_the_process_and_keeps_the_trials(
    own_server: ServerProcess, own_client: Client
) -> None:
    """A cancelled search ends at once, keeps what it found, and says so; a second cancel is no error."""
    handle = await start_long(own_client)
    cancelled = await handle.cancel()
    assert cancelled.status == job_pb2.JOB_STATUS_CANCELLED
    assert cancelled.best.trial.HasField("score")
    assert (await handle.cancel()).status == job_pb2.JOB_STATUS_CANCELLED

    async def gone() -> bool:
        return not job_processes(own_server)

    await eventually(gone, within=5, because="the job's process is killed")
    done = (await handle.get()).progress.done
    assert len([trial async for trial in handle.trials()]) == done > 0
    with pytest.raises(JobCancelled):
        await handle.result(timeout=5)


async def test_cancel_of_a_finished_job_is_refused(client: Client, walk: str) -> None:
    """Cancelling a job that succeeded is FAILED_PRECONDITION and changes nothing."""
    handle = await client.backtests.start(symbol=walk, strategy_id="ma_cross_v1.0")
    await handle.result(timeout=60)
    with pytest.raises(FailedPrecondition) as refusal:
        await handle.cancel()
    assert refusal.value.reason == "BACKTEST_WRONG_STATUS"
    assert (await handle.get()).status == job_pb2.JOB_STATUS_SUCCEEDED


async def test_report_of_a_pending_job_is_refused(own_client: Client) -> None:
    """There is no report before success; the refusal says where the backtest stands."""
    blockers = [await start_long(own_client, seed=seed) for seed in (1, 2)]
    handle = await own_client.backtests.start(symbol="LONG/USDT", strategy_id="ma_cross_v1.0")
    assert (await handle.get()).status == job_pb2.JOB_STATUS_PENDING
    with pytest.raises(FailedPrecondition) as refusal:
        await handle.report_html()
    assert refusal.value.metadata["status"] == "pending"
    assert (await handle.cancel()).status == job_pb2.JOB_STATUS_CANCELLED
    await asyncio.gather(*(blocker.cancel() for blocker in blockers))


async def test_killed_server_takes_its_job_up_again(
    own_server: ServerProcess, own_client: Client, long_bars: Path
) -> None:
    """After kill -9 of the server, a new one on the same folder ends the job as if nothing had happened."""
    assert long_bars
    search = {**LONG, "max_iterations": 12_000}
    straight = await own_client.optimizations.start(symbol="LONG/USDT", **search)
    expected = await straight.result(timeout=120)
    handle = await start_long(own_client, max_iterations=12_000)
    watching_from = (await anext(handle.watch())).sequence
    processes = psutil.Process(own_server.pid).children(recursive=True)
    own_server.kill()
    _, alive = psutil.wait_procs(processes, timeout=5)
    assert alive == [], "templates and jobs die with their server"

    restarted = ServerProcess(own_server.data_dir, {"STRATOPT_LEASE_SECONDS": "2"})
    try:
        async with Client(restarted.address) as client:
            resumed = client.optimizations.handle(handle.id)
            sequences = [event.sequence async for event in resumed.watch(after_sequence=watching_from)]
            assert sequences == sorted(sequences)
            result = await resumed.result(timeout=60)
            assert result.best == expected.best
            assert result.stop_reason == expected.stop_reason
            assert result.progress.done == expected.progress.done
            trials = [trial async for trial in resumed.trials()]
            assert trials == [t async for t in client.optimizations.handle(straight.id).trials()]
    finally:
        restarted.stop()


async def test_sigterm_drains(own_server: ServerProcess, own_client: Client) -> None:
    """SIGTERM lets short jobs finish, ends with exit code 0 and leaves no process behind."""
    handle = await own_client.optimizations.start(symbol="LONG/USDT", **{**LONG, "max_iterations": 500})
    processes = psutil.Process(own_server.pid).children(recursive=True)
    assert own_server.terminate() == 0
    _, alive = psutil.wait_procs(processes, timeout=5)
    assert alive == []
    restarted = ServerProcess(own_server.data_dir)
    try:
        async with Client(restarted.address) as client:
            await client.optimizations.handle(handle.id).result(timeout=60)
    finally:
        restarted.stop()


async def test_drain_puts_long_jobs_back(tmp_path: Path, long_bars: Path) -> None:
    """A job that does not finish while draining is pending again, and goes on after the next start."""
    settings = {"STRATOPT_DRAIN_SECONDS": "0.2"}
    server = ServerProcess(tmp_path / "data", settings)
    async with Client(server.address) as client:
        await client.market_data.import_file(long_bars, symbol="LONG/USDT")
        handle = await start_long(client)
    assert server.terminate() == 0
    again = ServerProcess(tmp_path / "data", settings)
    try:
        async with Client(again.address) as client:
            resumed = client.optimizations.handle(handle.id)

            async def running() -> bool:
                return (await resumed.get()).status == job_pb2.JOB_STATUS_RUNNING

            await eventually(
                running, within=30, because="the job is taken up at once, without a lease to wait for"
            )
            await resumed.cancel()
    finally:
        again.stop()


async def test_watch_begins_with_a_snapshot_and_ends_with_the_final_one(client: Client, walk: str) -> None:
    """A watch begins and ends with a snapshot, its sequences rise, and no improvement is lost."""
    handle = await client.optimizations.start(
        symbol=walk,
        strategy_id="ma_cross_v1.0",
        param_ranges={"fast_period": [2, 30], "slow_period": [31, 300]},
        algorithm="random",
        max_iterations=300,
        seed=5,
    )
    events = [event async for event in handle.watch()]
    assert events[0].HasField("snapshot")
    assert events[-1].snapshot.status == job_pb2.JOB_STATUS_SUCCEEDED
    sequences = [event.sequence for event in events]
    assert sequences == sorted(set(sequences))

    late = [event async for event in handle.watch()]
    assert [event.snapshot.status for event in late] == [job_pb2.JOB_STATUS_SUCCEEDED]

    resumed = [event async for event in handle.watch(after_sequence=1)]
    improvements = [event.improvement for event in resumed if event.HasField("improvement")]
    scores = [trial.score for trial in improvements]
    assert scores == sorted(set(scores))
    assert improvements[-1] == events[-1].snapshot.best.trial


async def test_a_silent_watch_beats(tmp_path: Path, long_bars: Path) -> None:
    """Where nothing happens, a watcher hears a heartbeat."""
    settings = {"STRATOPT_WATCH_HEARTBEAT_SECONDS": "0.3", "STRATOPT_JOBS_RUNNING_MAX": "1"}
    server = ServerProcess(tmp_path / "data", settings)
    try:
        async with Client(server.address) as client:
            await client.market_data.import_file(long_bars, symbol="LONG/USDT")
            blocker = await start_long(client)
            waiting = await client.optimizations.start(symbol="LONG/USDT", **LONG)
            kinds = []
            async for event in waiting.watch():
                kinds.append(event.WhichOneof("event"))
                if len(kinds) == 3:
                    break
            assert kinds == ["snapshot", "heartbeat", "heartbeat"]
            await waiting.cancel()
            await blocker.cancel()
    finally:
        server.stop()


async def test_lists_page_by_key_and_filter(client: Client, walk: str) -> None:
    """Pages hold every job once, newest first, and filters hold."""
    started = [
        (await client.backtests.start(symbol=walk, strategy_id="ma_cross_v1.0", initial_cash=1.0 + n)).id
        for n in range(5)
    ]
    listed = [row.id async for row in client.backtests.list(symbol=walk)]
    assert [job_id for job_id in listed if job_id in started] == started[::-1]
    assert len(set(listed)) == len(listed)
    assert [row async for row in client.backtests.list(symbol="NONE/USDT")] == []
    for job_id in started:
        await client.backtests.handle(job_id).result(timeout=60)


def test_server_starts_without_the_engine(server: ServerProcess) -> None:
    """The server's process maps neither numba's compiler nor vectorbt; its templates do."""
    maps = Path(f"/proc/{server.pid}/maps").read_text()
    assert "llvmlite" not in maps
    assert "pandas" not in maps
    assert "pyarrow" not in maps
    assert "numpy" in maps


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STRATOPT_LISTEN", "0.0.0.0:0"),
        ("STRATOPT_LISTEN", "127.0.0.1:99999"),
        ("STRATOPT_LISTEN", "127.0.0.1"),
        ("STRATOPT_RELAY_BIND", "tcp://0.0.0.0:5556"),
        ("STRATOPT_LOG_LEVEL", "LOUD"),
        ("STRATOPT_LEASE_SECONDS", "inf"),
        ("STRATOPT_DEFAULT_TIMEFRAME", "7q"),
        ("STRATOPT_DEFAULT_EXCHANGE", "BAD EX"),
        ("STRATOPT_DATABASE_URL", "mysql://somewhere"),
        ("STRATOPT_JOBS_RUNING_MAX", "1"),
        ("STRATOPT_DATA_DIR", "/proc/nowhere"),
    ],
)
def test_wrong_setting_is_one_line(tmp_path: Path, name: str, value: str) -> None:
    """A setting that cannot be ends the start with exit code 2 and one line that names it."""
    environment = {**os.environ, "STRATOPT_LISTEN": "127.0.0.1:0", "STRATOPT_DATA_DIR": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-m", "stratopt_server"],
        env={**environment, name: value},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert name in ended.stderr or value.partition(":")[0] in ended.stderr
    if name == "STRATOPT_JOBS_RUNING_MAX":
        assert "did you mean STRATOPT_JOBS_RUNNING_MAX" in ended.stderr


def test_taken_port_is_one_line(server: ServerProcess, tmp_path: Path) -> None:
    """A port that another server listens on is told in one line, with what to do."""
    environment = {
        **os.environ,
        "STRATOPT_LISTEN": server.address,
        "STRATOPT_DATA_DIR": str(tmp_path),
        "STRATOPT_RELAY_BIND": "",
    }
    ended = subprocess.run(
        [sys.executable, "-m", "stratopt_server"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert "another server may listen there" in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_queue_outlives_a_locked_database(own_server: ServerProcess, own_client: Client) -> None:
    """After the database was locked for a while, the next job runs as if nothing had been."""
    holder = sqlite3.connect(own_server.data_dir / "stratopt.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    await asyncio.sleep(3)
    holder.execute("ROLLBACK")
    holder.close()
    handle = await own_client.optimizations.start(symbol="LONG/USDT", **{**LONG, "max_iterations": 10})
    assert (await handle.result(timeout=30)).progress.done == 10


async def test_drain_does_not_wait_for_a_template(tmp_path: Path, long_bars: Path) -> None:
    """SIGTERM while the template is loading ends the server in about drain_seconds; the job stays pending."""
    cold = {"STRATOPT_DRAIN_SECONDS": "0.5", "STRATOPT_CACHE_DIR": str(tmp_path / "cold")}
    server = ServerProcess(tmp_path / "data", {**cold, "STRATOPT_REPORT_TEMPLATE": "false"})
    began = time.monotonic()
    async with Client(server.address) as client:
        assert (await client.strategies.get("ma_cross_v1.0")).runnable
    assert long_bars
    assert server.terminate() == 0
    assert time.monotonic() - began < 10


async def test_health_and_reflection(server: ServerProcess) -> None:
    """Health says SERVING for each service, and reflection lists them."""
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc
    from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

    services = {"StrategyService", "MarketDataService", "BacktestService", "OptimizationService"}
    async with grpc.aio.insecure_channel(server.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for name in ("", *(f"stratopt.v1.{service}" for service in services)):
            answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        watch = health.Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        watch.cancel()
        reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        async for answer in reflection.ServerReflectionInfo(iter([request])):
            listed = {service.name for service in answer.list_services_response.service}
        assert {f"stratopt.v1.{service}" for service in services} <= listed


async def test_health_turns_while_draining(own_server: ServerProcess, own_client: Client) -> None:
    """While the server drains, health says NOT_SERVING and a new job is refused as unavailable."""
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    await start_long(own_client)
    os.kill(own_server.pid, signal.SIGTERM)
    async with grpc.aio.insecure_channel(own_server.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)

        async def not_serving() -> bool:
            answer = await health.Check(health_pb2.HealthCheckRequest())
            return bool(answer.status == health_pb2.HealthCheckResponse.NOT_SERVING)

        await eventually(not_serving, within=3, because="draining leaves the rotation first")
        from stratopt.v1.optimization_service_pb2 import StartOptimizationRequest
        from stratopt.v1.optimization_service_pb2_grpc import OptimizationServiceStub

        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await OptimizationServiceStub(channel).StartOptimization(StartOptimizationRequest())
        assert refusal.value.code() is grpc.StatusCode.UNAVAILABLE
    own_server.kill()
