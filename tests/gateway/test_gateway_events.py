"""Watch streams as Server-Sent Events."""

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from gateway_process import GatewayProcess, done, events_of, problem_of

from stratopt_client.sync import SyncClient
from support import ServerProcess

SEARCH = {
    "strategy_id": "ma_cross_v1.0",
    "param_ranges": {"fast_period": [2, 60], "slow_period": [61, 400], "signal_threshold": [0.0, 0.02]},
    "max_iterations": 3_000,
    "algorithm": "random",
    "holdout": 0.3,
    "seed": 11,
}


def follow(http: httpx.Client, path: str, last: str | None = None) -> list[dict[str, Any]]:
    """Return the events of a stream up to its end, data read as JSON."""
    headers = {} if last is None else {"Last-Event-ID": last}
    with http.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        found = [event for event in events_of(answer) if "event" in event]
    return [{**event, "data": json.loads(event["data"])} for event in found]


@pytest.fixture
def search(http: httpx.Client, walk: str) -> str:
    """A search that is under way."""
    started = http.post("/api/optimization/start", json={**SEARCH, "symbol": walk})
    return str(started.json()["optimization_id"])


def test_search_is_followed_to_its_end(http: httpx.Client, search: str) -> None:
    """A snapshot first and last, ids rise, improvements get better, data are as the status has them."""
    events = follow(http, f"/api/optimization/{search}/events")
    assert events[0]["event"] == events[-1]["event"] == "snapshot"
    assert (
        events[-1]["data"] == http.get("/api/optimization/status", params={"optimization_id": search}).json()
    )
    ids = [int(event["id"]) for event in events]
    assert ids == sorted(ids)
    scores = [event["data"]["score"] for event in events if event["event"] == "improvement"]
    assert scores == sorted(scores)
    assert {event["event"] for event in events} <= {"snapshot", "progress", "improvement"}


def test_stream_resumes_behind_the_last_event_seen(http: httpx.Client, search: str) -> None:
    """With Last-Event-ID come a snapshot, then exactly the kept events that were missed."""
    done(http, "/api/optimization/status", optimization_id=search)
    path = f"/api/optimization/{search}/events"
    # Everything that was kept, as whoever left before the first event sees it.
    everything = follow(http, path, "1")
    cut = everything[len(everything) // 2]
    resumed = follow(http, path, cut["id"])
    assert resumed[0]["event"] == "snapshot"
    assert resumed[1:] == [event for event in everything[1:] if int(event["id"]) > int(cut["id"])]


def test_browser_that_comes_back_after_the_end_is_told_to_stop(http: httpx.Client, search: str) -> None:
    """204 ends an EventSource; without an id the end is shown again."""
    path = f"/api/optimization/{search}/events"
    last = follow(http, path)[-1]
    assert http.get(path, headers={"Last-Event-ID": last["id"]}).status_code == 204
    assert [event["data"]["status"] for event in follow(http, path)] == ["succeeded"]


def test_backtest_is_followed_too(http: httpx.Client, report_id: str) -> None:
    """The stream of one that has ended is its last snapshot."""
    (event,) = follow(http, f"/api/backtest/{report_id}/events")
    assert event["event"] == "snapshot"
    assert event["data"]["metrics"]["bar_count"] > 0


def test_leaving_does_not_cancel(http: httpx.Client, search: str) -> None:
    """The search goes on after its only watcher has left."""
    with http.stream("GET", f"/api/optimization/{search}/events") as answer:
        next(events_of(answer))
    assert done(http, "/api/optimization/status", optimization_id=search)["trials_done"] == 3_000


@pytest.mark.parametrize("last", ["x", "-1", "1.5", str(2**63), "\u0661"])
def test_bad_last_event_id_is_422(http: httpx.Client, search: str, last: str) -> None:
    """It is named as the header it is."""
    answer = http.get(f"/api/optimization/{search}/events", headers={"Last-Event-ID": last.encode()})
    assert problem_of(answer, 422)["errors"][0]["field"] == "Last-Event-ID"


def test_watchers_that_left_are_not_counted(server: ServerProcess, search: str, tmp_path: Path) -> None:
    """However many came and went, at whatever moment, as many as the limit says are served."""
    gateway = GatewayProcess(server.address, tmp_path / "log", {"STRATOPT_GATEWAY_STREAMS_MAX": "2"})
    path = f"/api/optimization/{search}/events"
    with gateway.open() as http:
        for lines in (0, 0, 1, 2, 0):
            with http.stream("GET", path) as answer:
                for _ in zip(range(lines), answer.iter_lines(), strict=False):
                    pass
        deadline = time.monotonic() + 10
        while http.get(path).status_code != 200:
            assert time.monotonic() < deadline, "the watchers that left are still counted"
    assert gateway.stop() == 0, gateway.log()
    assert "Traceback" not in gateway.log()


def test_open_streams_do_not_hold_up_the_end(server: ServerProcess, walk: str, tmp_path: Path) -> None:
    """SIGTERM ends a stream that would last for long, and the gateway, at once."""
    gateway = GatewayProcess(server.address, tmp_path / "log")
    with gateway.open() as http:
        endless = {**SEARCH, "symbol": walk, "max_iterations": 100_000}
        started = http.post("/api/optimization/start", json=endless).json()["optimization_id"]
        with http.stream("GET", f"/api/optimization/{started}/events") as answer:
            began = time.monotonic()
            assert gateway.stop() == 0, gateway.log()
            assert time.monotonic() - began < 4
            assert "snapshot" in answer.read().decode()
    assert "Traceback" not in gateway.log()
    with SyncClient(server.address) as client:
        client.optimizations.handle(started).cancel()
