"""Whatever is wrong, the answer is a problem that names it, and nothing is stored."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from gateway_process import GatewayProcess, problem_of

from support import ServerProcess

START = "/api/backtest/start"
SEARCH = "/api/optimization/start"
APPROVE = "/api/strategies/approve"
RUN: dict[str, Any] = {
    "symbol": "WALK/USDT",
    "strategy_id": "ma_cross_v1.0",
    "start_date": "2023-01-01",
    "end_date": "2023-01-31",
}
HUNT: dict[str, Any] = {
    "symbol": "WALK/USDT",
    "strategy_id": "ma_cross_v1.0",
    "param_ranges": {"fast_period": [2, 10]},
}
STRATEGY = {"id": "rest_bad", "name": "n", "version": "1", "code": "x = 1"}
JSON = {"content-type": "application/json"}

# What to change about a good request, and the status, reason and field of the answer.
BAD_STARTS: list[tuple[dict[str, Any], int, str, str]] = [
    ({"strategy_id": "none"}, 404, "STRATEGY_NOT_FOUND", "strategy_id"),
    ({"symbol": "NONE/USDT"}, 404, "DATASET_NOT_FOUND", "symbol"),
    ({"symbol": "walk"}, 422, "INVALID_SYMBOL", "symbol"),
    ({"symbol": 7}, 422, "STRING_TYPE", "symbol"),
    ({"symbol": None}, 422, "STRING_TYPE", "symbol"),
    ({"timeframe": "7m"}, 422, "UNKNOWN_TIMEFRAME", "timeframe"),
    ({"start_date": "soon"}, 422, "NOT_A_TIME", "start_date"),
    ({"start_date": 20230101}, 422, "STRING_TYPE", "start_date"),
    ({"start_date": "2019-01-01"}, 412, "DATES_OUTSIDE_DATA", "start_date"),
    ({"end_date": "2029-01-01"}, 412, "DATES_OUTSIDE_DATA", "end_date"),
    ({"end_date": "2023-01-01T00:00:00Z"}, 412, "TOO_FEW_BARS", "end_date"),
    ({"end_date": "2022-12-01"}, 422, "DATES_REVERSED", "end_date"),
    ({"params": [1]}, 422, "DICT_TYPE", "params"),
    ({"params": {"speed": 3}}, 422, "UNKNOWN_PARAMETER", "params.speed"),
    ({"params": {"fast_period": 20.0}}, 422, "WRONG_PARAMETER_TYPE", "params.fast_period"),
    ({"params": {"fast_period": "5"}}, 422, "WRONG_PARAMETER_TYPE", "params.fast_period"),
    ({"params": {"fast_period": True}}, 422, "WRONG_PARAMETER_TYPE", "params.fast_period"),
    ({"params": {"fast_period": None}}, 422, "WRONG_TYPE", "params.fast_period"),
    ({"params": {"fast_period": {"a": 1}}}, 422, "WRONG_TYPE", "params.fast_period"),
    ({"params": {"fast_period": 2**63}}, 422, "WRONG_TYPE", "params.fast_period"),
    ({"params": {"fast_period": 0}}, 422, "PARAMETER_OUT_OF_RANGE", "params.fast_period"),
    ({"params": {"fast_period": 50}}, 422, "CONSTRAINT_VIOLATED", "params"),
    ({"taker_fee": 1}, 422, "COST_OUT_OF_RANGE", "taker_fee"),
    ({"slippage": "0.1"}, 422, "FLOAT_TYPE", "slippage"),
    ({"initial_cash": 0}, 422, "INITIAL_CASH_OUT_OF_RANGE", "initial_cash"),
    ({"fill": "open"}, 422, "LITERAL_ERROR", "fill"),
    ({"maker_fee": -0.1}, 422, "COST_OUT_OF_RANGE", "maker_fee"),
    ({"impact": 11}, 422, "COST_OUT_OF_RANGE", "impact"),
    ({"direction": "up"}, 422, "LITERAL_ERROR", "direction"),
    ({"sizing": "all_in"}, 422, "MODEL_ATTRIBUTES_TYPE", "sizing"),
    ({"sizing": {"amount": 0.5}}, 422, "REQUIRED", "sizing.kind"),
    ({"sizing": {"kind": "half"}}, 422, "LITERAL_ERROR", "sizing.kind"),
    ({"sizing": {"kind": "fraction"}}, 422, "REQUIRED", "sizing.amount"),
    ({"sizing": {"kind": "fraction", "amount": 2}}, 422, "SIZE_OUT_OF_RANGE", "sizing.amount"),
    ({"sizing": {"kind": "all_in", "amount": 2}}, 422, "NOT_FOR_ALL_IN", "sizing.amount"),
    ({"sizing": {"kind": "fixed", "size": 2}}, 422, "UNKNOWN_FIELD", "sizing.size"),
    ({"stop_loss": 1}, 422, "STOP_OUT_OF_RANGE", "stop_loss"),
    ({"take_profit": "0.1"}, 422, "FLOAT_TYPE", "take_profit"),
    ({"lot_size": -1}, 422, "RULE_OUT_OF_RANGE", "lot_size"),
    ({"borrow_rate": 1}, 422, "CARRY_OUT_OF_RANGE", "borrow_rate"),
    ({"funding": {"2023-01-01": 0.1}}, 422, "LIST_TYPE", "funding"),
    ({"funding": [{"time": "2023-01-01"}]}, 422, "REQUIRED", "funding[0].rate"),
    ({"funding": [{"time": "soon", "rate": 0}]}, 422, "NOT_A_TIME", "funding[0].time"),
    ({"funding": [{"time": "2023-01-01", "rate": 1}]}, 422, "CARRY_OUT_OF_RANGE", "funding[0].rate"),
    ({"fill_model": "touch"}, 422, "ONLY_FOR_GRIDS", "fill_model"),
    ({"participation": 0.1}, 422, "ONLY_FOR_GRIDS", "participation"),
    ({"strategy_id": "grid_v1.2", "stop_loss": 0.1}, 422, "NOT_FOR_GRIDS", "stop_loss"),
    ({"strategy_id": "grid_v1.2", "direction": "short"}, 422, "NOT_FOR_GRIDS", "direction"),
    ({"strategy_id": "grid_v1.2", "sizing": {"kind": "fixed", "amount": 1}}, 422, "NOT_FOR_GRIDS", "sizing"),
    ({"request_id": "x" * 65}, 422, "REQUEST_ID_TOO_LONG", "request_id"),
    ({"leverage": 10}, 422, "UNKNOWN_FIELD", "leverage"),
]
BAD_SEARCHES: list[tuple[dict[str, Any], int, str, str]] = [
    ({"param_ranges": {}}, 422, "EMPTY_PARAM_RANGES", "param_ranges"),
    ({"param_ranges": {"fast_period": 5}}, 422, "WRONG_TYPE", "param_ranges.fast_period"),
    ({"param_ranges": {"fast_period": {"min": 5}}}, 422, "REQUIRED", "param_ranges.fast_period.max"),
    ({"param_ranges": {"fast_period": [9, 3]}}, 422, "RANGE_REVERSED", "param_ranges.fast_period"),
    ({"optimization_target": "profit"}, 422, "LITERAL_ERROR", "optimization_target"),
    ({"max_iterations": 0}, 422, "BUDGET_OUT_OF_RANGE", "max_iterations"),
    ({"max_iterations": 10.5}, 422, "INT_TYPE", "max_iterations"),
    ({"seed": -1}, 422, "GREATER_THAN_EQUAL", "seed"),
    ({"holdout": 0.99}, 422, "HOLDOUT_OUT_OF_RANGE", "holdout"),
    ({"end_date": "2023-01-01", "holdout": 0.9}, 412, "TOO_FEW_BARS", "holdout"),
    ({"end_date": "2023-01-02"}, 412, "TOO_FEW_BARS", "validation.windows"),
    ({"validation": {"windows": 1}}, 422, "WINDOWS_OUT_OF_RANGE", "validation.windows"),
    ({"validation": {"method": "none", "windows": 3}}, 422, "NOT_OF_THIS_METHOD", "validation.windows"),
    ({"validation": {"purge_bars": -1}}, 422, "OUT_OF_RANGE", "validation.purge_bars"),
    ({"validation": {}, "holdout": 0.3}, 422, "HOLDOUT_AND_VALIDATION", "holdout"),
    ({"constraints": ["fast_period <"]}, 422, "CONSTRAINT_NOT_ALLOWED", "constraints[0]"),
    ({"constraints": ["fast_period + 1"]}, 422, "CONSTRAINT_NOT_ALLOWED", "constraints[0]"),
    ({"constraints": ["fast_period ** 9 > 1"]}, 422, "CONSTRAINT_NOT_ALLOWED", "constraints[0]"),
    ({"constraints": ["beauty > 1"]}, 422, "UNKNOWN_PARAMETER", "constraints[0]"),
    ({"constraints": ["fast_period > 1000"]}, 422, "NO_FEASIBLE_POINT", "param_ranges"),
    ({"objectives": [{"target": "sharpe"}]}, 422, "TOO_FEW_OBJECTIVES", "objectives"),
    (
        {"objectives": [{"target": "sharpe", "weight": 1.0}, {"target": "return"}]},
        422,
        "SOME_WEIGHTS_MISSING",
        "objectives",
    ),
    (
        {"objectives": [{"target": "sharpe"}, {"target": "sharpe"}]},
        422,
        "REPEATED_TARGET",
        "objectives",
    ),
    ({"algorithm": "nsga2"}, 422, "ALGORITHM_NEEDS_OBJECTIVES", "algorithm"),
    ({"stop_rule": {"time_budget_seconds": 0.0}}, 422, "OUT_OF_RANGE", "stop_rule.time_budget_seconds"),
    (
        {"param_ranges": {"fast_period": [2, 9]}, "initial_params": [{"fast_period": 15}]},
        422,
        "OUTSIDE_RANGE",
        "initial_params[0].params.fast_period",
    ),
    ({"priority": 11}, 422, "PRIORITY_OUT_OF_RANGE", "priority"),
    (
        {"param_ranges": {"fast_period": {"min": 1, "max": 9, "step": -1}}},
        422,
        "INVALID_STEP",
        "param_ranges.fast_period.step",
    ),
    (
        {"param_ranges": {"signal_threshold": {"min": 0.0, "max": 0.1, "log": True}}},
        422,
        "LOG_OF_NON_POSITIVE",
        "param_ranges.signal_threshold.log",
    ),
]
NOT_JSON = [
    b"",
    b"{",
    b"not json",
    b"\xff\xfe",
    b'{"symbol": NaN}',
    b'{"taker_fee": Infinity}',
    b'{"taker_fee": 1e999}',
    b'{"symbol": "\\ud800"}',
    b"[" * 10_000,
    b"{} {}",
    b"1" * 5_000,
]


def faults(said: dict[str, Any]) -> list[tuple[str, str]]:
    """Return field and reason of everything a problem names."""
    return [(fault["field"], fault["reason"]) for fault in said["errors"]]


def stored(http: httpx.Client) -> dict[str, int]:
    """Count the rows of every kind; jobs only change their status."""
    counts = http.get("/api/metrics").json()
    kinds = {name: counts[name] for name in ("backtests", "optimizations", "decisions")}
    return {"strategies": counts["strategies"], **{name: sum(kinds[name].values()) for name in kinds}}


@pytest.mark.parametrize(("change", "status", "reason", "field"), BAD_STARTS)
def test_bad_backtests_are_refused(
    http: httpx.Client, walk: str, change: dict[str, Any], status: int, reason: str, field: str
) -> None:
    """Each with the status of its kind, the field as the request has it, and a sentence."""
    said = problem_of(http.post(START, json={**RUN, "symbol": walk, **change}), status)
    assert (field, reason) in faults(said)


@pytest.mark.parametrize(("change", "status", "reason", "field"), BAD_SEARCHES)
def test_bad_searches_are_refused(
    http: httpx.Client, walk: str, change: dict[str, Any], status: int, reason: str, field: str
) -> None:
    """The same for optimizations."""
    said = problem_of(http.post(SEARCH, json={**HUNT, "symbol": walk, **change}), status)
    assert (field, reason) in faults(said)


def test_every_wrong_field_is_named_at_once(http: httpx.Client, walk: str) -> None:
    """Shapes in one answer; values in one answer."""
    shapes = problem_of(http.post(START, json={"symbol": 1, "fill": "x", "extra": 2}), 422)
    assert {field for field, _ in faults(shapes)} == {
        "symbol", "strategy_id", "start_date", "end_date", "fill", "extra",
    }  # fmt: skip
    values = {**RUN, "symbol": walk, "strategy_id": "none", "taker_fee": 2, "end_date": "2029-01-01"}
    assert {field for field, _ in faults(problem_of(http.post(START, json=values), 422))} == {
        "strategy_id", "taker_fee", "end_date",
    }  # fmt: skip


def test_nothing_is_stored_of_a_refused_request(http: httpx.Client, walk: str) -> None:
    """No row of a backtest, an optimization, a strategy or a decision."""
    before = stored(http)
    http.post(START, json={**RUN, "symbol": walk, "params": {"fast_period": 0}})
    http.post(SEARCH, json={**HUNT, "symbol": walk, "max_iterations": 0})
    http.post("/api/strategies", json={**STRATEGY, "id": "no spaces"})
    http.post(APPROVE, json={"strategy_id": "ma_cross_v1.0", "backtest_id": "bt_none"})
    http.post("/api/strategies", content=json.dumps(STRATEGY)[:-1], headers=JSON)
    assert stored(http) == before


@pytest.mark.parametrize("body", NOT_JSON, ids=lambda body: repr(body[:20]))
@pytest.mark.parametrize("path", [START, SEARCH, APPROVE, "/api/strategies"])
def test_what_is_no_json_is_400(http: httpx.Client, path: str, body: bytes) -> None:
    """Also numbers that no double holds, lone surrogates, and depths that would break a reader."""
    problem_of(http.post(path, content=body, headers=JSON), 400)
    problem_of(http.post(path, content=body), 400)


def test_json_must_be_declared(http: httpx.Client, walk: str) -> None:
    """A page of another site can send text, but not JSON, without asking: such a body is refused."""
    body = json.dumps({**RUN, "symbol": walk})
    for media_type in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = http.post(START, content=body, headers={"content-type": media_type})
        assert problem_of(answer, 415)["reason"] == "NOT_DECLARED_AS_JSON"
    assert problem_of(http.post(START, content=b"[]", headers=JSON), 422)["reason"] == "INVALID_REQUEST"


@pytest.mark.parametrize("path", [START, SEARCH, APPROVE, "/api/strategies", "/nowhere"])
@pytest.mark.parametrize("chunked", [False, True])
def test_ten_megabytes_are_413(http: httpx.Client, path: str, chunked: bool) -> None:
    """Whether its size is declared or not; the next request is answered as if nothing had been."""
    body = b'{"symbol": "' + b"x" * 10_000_000 + b'"}'
    content = iter([body[:5_000_000], body[5_000_000:]]) if chunked else body
    assert problem_of(http.post(path, content=content, headers=JSON), 413)["reason"] == "BODY_TOO_LARGE"
    assert http.get("/api/metrics").status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/backtest", "/api/strategies/", "/api/nope", "/API/strategies"]
)
def test_unknown_routes_are_404(http: httpx.Client, path: str) -> None:
    """With the path, and where the routes are described."""
    said = problem_of(http.get(path), 404)
    assert said["reason"] == "ROUTE_NOT_FOUND"
    assert path in said["detail"]


@pytest.mark.parametrize(
    ("verb", "path", "allowed"),
    [
        ("PATCH", "/api/strategies", "GET, POST"),
        ("POST", "/api/strategies/a", "DELETE, GET, PUT"),
        ("GET", START, "POST"),
        ("DELETE", "/api/reports", "GET"),
        ("PUT", "/health", "GET"),
        ("GET", "/api/backtest/a/cancel", "POST"),
        ("POST", "/openapi.json", "GET"),
    ],
)
def test_wrong_verbs_are_405(http: httpx.Client, verb: str, path: str, allowed: str) -> None:
    """With every verb that the path takes."""
    answer = http.request(verb, path)
    assert problem_of(answer, 405)["reason"] == "METHOD_NOT_ALLOWED"
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize(
    ("verb", "path", "field"),
    [
        ("GET", "/api/backtest/status?task_id=bt_none", "task_id"),
        ("GET", "/api/optimization/status?optimization_id=opt_none", "optimization_id"),
        ("GET", "/api/backtest/bt_none/events", "task_id"),
        ("GET", "/api/optimization/opt_none/events", "optimization_id"),
        ("POST", "/api/backtest/bt_none/cancel", "task_id"),
        ("POST", "/api/optimization/opt_none/cancel", "optimization_id"),
        ("GET", "/api/reports/bt_none", "report_id"),
        ("GET", "/api/reports/bt_none/html", "report_id"),
        ("GET", "/api/strategies/none", "strategy_id"),
        ("DELETE", "/api/strategies/none", "strategy_id"),
        ("GET", "/api/strategies/%00%FF", "strategy_id"),
    ],
)
def test_unknown_ids_are_404(http: httpx.Client, verb: str, path: str, field: str) -> None:
    """The field is called as the route calls it; an event stream is refused before it begins."""
    said = problem_of(http.request(verb, path), 404)
    assert [name for name, _ in faults(said)] == [field]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/backtest/status", "task_id"),
        ("/api/optimization/status", "optimization_id"),
        ("/api/strategies?page_size=-1", "page_size"),
        ("/api/strategies?page_size=x", "page_size"),
        ("/api/strategies?page_token=x", "page_token"),
        ("/api/reports?sort_by=luck", "sort_by"),
        ("/api/reports?start_date=soon", "start_date"),
        ("/api/reports/a?trades=perhaps", "trades"),
    ],
)
def test_bad_query_parameters_are_422(http: httpx.Client, path: str, field: str) -> None:
    """By their name."""
    assert [name for name, _ in faults(problem_of(http.get(path), 422))] == [field]


def test_strategies_that_cannot_be(http: httpx.Client, report_id: str) -> None:
    """Taken ids, strategies in use, and fields that are none."""
    assert problem_of(http.post("/api/strategies", json={**STRATEGY, "id": "grid_v1.2"}), 409)["reason"] == (
        "STRATEGY_EXISTS"
    )
    assert report_id
    assert problem_of(http.delete("/api/strategies/ma_cross_v1.0"), 409)["reason"] == "STRATEGY_IN_USE"
    said = problem_of(http.post("/api/strategies", json={**STRATEGY, "id": "a b", "name": ""}), 422)
    assert {name for name, _ in faults(said)} == {"id", "name"}
    assert faults(problem_of(http.put("/api/strategies/grid_v1.2", json={"id": "x"}), 422)) == [
        ("id", "UNKNOWN_FIELD")
    ]


def test_uploaded_code_is_not_run(http: httpx.Client, walk: str) -> None:
    """It is stored; a backtest or a search of it is refused with the reason."""
    assert http.post("/api/strategies", json={**STRATEGY, "id": "rest_uploaded"}).is_success
    for path, good in ((START, RUN), (SEARCH, HUNT)):
        said = problem_of(http.post(path, json={**good, "symbol": walk, "strategy_id": "rest_uploaded"}), 412)
        assert ("strategy_id", "STRATEGY_NOT_RUNNABLE") in faults(said)
    assert http.delete("/api/strategies/rest_uploaded").is_success


def test_approvals_that_cannot_be(http: httpx.Client, walk: str, report_id: str) -> None:
    """Of unknown backtests, of another strategy's, of unfinished ones, and by criteria that are none."""
    good = {"strategy_id": "ma_cross_v1.0", "backtest_id": report_id}

    def refused(status: int, **change: Any) -> dict[str, Any]:
        return problem_of(http.post(APPROVE, json={**good, **change}), status)

    assert refused(404, backtest_id="bt_none")["reason"] == "BACKTEST_NOT_FOUND"
    assert faults(refused(422, strategy_id="grid_v1.2")) == [("backtest_id", "BACKTEST_OF_ANOTHER_STRATEGY")]
    unknown = refused(422, approval_criteria={"luck": 1})
    assert faults(unknown) == [("approval_criteria.luck", "UNKNOWN_CRITERION")]
    assert "psr_oos" in unknown["detail"]
    wrong = refused(422, approval_criteria={"psr_oos": "high", "costs": 1, "data_grade": "BAD"})
    assert {name for name, _ in faults(wrong)} == {
        "approval_criteria.psr_oos", "approval_criteria.costs", "approval_criteria.data_grade",
    }  # fmt: skip
    assert faults(refused(422, approval_criteria={"psr_oos": None})) == [
        ("approval_criteria.psr_oos", "WRONG_TYPE")
    ]
    started = http.post(START, json={**RUN, "symbol": walk, "params": {"fast_period": 6}}).json()["task_id"]
    http.post(f"/api/backtest/{started}/cancel")
    assert refused(409, backtest_id=started)["reason"] == "BACKTEST_WRONG_STATUS"
    assert problem_of(http.get(f"/api/reports/{started}"), 409)["reason"] == "BACKTEST_WRONG_STATUS"
    assert problem_of(http.get(f"/api/reports/{started}/html"), 409)["reason"] == "BACKTEST_WRONG_STATUS"


