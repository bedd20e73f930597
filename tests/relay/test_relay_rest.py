"""Pipelines, routes, dead letters and packages over REST, against a real server and gateway."""

import json
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from relay_market import Market, Pipelines
from relay_peers import flat_b, two_frames

sys.path.append(str(Path(__file__).parent.parent / "gateway"))

from gateway_process import GatewayProcess


@pytest.fixture(scope="module")
def rest(market: Market, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A gateway in front of the server."""
    gateway = GatewayProcess(market.server.address, tmp_path_factory.mktemp("rest") / "log")
    with gateway.open() as client:
        yield client
    assert gateway.stop() == 0


async def made(market: Market, pipelines: Pipelines, kind: str) -> str:
    """Send an opportunity; return its pipeline's id."""
    mark = uuid.uuid4().hex
    market.scanner.say(two_frames(flat_b("EDGE/USDT", kind, nonce=mark)))
    return (await pipelines.of(mark)).id


def events(rest: httpx.Client, pipeline_id: str, **headers: str) -> list[tuple[str, Any]]:
    """Read an event stream to its end."""
    found, kind = [], ""
    with rest.stream("GET", f"/api/pipelines/{pipeline_id}/events", headers=headers, timeout=60) as answer:
        assert answer.status_code == 200
        for line in answer.iter_lines():
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: "):
                found.append((kind, json.loads(line.removeprefix("data: "))))
    return found


async def test_a_pipeline_from_events_to_its_package(
    market: Market, pipelines: Pipelines, rest: httpx.Client
) -> None:
    """Followed to its end, listed, shown; its package is found and revoked."""
    pipeline_id = await made(market, pipelines, "breakout")
    followed = events(rest, pipeline_id)
    assert followed[0][0] == followed[-1][0] == "snapshot"
    last = followed[-1][1]
    assert (last["pipeline_id"], last["status"]) == (pipeline_id, "succeeded")
    assert last["opportunity"]["document"]["market_context"] == {"trend": "up"}
    (run,) = last["strategy_runs"]
    assert (run["step"], run["outcome"]) == ("done", "approve")
    assert rest.get(f"/api/pipelines/{pipeline_id}").json() == last
    listed = rest.get("/api/pipelines", params={"status": "succeeded", "page_size": 1}).json()
    assert listed["pipelines"] == [last]
    assert listed["next_page_token"] or len(listed["pipelines"]) == 1
    assert rest.post(f"/api/pipelines/{pipeline_id}/cancel").status_code == 409
    package = rest.get(f"/api/packages/{run['package_id']}").json()
    assert package["parameter_package"]["decision_id"] == run["decision_id"]
    assert package["revocation"] is None
    found = rest.get("/api/packages", params={"symbol": "EDGE/USDT", "page_size": 1}).json()["packages"]
    assert found == [package]
    why = {"reason": "a test", "revoked_by": "ada"}
    revoked = rest.post(f"/api/packages/{run['package_id']}/revoke", json=why).json()
    assert revoked["revocation"] | why == revoked["revocation"]
    refused = rest.post(f"/api/packages/{run['package_id']}/revoke", json={**why, "reason": ""})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "reason")


async def test_cancel_and_what_is_not_there(market: Market, pipelines: Pipelines, rest: httpx.Client) -> None:
    """A running one is stopped; unknown ids are 404."""
    pipeline_id = await made(market, pipelines, "slow")
    assert rest.post(f"/api/pipelines/{pipeline_id}/cancel").json()["status"] == "cancelled"
    assert events(rest, pipeline_id)[-1][1]["status"] == "cancelled"
    for path in ("pipelines/pl_x", "pipelines/pl_x/events", "packages/pkg_x"):
        assert rest.get(f"/api/{path}").status_code == 404


async def test_routes_dead_letters_health_and_counts(
    market: Market, pipelines: Pipelines, rest: httpx.Client
) -> None:
    """What an operator looks at."""
    assert rest.get("/api/routes").json()["routes"][0]["name"] == "ranges"
    assert rest.post("/api/routes/reload").json() == rest.get("/api/routes").json()
    before = (await pipelines.messages_in()).get("bad_json", 0)
    market.scanner.say([b"scanner.pool.preliminary", b"{"])
    await pipelines.counted("bad_json", before + 1)
    wanted = {"cause": "BAD_JSON", "page_size": 1}
    letter = rest.get("/api/dead-letters", params=wanted).json()["dead_letters"][0]
    assert (letter["channel"], letter["body"]) == ("scanner", "ew==")
    assert rest.get("/api/dead-letters", params={"cause": "LUCK"}).status_code == 422
    health = rest.get("/health").json()["parts"]
    for part in ("relay", "relay_requests", "scanner", "review"):
        assert health[part]["status"] == "ok", health[part]
    counts = rest.get("/api/metrics").json()
    assert counts["messages_in"]["bad_json"] > before
    assert 'stratopt_messages_in{became="bad_json"}' in rest.get("/metrics").text
    assert 'stratopt_messages_out{topic="optimizer.heartbeat"}' in rest.get("/metrics").text
