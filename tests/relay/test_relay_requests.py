"""Requests over ZeroMQ: every method, for plain REQ peers and DEALERs, and what is wrong with one."""

import json
import time
import uuid
from typing import Any

import grpc
import pytest
import zmq
from relay_market import Market
from relay_peers import Asker, asking

from stratopt_client.sync import SyncClient

MA_CROSS = {"fast_period": 5, "slow_period": 30, "signal_threshold": 0.0}


@pytest.fixture(scope="module")
def address(market: Market) -> str:
    """Where requests are answered."""
    found = market.info().relay_requests_address
    assert found.startswith("tcp://127.0.0.1:")
    return found


def until_ended(asker: Asker, method: str, resource: str, **params: Any) -> dict[str, Any]:
    """Ask for a job's status until it is final."""
    deadline = time.monotonic() + 60
    while True:
        job: dict[str, Any] = asker.result(method, **params)[resource]
        if job["status"] not in ("pending", "running"):
            return job
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("kind", [zmq.REQ, zmq.DEALER], ids=["REQ", "DEALER"])
def test_the_whole_way_by_requests(market: Market, address: str, kind: int) -> None:
    """Search, backtest, approve, and the package by id, as the newest and by its place."""
    with asking(address, kind) as asker:
        started = asker.result(
            "optimization.start",
            symbol="EDGE/USDT",
            strategy_id="ma_cross_v1.0",
            param_ranges={"fast_period": {"choices": [5, 9]}, "slow_period": {"choices": [30]}},
            fixed_params={"signal_threshold": 0.0},
            validation="holdout",
        )
        assert started["estimated_seconds"] >= 1
        search = until_ended(
            asker, "optimization.status", "optimization", optimization_id=started["optimization"]["id"]
        )
        assert search["status"] == "succeeded"
        best = search["best"]["trial"]["params"]
        backtest_id = asker.result(
            "backtest.start", symbol="EDGE/USDT", strategy_id="ma_cross_v1.0", params=best
        )["backtest"]["id"]
        backtest = until_ended(asker, "backtest.status", "backtest", task_id=backtest_id)
        assert backtest["status"] == "succeeded"
        answer = asker.result(
            "strategy.approve", strategy_id="ma_cross_v1.0", backtest_id=backtest_id, policy="lax/v1"
        )
        package_id = answer["decision"]["package_id"]
        package = asker.result("package.get", package_id=package_id)["package"]
        assert package["parameters"] == best
        assert asker.result("package.latest", symbol="EDGE/USDT")["package"] == package
        by_strategy = asker.result("package.latest", symbol="EDGE/USDT", strategy_id="ma_cross_v1.0")
        assert by_strategy["package"] == package
        place = package["seq"]
        replayed = asker.result("package.replay", epoch=package["epoch"], from_seq=place, to_seq=place)
        assert replayed["packages"] == [package]
        assert replayed["last_seq"] == place
    with SyncClient(market.server.address) as client:
        assert client.optimizations.get(search["id"]).id == search["id"]


def test_same_validation_as_every_door(market: Market, address: str) -> None:
    """What gRPC refuses is refused likewise, all fields at once, with the same reasons."""
    wrong: dict[str, Any] = {
        "symbol": "EDGE/USDT",
        "strategy_id": "ma_cross_v1.0",
        "params": {"fast_period": 0, "nope": 1},
        "taker_fee": 2.0,
    }
    with asking(address) as asker:
        error = asker.error("backtest.start", **wrong)
    assert error["code"] == "INVALID_ARGUMENT"
    over_zmq = {(found["field"], found["reason"]) for found in error["details"]["violations"]}
    with SyncClient(market.server.address) as client, pytest.raises(Exception) as caught:  # noqa: PT011
        client.backtests.start(**wrong)
    over_grpc = {(found.field, found.reason) for found in caught.value.violations}  # type: ignore[attr-defined]
    assert over_zmq == over_grpc
    assert len(over_zmq) >= 3


