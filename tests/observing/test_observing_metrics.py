"""What Prometheus reads from a server, before and after work."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from observing_samples import RUN, SEARCH, SYMBOL
from package_samples import put_package
from prometheus_client.parser import text_string_to_metric_families

from stratopt_client import Client, NotFound
from stratopt_server.domain.parts import Part, PartStatus
from stratopt_server.observing.meters import NoMeters, Sight
from stratopt_server.observing.prometheus import PrometheusMeters
from support import ServerProcess, eventually

BARS = 2_000
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
TYPES = {
    "stratopt_rpcs": "counter",
    "stratopt_rpc_seconds": "histogram",
    "stratopt_jobs": "gauge",
    "stratopt_queue_wait_seconds": "histogram",
    "stratopt_bars": "counter",
    "stratopt_trials": "counter",
    "stratopt_cache_lookups": "counter",
    "stratopt_outbox_waiting": "gauge",
    "stratopt_outbox_lag_seconds": "gauge",
    "stratopt_part_up": "gauge",
    "stratopt_last_look_timestamp_seconds": "gauge",
}
"""What docs/observability.md promises."""


def read(server: ServerProcess) -> Samples:
    """Read every sample."""
    answer = httpx.get(f"http://{server.metrics}/metrics", trust_env=False)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    """Return one sample; 0 where it has not begun to be counted."""
    return samples.get((name, frozenset(labels.items())), 0.0)


async def grown(server: ServerProcess, before: Samples, by: float, name: str, **labels: str) -> None:
    """Wait until a sample has grown by so much; a gauge may have stood behind when it was first read."""

    async def has() -> bool:
        grew = value(read(server), name, **labels) - value(before, name, **labels)
        return grew >= by if TYPES.get(name) == "gauge" else grew == by

    await eventually(has, within=12, because=f"{name}{labels} grows by {by}")


def test_names_and_types(seen: ServerProcess) -> None:
    """Every promised metric is there from the start, with its type and a word about it."""
    text = httpx.get(f"http://{seen.metrics}/metrics", trust_env=False).text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert {name: families[name].type for name in TYPES if name in families} == TYPES
    assert all(families[name].documentation for name in TYPES)
    assert "process_cpu_seconds" in families
    assert not [name for name in families if name.startswith("python_gc") or name.endswith("_created")]


async def test_backtest_moves_them(seen: ServerProcess) -> None:
    """A backtest is counted by its bars and its wait; the same one again is found and runs over none."""
    run = {**RUN, "params": {**RUN["params"], "slow_period": 77}}
    async with Client(seen.address) as client:
        before = read(seen)
        backtest = await (await client.backtests.start(SYMBOL, **run)).result(timeout=60)
        await grown(seen, before, BARS, "stratopt_bars_total")
        await grown(seen, before, 1, "stratopt_queue_wait_seconds_count", kind="backtest")
        await grown(seen, before, 1, "stratopt_jobs", kind="backtest", status="succeeded")
        service = "stratopt.v1.BacktestService"
        await grown(seen, before, 1, "stratopt_rpcs_total", method=f"{service}/StartBacktest", code="OK")
        await grown(seen, before, 1, "stratopt_rpc_seconds_count", method=f"{service}/StartBacktest")
        await grown(seen, before, 1, "stratopt_rpcs_total", method=f"{service}/WatchBacktest", code="OK")
        again = await (await client.backtests.start(SYMBOL, **run)).get()
        assert again.id != backtest.id
    after = read(seen)
    assert value(after, "stratopt_rpc_seconds_count", method=f"{service}/WatchBacktest") == 0
    assert value(after, "stratopt_bars_total") - value(before, "stratopt_bars_total") == BARS
    for outcome in ("hit", "miss"):
        looked = "stratopt_cache_lookups_total"
        assert value(after, looked, outcome=outcome) > value(before, looked, outcome=outcome)


async def test_search_moves_them(seen: ServerProcess) -> None:
    """A search is counted by its trials, and by the bars that each of them ran over."""
    before = read(seen)
    async with Client(seen.address) as client:
        search = await (await client.optimizations.start(SYMBOL, **SEARCH)).result(timeout=60)
    trials = search.progress.done
    assert trials > 4
    await grown(seen, before, trials, "stratopt_trials_total")
    await grown(seen, before, trials * BARS, "stratopt_bars_total")
    await grown(seen, before, 1, "stratopt_queue_wait_seconds_count", kind="optimization")
    await grown(seen, before, 1, "stratopt_jobs", kind="optimization", status="succeeded")


async def test_errors_by_code(seen: ServerProcess) -> None:
    """A call that fails is counted under its code; one that its caller gives up, as cancelled."""
    method = "stratopt.v1.BacktestService/GetBacktest"
    before = read(seen)
    async with Client(seen.address) as client:
        for _ in range(2):
            with pytest.raises(NotFound):
                await client.backtests.handle("bt_none").get()
        await grown(seen, before, 2, "stratopt_rpcs_total", method=method, code="NOT_FOUND")
        handle = await client.optimizations.start(SYMBOL, **{**SEARCH, "param_ranges": LONG, **MANY})
        watch = handle.watch()
        await anext(watch)
        await watch.aclose()
        watched = "stratopt.v1.OptimizationService/WatchOptimization"
        await grown(seen, before, 1, "stratopt_rpcs_total", method=watched, code="CANCELLED")
        await handle.cancel()


LONG = {"fast_period": [2, 400], "slow_period": [401, 1_000]}
MANY = {"algorithm": "random", "max_iterations": 60_000}


async def test_parts_and_outbox(seen: ServerProcess) -> None:
    """Every part that GetServerInfo names is up, and nothing waits to go out."""
    async with Client(seen.address) as client:
        names = {part.name for part in (await client.system.info()).parts}

    async def all_up() -> bool:
        samples = read(seen)
        return all(value(samples, "stratopt_part_up", part=name) == 1 for name in names)

    await eventually(all_up, within=12, because="every part is up")
    assert {"database", "cache", "relay"} <= names
    samples = read(seen)
    assert value(samples, "stratopt_outbox_waiting") == 0
    assert value(samples, "stratopt_outbox_lag_seconds") == 0


async def test_outbox_that_waits(tmp_path: Path) -> None:
    """A package that nobody publishes waits, longer and longer."""
    settings = {
        "STRATOPT_METRICS_LISTEN": "127.0.0.1:0",
        "STRATOPT_RELAY_BIND": "",
        "STRATOPT_REPORT_TEMPLATE": "false",
    }
    server = ServerProcess(tmp_path / "data", settings)
    try:
        put_package(f"sqlite:///{tmp_path / 'data' / 'stratopt.db'}", tmp_path / "data")

        async def lags() -> bool:
            samples = read(server)
            waits = value(samples, "stratopt_outbox_waiting") == 1
            return waits and value(samples, "stratopt_outbox_lag_seconds") > 2

        await eventually(lags, within=20, because="the package waits")
    finally:
        server.stop()


def test_what_is_seen_is_shown() -> None:
    """Ill parts are 0, what waits is counted, and lookups are read at the scrape."""
    lookups = {"hit": 3}
    meters = PrometheusMeters(lookups)
    sight = Sight(
        jobs={"backtest": {"failed": 2}},
        outbox_waiting=4,
        outbox_lag_seconds=1.5,
        parts=(Part("relay", PartStatus.ILL, "why"), Part("cache", PartStatus.IDLE)),
    )
    for to in (meters, NoMeters()):
        to.call("a/B", "OK", 0.1)
        to.queue_wait("backtest", 0.1)
        to.work(bars=3, trials=2)
        to.see(sight)
    lookups["error"] = 5
    get: Callable[..., Any] = meters.registry.get_sample_value
    assert get("stratopt_part_up", {"part": "relay"}) == 0
    assert get("stratopt_part_up", {"part": "cache"}) == 1
    assert get("stratopt_jobs", {"kind": "backtest", "status": "failed"}) == 2
    assert (get("stratopt_outbox_waiting"), get("stratopt_outbox_lag_seconds")) == (4, 1.5)
    assert get("stratopt_cache_lookups_total", {"outcome": "hit"}) == 3
    assert get("stratopt_cache_lookups_total", {"outcome": "error"}) == 5
    assert get("stratopt_bars_total") == 3


@pytest.mark.parametrize(
    ("listen", "said"),
    [("0.0.0.0:0", "only loopback"), ("nowhere", "HOST:PORT"), ("127.0.0.1:{taken}", "cannot be taken")],
)
def test_unusable_addresses(tmp_path: Path, seen: ServerProcess, listen: str, said: str) -> None:
    """An address that others can reach, that is none or that is taken keeps the server from starting."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("STRATOPT_")}
    environment = {
        "STRATOPT_LISTEN": "127.0.0.1:0",
        "STRATOPT_DATA_DIR": str(tmp_path / "data"),
        "STRATOPT_METRICS_LISTEN": listen.format(taken=str(seen.metrics).rpartition(":")[2]),
    }
    done = subprocess.run(
        [sys.executable, "-m", "stratopt_server"],
        capture_output=True,
        text=True,
        check=False,
        env=clean | environment,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "STRATOPT_METRICS_LISTEN" in done.stderr
    assert "Traceback" not in done.stderr


def test_ready_line_and_log(seen: ServerProcess) -> None:
    """The address that was chosen is told in both places."""
    assert seen.metrics is not None
    assert not seen.metrics.endswith(":0")
    assert f"http://{seen.metrics}/metrics" in seen.log()


def test_off_costs_nothing() -> None:
    """A server that shows nothing does not load the library."""
    code = "import sys, stratopt_server.serving; print('prometheus_client' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.lower()) is False