def test_used_request_id_with_another_body_is_422(http: httpx.Client, walk: str) -> None:
    """It would otherwise answer another question."""
    wanted = {**RUN, "symbol": walk, "request_id": "gateway-reused"}
    first = http.post(START, json=wanted).json()
    assert http.post(START, json=wanted).json()["task_id"] == first["task_id"]
    said = problem_of(http.post(START, json={**wanted, "end_date": "2023-01-30"}), 422)
    assert faults(said) == [("request_id", "REQUEST_ID_REUSED")]


def test_too_many_event_streams_are_429(server: ServerProcess, walk: str, tmp_path: Path) -> None:
    """One more than the setting allows is told when to come back; when one has left, the next is served."""
    gateway = GatewayProcess(server.address, tmp_path / "log", {"STRATOPT_GATEWAY_STREAMS_MAX": "1"})
    with gateway.open() as http:
        wanted = {**HUNT, "symbol": walk, "max_iterations": 100_000, "algorithm": "random"}
        wanted["param_ranges"] = {
            "fast_period": [2, 500],
            "slow_period": [501, 1500],
            "signal_threshold": [0.0, 1.0],
        }
        started = http.post(SEARCH, json=wanted).json()["optimization_id"]
        events = f"/api/optimization/{started}/events"
        with http.stream("GET", events) as first:
            assert first.status_code == 200
            answer = http.get(events)
            assert problem_of(answer, 429)["reason"] == "TOO_MANY_STREAMS"
            assert answer.headers["retry-after"] == "1"
            http.post(f"/api/optimization/{started}/cancel")
            first.read()
        assert http.get(events).status_code == 200
    assert gateway.stop() == 0


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"STRATOPT_GATEWAY_LISTEN": "0.0.0.0:0"}, "STRATOPT_GATEWAY_ALLOW_PUBLIC_LISTEN"),
        ({"STRATOPT_GATEWAY_LISTEN": "127.0.0.1"}, "must be HOST:PORT"),
        ({"STRATOPT_GATEWAY_BODY_BYTES_MAX": "-1"}, "STRATOPT_GATEWAY_BODY_BYTES_MAX"),
    ],
)
def test_settings_that_cannot_be_are_told(tmp_path: Path, settings: dict[str, str], told: str) -> None:
    """On one line, with the setting that would allow it."""
    with pytest.raises(AssertionError, match=told):
        GatewayProcess("127.0.0.1:9", tmp_path / "log", settings)
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_public_listen_is_allowed_by_name(tmp_path: Path) -> None:
    """Whoever says so gets it."""
    settings = {"STRATOPT_GATEWAY_LISTEN": "0.0.0.0:0", "STRATOPT_GATEWAY_ALLOW_PUBLIC_LISTEN": "true"}
    gateway = GatewayProcess("127.0.0.1:9", tmp_path / "log", settings)
    assert gateway.url.startswith("http://0.0.0.0:")
    assert gateway.stop() == 0
