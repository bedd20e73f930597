"""The whole way over REST: from bars to a verified package on a real ZeroMQ socket."""

import json

import httpx
import pytest
from gateway_process import done
from plain_subscriber import FIELDS, plain_subscriber

from stratopt_client.packages import verify
from stratopt_client.sync import SyncClient
from support import LAX, MARKET_FILES, ServerProcess

BTC = MARKET_FILES / "binance_BTC-USDT_1h.parquet"
SYMBOL = "BTC/USDT"
GROUND = {"symbol": SYMBOL, "strategy_id": "ma_cross_v1.0", "exchange": "binance", "timeframe": "1h"}
DATES = {"start_date": "2021-01-01", "end_date": "2023-12-31"}


@pytest.mark.skipif(not BTC.exists(), reason="the shared market data are not here")
def test_from_search_to_a_verified_package_over_rest(http: httpx.Client, server: ServerProcess) -> None:
    """Import (which REST has no route for), then REST alone: search, backtest, reject, approve, package."""
    with SyncClient(server.address) as client:
        client.market_data.import_file(BTC, symbol=SYMBOL, exchange="binance", timeframe="1h")
        key = client.approvals.signing_key().public_key

    assert "ma_cross_v1.0" in {row["id"] for row in http.get("/api/strategies").json()["strategies"]}
    search = {
        **GROUND,
        **DATES,
        "param_ranges": {
            "fast_period": {"min": 5, "max": 50, "step": 5},
            "slow_period": {"choices": [60, 120, 240]},
        },
        "fixed_params": {"signal_threshold": 0.005},
        "optimization_target": "sharpe",
    }
    started = http.post("/api/optimization/start", json=search)
    assert started.status_code == 200, started.text
    found = done(http, "/api/optimization/status", optimization_id=started.json()["optimization_id"])
    params = found["best"]["params"]

    started = http.post("/api/backtest/start", json={**GROUND, **DATES, "params": params})
    assert started.status_code == 200, started.text
    task_id = started.json()["task_id"]
    done(http, "/api/backtest/status", task_id=task_id)

    wanted = {"strategy_id": "ma_cross_v1.0", "backtest_id": task_id}
    rejected = http.post("/api/strategies/approve", json=wanted).json()
    assert rejected["approved"] is False
    assert rejected["parameter_package"] is None
    assert rejected["evidence"]["optimization_id"] == found["optimization_id"]

    address = http.get("/health").json()["parts"]["relay"]["detail"]
    with plain_subscriber(address) as subscriber:
        answer = http.post("/api/strategies/approve", json={**wanted, "policy": LAX})
        assert answer.status_code == 200, answer.text
        message = subscriber.receive()
    approved = answer.json()
    assert approved["approved"] is True, approved["reason"]
    published = json.loads(message)
    assert set(published) >= FIELDS
    package = verify(message, key)
    assert package["parameters"] == params
    assert package["provenance"]["policy"] == LAX
    # What REST answers is the same document, and as good as the published one.
    assert verify(approved["parameter_package"], key) == package
    assert http.get(f"/api/reports/{task_id}/html").text.lower().startswith("<!doctype html>")