ERRORS: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "unknown method": ("strategy.delete", {}, "NOT_FOUND", "METHOD_NOT_FOUND"),
    "unknown field": ("backtest.start", {"symbole": "x"}, "INVALID_ARGUMENT", "UNKNOWN_FIELD"),
    "long field": ("backtest.start", {"x" * 500_000: 1, "é": 2}, "INVALID_ARGUMENT", "UNKNOWN_FIELD"),
    "wrong shape": ("optimization.start", {"max_iterations": "many"}, "INVALID_ARGUMENT", "WRONG_TYPE"),
    "no such job": (
        "optimization.status",
        {"optimization_id": "opt_x"},
        "NOT_FOUND",
        "OPTIMIZATION_NOT_FOUND",
    ),
    "no such package": ("package.get", {"package_id": "pkg_x"}, "NOT_FOUND", "PACKAGE_NOT_FOUND"),
    "no package": ("package.latest", {"symbol": "NOPE/USDT"}, "NOT_FOUND", "PACKAGE_NOT_FOUND"),
    "no symbol": ("package.latest", {}, "INVALID_ARGUMENT", "REQUIRED"),
    "other epoch": ("package.replay", {"epoch": "x"}, "NOT_FOUND", "EPOCH_NOT_FOUND"),
    "below one": ("package.replay", {"from_seq": -1}, "INVALID_ARGUMENT", "OUT_OF_RANGE"),
    "backwards": ("package.replay", {"from_seq": 5, "to_seq": 2}, "INVALID_ARGUMENT", "OUT_OF_RANGE"),
    "no place": ("package.replay", {"from_seq": "one"}, "INVALID_ARGUMENT", "WRONG_TYPE"),
    "no criterion": (
        "strategy.approve",
        {"strategy_id": "a", "backtest_id": "b", "approval_criteria": {"luck": 1}},
        "INVALID_ARGUMENT",
        "UNKNOWN_CRITERION",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_say_what_is_wrong(address: str, case: str) -> None:
    """A code, a reason and words; never silence."""
    method, params, code, reason = ERRORS[case]
    with asking(address) as asker:
        error = asker.error(method, **params)
    assert (error["code"], error["details"]["reason"]) == (code, reason)
    assert error["message"]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b"[]", b"7", b"null", b"[" * 50_000, b'{"id": "a"}', b'{"method": 7, "id": "a"}',
     b'{"method": "health_check", "params": [], "id": "a"}',
     b'{"method": "backtest.start", "params": {"\\ud800": 1}}', b" " * 1_100_000],
    ids=lambda body: f"{body[:12]!r} {len(body)}",
)  # fmt: skip
def test_what_is_no_request_is_answered(address: str, body: bytes) -> None:
    """An error reply in the documented form, and the next request is served."""
    with asking(address) as asker:
        asker.socket.send(body)
        reply = json.loads(asker.socket.recv())
        assert reply["status"] == "error"
        assert reply["error"]["code"] == "INVALID_ARGUMENT"
        assert asker.result("health_check")["healthy"] in (True, False)


def test_health_and_strategies(address: str) -> None:
    """How every part is; the strategies there are."""
    with asking(address) as asker:
        health = asker.result("health_check")
        listed = asker.result("strategies.list", page_size=1)
    assert {"database", "relay", "relay_requests", "scanner", "review"} <= {
        part["name"] for part in health["parts"]
    }
    assert len(listed["strategies"]) == 1
    assert listed["next_page_token"]


def test_peers_that_die_keep_nobody_waiting(address: str) -> None:
    """A REQ that is gone before its answer, and one that is back under its name, do no harm."""
    for _ in range(20):
        with asking(address, identity=b"trader") as gone:
            gone.socket.send(json.dumps({"method": "health_check", "params": {}, "id": "x"}).encode())
    with asking(address, identity=b"trader") as asker:
        assert asker.result("strategies.list")["strategies"]


def test_many_at_once(address: str) -> None:
    """A DEALER may ask again before it has its answer; each answer names its request."""
    ids = [uuid.uuid4().hex for _ in range(50)]
    with asking(address, zmq.DEALER) as asker:
        for request_id in ids:
            request = {"method": "strategies.list", "params": {}, "id": request_id}
            asker.socket.send_multipart([b"", json.dumps(request).encode()])
        replies = [json.loads(asker.socket.recv_multipart()[-1]) for _ in ids]
    assert {reply["id"] for reply in replies} == set(ids)
    assert {reply["status"] for reply in replies} <= {"success", "error"}
    assert all(
        reply["status"] == "success" or reply["error"]["code"] == "RESOURCE_EXHAUSTED" for reply in replies
    )


async def test_replay_over_grpc_is_the_same(market: Market, address: str) -> None:
    """The same places give the same packages by RPC."""
    from stratopt.v1 import approval_service_pb2 as pb
    from stratopt.v1.approval_service_pb2_grpc import ApprovalServiceStub
    from stratopt_client.packages import document_of

    with asking(address) as asker:
        replayed = asker.result("package.replay")
    async with grpc.aio.insecure_channel(market.server.address) as channel:
        found = await ApprovalServiceStub(channel).ReplayParameterPackages(
            pb.ReplayParameterPackagesRequest()
        )
    assert [document_of(package) for package in found.parameter_packages] == replayed["packages"]
    assert (found.epoch, found.last_seq) == (replayed["epoch"], replayed["last_seq"])
