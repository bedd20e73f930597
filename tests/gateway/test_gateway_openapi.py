"""The OpenAPI document is complete, and true."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from gateway_process import GatewayProcess
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode, checks
from schemathesis.specs.openapi import checks as openapi_checks

from stratopt_client.sync import SyncClient
from support import ServerProcess

EXAMPLES = 20
"""Requests made up for an operation and phase: the whole takes half a minute."""
CHECKED = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_headers_conformance,
    openapi_checks.response_schema_conformance,
    openapi_checks.negative_data_rejection,
]
ROUTES = {
    "/health": {"get"},
    "/api/backtest/start": {"post"},
    "/api/backtest/status": {"get"},
    "/api/backtest/{task_id}/events": {"get"},
    "/api/backtest/{task_id}/cancel": {"post"},
    "/api/strategies": {"get", "post"},
    "/api/strategies/{strategy_id}": {"get", "put", "delete"},
    "/api/strategies/approve": {"post"},
    "/api/decisions/{decision_id}": {"get"},
    "/api/decisions/{decision_id}/html": {"get"},
    "/api/optimization/{optimization_id}/html": {"get"},
    "/api/decisions/{decision_id}/reevaluate": {"post"},
    "/api/decisions/{decision_id}/review": {"post"},
    "/api/advisor/explain": {"post"},
    "/api/advisor/propose": {"post"},
    "/api/policies": {"get"},
    "/api/policies/{name}/{version}": {"get"},
    "/api/optimization/start": {"post"},
    "/api/optimization/status": {"get"},
    "/api/optimization/{optimization_id}/events": {"get"},
    "/api/optimization/{optimization_id}/cancel": {"post"},
    "/api/optimization/{optimization_id}/pause": {"post"},
    "/api/optimization/{optimization_id}/resume": {"post"},
    "/api/optimization/{optimization_id}/extend": {"post"},
    "/api/optimization/{optimization_id}/trials": {"get"},
    "/api/optimization/{optimization_id}/trials/export": {"get"},
    "/api/reports": {"get"},
    "/api/reports/{report_id}": {"get"},
    "/api/reports/{report_id}/html": {"get"},
    "/api/packages": {"get"},
    "/api/packages/{package_id}": {"get"},
    "/api/packages/{package_id}/revoke": {"post"},
    "/api/pipelines": {"get"},
    "/api/pipelines/{pipeline_id}": {"get"},
    "/api/pipelines/{pipeline_id}/events": {"get"},
    "/api/pipelines/{pipeline_id}/cancel": {"post"},
    "/api/routes": {"get"},
    "/api/routes/reload": {"post"},
    "/api/dead-letters": {"get"},
    "/api/metrics": {"get"},
    "/metrics": {"get"},
}


CAN_BE_UNFIT = {
    ("post", "/api/backtest/start"),
    ("get", "/api/backtest/status"),
    ("get", "/api/strategies"),
    ("post", "/api/strategies"),
    ("put", "/api/strategies/{strategy_id}"),
    ("post", "/api/strategies/approve"),
    ("post", "/api/decisions/{decision_id}/reevaluate"),
    ("post", "/api/advisor/explain"),
    ("post", "/api/advisor/propose"),
    ("post", "/api/decisions/{decision_id}/review"),
    ("post", "/api/optimization/start"),
    ("get", "/api/optimization/status"),
    ("post", "/api/optimization/{optimization_id}/extend"),
    ("get", "/api/optimization/{optimization_id}/trials"),
    ("get", "/api/reports"),
    ("get", "/api/reports/{report_id}"),
    ("get", "/api/packages"),
    ("post", "/api/packages/{package_id}/revoke"),
    ("get", "/api/pipelines"),
    ("get", "/api/dead-letters"),
}
"""The others take ids alone, and any text may be one."""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, bars_file: Path) -> Iterator[Any]:
    """The document of a gateway whose server is this module's own: made-up requests change strategies."""
    folder = tmp_path_factory.mktemp("fuzzed")
    server = ServerProcess(folder / "data", {"STRATOPT_REPORT_TEMPLATE": "false"})
    gateway = GatewayProcess(server.address, folder / "gateway.log")
    with SyncClient(server.address) as client:
        client.market_data.import_file(bars_file, symbol="BTC/USDT", exchange="test")
    yield schemathesis.openapi.from_url(f"{gateway.url}/openapi.json")
    assert gateway.stop() == 0
    server.kill()


CASES = [
    (verb, path, mode)
    for path, verbs in ROUTES.items()
    for verb in sorted(verbs)
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or (verb, path) in CAN_BE_UNFIT
]


@pytest.mark.parametrize(("verb", "path", "mode"), CASES)
def test_answers_are_as_documented(api: Any, verb: str, path: str, mode: GenerationMode) -> None:
    """No made-up request gets a 5xx, and every answer has a documented status, media type and shape."""
    operation = api[path][verb.upper()]

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        phases=[Phase.generate],
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        case.call_and_validate(checks=CHECKED, timeout=30)

    check()


def test_every_documented_route_is_there(http: httpx.Client) -> None:
    """And no other; each explains itself and its problems."""
    document = http.get("/openapi.json").json()
    assert {path: set(verbs) for path, verbs in document["paths"].items()} == ROUTES
    operations = [operation for verbs in document["paths"].values() for operation in verbs.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    for operation in operations:
        assert operation["summary"]
        assert operation["description"]
        for status, answer in operation["responses"].items():
            if int(status) >= 400 and operation["operationId"] != "getHealth":
                assert list(answer["content"]) == ["application/problem+json"]


def test_request_examples_have_their_own_shape(http: httpx.Client) -> None:
    """The documented defaults are in the document."""
    schemas = http.get("/openapi.json").json()["components"]["schemas"]
    search = schemas["StartOptimization"]["properties"]
    assert search["max_iterations"]["default"] == 100
    targets = search["optimization_target"]["anyOf"][0]["enum"]
    assert targets == ["sharpe", "return", "drawdown", "sortino", "calmar", "profit_factor"]
    assert schemas["StartBacktest"]["required"] == ["symbol", "strategy_id", "start_date", "end_date"]
    for name in ("BacktestStarted", "OptimizationStarted"):
        estimate = schemas[name]["properties"]["estimated_time"]
        assert (estimate["type"], estimate["minimum"]) == ("integer", 1)
        assert "estimated_time" in schemas[name]["required"]
    assert schemas["Approve"]["required"] == ["strategy_id", "backtest_id"]


def test_terms_explain_themselves(http: httpx.Client) -> None:
    """Both kinds of run take the same terms, none of them required, each with what it means."""
    schemas = http.get("/openapi.json").json()["components"]["schemas"]
    terms = {
        *("taker_fee", "maker_fee", "fixed_fee", "slippage", "impact", "borrow_rate", "funding", "direction"),
        *("sizing", "stop_loss", "take_profit", "trailing_stop", "min_notional", "lot_size", "tick_size"),
        *("fill", "fill_model", "participation"),
    }
    for name in ("StartBacktest", "StartOptimization"):
        fields = schemas[name]["properties"]
        assert terms <= set(fields)
        assert not terms & set(schemas[name]["required"])
        assert all(fields[term]["description"] for term in terms)
    for name in ("BacktestStatus", "OptimizationStatus", "Report"):
        assert terms <= set(schemas[name]["required"])
    assert schemas["Sizing"]["required"] == ["kind"]
    assert "run_status" in schemas["Metrics"]["required"]
