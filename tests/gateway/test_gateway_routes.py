"""Every route, where all goes well."""

import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from gateway_process import done, problem_of

from stratopt_client.sync import SyncClient
from support import ServerProcess, write_bars

RUN = {"strategy_id": "ma_cross_v1.0", "start_date": "2023-01-01", "end_date": "2023-01-31"}
METRICS = {
    "total_return", "cagr", "sharpe_ratio", "sortino_ratio", "calmar_ratio", "volatility", "max_drawdown",
    "trade_count", "open_trade_count", "win_rate", "profit_factor", "expectancy", "exposure", "fees_paid",
    "final_equity", "bar_count", "longest_drawdown_bars", "turnover", "var_95", "cvar_95", "skewness",
    "kurtosis", "carry_paid", "refused_min_notional", "refused_lot_size", "refused_no_cash",
    "refused_no_volume", "run_status",
}  # fmt: skip
TERMS = {
    "taker_fee": 0.002, "maker_fee": 0.0002, "fixed_fee": 0.01, "slippage": 0.001, "impact": 0.25,
    "borrow_rate": 1e-6, "direction": "both", "sizing": {"kind": "fraction", "amount": 0.5},
    "stop_loss": 0.2, "take_profit": 1.5, "trailing_stop": 0.3, "min_notional": 1.0, "lot_size": 1e-5,
    "tick_size": 0.01, "fill": "close",
    "funding": [
        {"time": "2023-01-01T08:00:00Z", "rate": 0.0001},
        {"time": "2023-01-01T16:00:00Z", "rate": -0.0001},
    ],
}  # fmt: skip
DEFAULT_TERMS = {
    "taker_fee": 0.001, "maker_fee": 0.001, "fixed_fee": 0.0, "slippage": 0.0005, "impact": 0.0,
    "borrow_rate": 0.0, "direction": "long", "sizing": {"kind": "all_in", "amount": None},
    "stop_loss": None, "take_profit": None, "trailing_stop": None, "min_notional": 0.0, "lot_size": 0.0,
    "tick_size": 0.0, "fill": "next_open", "funding": [], "fill_model": "through", "participation": 0.1,
}  # fmt: skip
"""The terms that are shown where none is asked for."""


def test_health_names_every_part(http: httpx.Client) -> None:
    """All of ours is well; the cache is in memory, and there is no neighbour."""
    deadline = time.monotonic() + 10
    while (answer := http.get("/health")).status_code != 200:
        assert time.monotonic() < deadline, answer.text
    said = answer.json()
    assert said["status"] == "ok"
    words = {name: part["status"] for name, part in said["parts"].items()}
    for name in ("sweep_template", "report_template"):
        assert words.pop(name) in ("idle", "ok")
    assert words == {
        **dict.fromkeys(("gateway", "server", "database", "relay", "relay_requests"), "ok"),
        "cache": "idle",
        **dict.fromkeys(("scanner", "review"), "idle"),
    }
    assert said["parts"]["relay"]["detail"].startswith("tcp://127.0.0.1:")


def test_backtest_from_start_to_metrics(http: httpx.Client, walk: str) -> None:
    """The answers have the documented fields, and the metrics come with the status."""
    answer = http.post("/api/backtest/start", json={**RUN, "symbol": walk, "recompute": True})
    assert answer.status_code == 200, answer.text
    started = answer.json()
    assert set(started) == {"task_id", "status", "estimated_time"}
    assert started["status"] in ("pending", "running")
    assert type(started["estimated_time"]) is int
    assert 1 <= started["estimated_time"] < 60
    status = done(http, "/api/backtest/status", task_id=started["task_id"])
    assert status["task_id"] == started["task_id"]
    assert status["progress"] == 1.0
    assert set(status["metrics"]) == METRICS
    assert status["metrics"]["bar_count"] == 31 * 24
    assert status["params"] == {"fast_period": 5, "slow_period": 20, "signal_threshold": 0.02}
    assert {name: status[name] for name in DEFAULT_TERMS} == DEFAULT_TERMS
    assert status["fill_bracket"] == []


def test_terms_are_taken_as_they_are_written(http: httpx.Client, walk: str) -> None:
    """Costs, side, sizes, stops, rules and carry come back under their own names; a day begins at 0:00."""
    wanted = {**RUN, "symbol": walk, **TERMS}
    task_id = http.post("/api/backtest/start", json=wanted).json()["task_id"]
    told = http.get("/api/backtest/status", params={"task_id": task_id}).json()
    assert {name: told[name] for name in TERMS} == TERMS
    by_day = {**wanted, "funding": [{"time": "2023-01-02", "rate": 0}], "sizing": {"kind": "all_in"}}
    task_id = http.post("/api/backtest/start", json=by_day).json()["task_id"]
    told = http.get("/api/backtest/status", params={"task_id": task_id}).json()
    assert told["funding"] == [{"time": "2023-01-02T00:00:00Z", "rate": 0.0}]
    assert told["sizing"] == {"kind": "all_in", "amount": None}


def test_decades_of_funding_fit_into_a_request(http: httpx.Client, walk: str) -> None:
    """As many rates as the server takes pass the gateway, and come back; one more is refused by name."""
    day = datetime(2000, 1, 1, tzinfo=UTC)
    rates = [
        {"time": (day + timedelta(minutes=number)).isoformat(), "rate": -0.000123456789}
        for number in range(50_001)
    ]
    wanted = {**RUN, "symbol": walk, "funding": rates[1:]}
    answer = http.post("/api/backtest/start", json=wanted)
    assert answer.status_code == 200, answer.text
    told = http.get("/api/backtest/status", params={"task_id": answer.json()["task_id"]}).json()
    assert len(told["funding"]) == 50_000
    said = problem_of(http.post("/api/backtest/start", json={**wanted, "funding": rates}), 422)
    assert [fault["reason"] for fault in said["errors"]] == ["TOO_MANY_FUNDING_RATES"]


def test_day_without_time_ends_with_the_day(http: httpx.Client, walk: str) -> None:
    """A date-only end_date includes that UTC day; a moment is what it says."""
    days = http.post("/api/backtest/start", json={**RUN, "symbol": walk}).json()["task_id"]
    moment = {**RUN, "symbol": walk, "end_date": "2023-01-31T00:00:00Z"}
    hours = http.post("/api/backtest/start", json=moment).json()["task_id"]
    assert done(http, "/api/backtest/status", task_id=days)["end_date"] == "2023-01-31T23:00:00Z"
    assert done(http, "/api/backtest/status", task_id=hours)["end_date"] == "2023-01-31T00:00:00Z"


def test_estimate_is_the_servers(http: httpx.Client, walk: str) -> None:
    """It grows with the work: a backtest is told less than a search of a hundred thousand sets."""
    search = {
        "symbol": walk,
        "strategy_id": "ma_cross_v1.0",
        "param_ranges": {"signal_threshold": {"min": 0.0, "max": 0.5}},
    }
    small = http.post("/api/backtest/start", json={**RUN, "symbol": walk}).json()
    done(http, "/api/backtest/status", task_id=small["task_id"])
    large = http.post("/api/optimization/start", json={**search, "max_iterations": 100_000}).json()
    assert http.post(f"/api/optimization/{large['optimization_id']}/cancel").status_code == 200
    assert large["estimated_time"] > small["estimated_time"] >= 1


def test_undefined_figures_are_null(http: httpx.Client, walk: str) -> None:
    """A run that never trades has no Sharpe ratio: null, not 0 and not NaN."""
    wanted = {**RUN, "symbol": walk, "params": {"signal_threshold": 0.9}}
    task_id = http.post("/api/backtest/start", json=wanted).json()["task_id"]
    metrics = done(http, "/api/backtest/status", task_id=task_id)["metrics"]
    assert metrics["trade_count"] == 0
    assert metrics["sharpe_ratio"] is None
    assert metrics["win_rate"] is None


def test_optimization_from_start_to_best(http: httpx.Client, walk: str) -> None:
    """Documented defaults, progress from 0 to 1, and the best with what it did out of sample."""
    wanted = {
        "symbol": walk,
        "strategy_id": "ma_cross_v1.0",
        "param_ranges": {
            "fast_period": {"min": 2, "max": 20, "step": 2},
            "slow_period": [25, 100],
            "signal_threshold": {"choices": [0.0, 0.005]},
        },
        "optimization_target": "return",
    }
    answer = http.post("/api/optimization/start", json=wanted)
    assert answer.status_code == 200, answer.text
    started = answer.json()
    assert set(started) == {"optimization_id", "status", "progress", "estimated_time"}
    assert type(started["estimated_time"]) is int
    assert started["estimated_time"] >= 1
    assert 0 <= started["progress"] <= 1
    found = done(http, "/api/optimization/status", optimization_id=started["optimization_id"])
    assert (found["progress"], found["max_iterations"], found["trials_done"]) == (1.0, 100, 600)
    assert found["optimization_target"] == "return"
    assert found["best"]["score"] == found["best"]["metrics"]["total_return"]
    assert found["validation"]["method"] == "walk_forward"
    assert found["algorithm"] == "bayesian"
    walked = found["walk_forward"]
    assert set(walked["out_of_sample"]) == METRICS
    assert len(walked["windows"]) == 5
    assert set(walked["windows"][0]["best"]["out_of_sample"]) == METRICS
    assert found["robust"]["neighbours"] > 0
    assert found["trials_ever"] >= 100
    assert type(found["best"]["params"]["fast_period"]) is int
    assert found["param_ranges"]["slow_period"] == {"min": 25, "max": 100, "step": 1}


def test_every_target_and_option_is_taken(http: httpx.Client, walk: str) -> None:
    """Fields beyond the documented floor arrive; the same request_id gives the same answer."""
    wanted = {
        "symbol": walk,
        "strategy_id": "ma_cross_v1.0",
        "param_ranges": {"fast_period": [2, 10]},
        "optimization_target": "drawdown",
        "max_iterations": 50,
        "algorithm": "grid",
        "seed": 2**64 - 1,
        "holdout": 0,
        "min_trades": 1,
        "fixed_params": {"slow_period": 40, "signal_threshold": 0},
        "exchange": "test",
        "timeframe": "1h",
        "initial_cash": 500,
        **TERMS,
        "taker_fee": 0,
        "start_date": "2023-01-01",
        "end_date": "2023-02-01",
        "request_id": "gateway-every-option",
    }
    first = http.post("/api/optimization/start", json=wanted).json()["optimization_id"]
    assert http.post("/api/optimization/start", json=wanted).json()["optimization_id"] == first
    found = done(http, "/api/optimization/status", optimization_id=first)
    for name in ("algorithm", "seed", "holdout", "min_trades", "fixed_params", *TERMS):
        assert found[name] == wanted[name], name
    assert (found["initial_cash"], found["stop_reason"]) == (500.0, "exhausted")


def test_strategies_live_and_die(http: httpx.Client) -> None:
    """Create, find, change, remove."""
    wanted = {
        "id": "rest_crud",
        "name": "R",
        "version": "1",
        "code": "x = 1",
        "default_params": {"a": 1, "b": 1.0},
    }
    made = http.post("/api/strategies", json=wanted)
    assert made.status_code == 201, made.text
    assert {name: made.json()[name] for name in wanted} == wanted
    assert type(made.json()["default_params"]["a"]) is int
    assert type(made.json()["default_params"]["b"]) is float
    assert made.json()["runnable"] is False
    assert http.get("/api/strategies/rest_crud").json() == made.json()
    changed = http.put("/api/strategies/rest_crud", json={"name": "R2"}).json()
    assert (changed["name"], changed["code"]) == ("R2", "x = 1")
    named = http.get("/api/strategies", params={"name": "R2"}).json()
    assert [row["id"] for row in named["strategies"]] == ["rest_crud"]
    gone = http.delete("/api/strategies/rest_crud")
    assert (gone.status_code, gone.content) == (204, b"")
    assert problem_of(http.get("/api/strategies/rest_crud"), 404)["reason"] == "STRATEGY_NOT_FOUND"


def test_lists_come_in_pages(http: httpx.Client) -> None:
    """A token leads from page to page, and the last page has none."""
    first = http.get("/api/strategies", params={"page_size": 1}).json()
    assert len(first["strategies"]) == 1
    second = http.get(
        "/api/strategies", params={"page_size": 1, "page_token": first["next_page_token"]}
    ).json()
    assert second["strategies"][0]["id"] != first["strategies"][0]["id"]
    assert http.get("/api/strategies", params={"page_size": 1_000}).json()["next_page_token"] == ""


def test_reports_are_found_and_sorted(http: httpx.Client, server: ServerProcess, walk: str) -> None:
    """By strategy, symbol and dates; best first by Sharpe ratio, return or drawdown."""
    with SyncClient(server.address) as client:
        for fast in (3, 8, 15):
            params = {"fast_period": fast, "slow_period": 60, "signal_threshold": 0.0}
            client.backtests.start(walk, "ma_cross_v1.0", params=params).result()
    fit = {"symbol": walk, "strategy_id": "ma_cross_v1.0", "page_size": 1_000}
    figures = {"sharpe": "sharpe_ratio", "return": "total_return", "drawdown": "max_drawdown"}
    for word, name in figures.items():
        rows = http.get("/api/reports", params={**fit, "sort_by": word}).json()["reports"]
        values = [row["metrics"][name] for row in rows]
        assert len(values) >= 3
        assert values == sorted(values, reverse=word != "drawdown")
    newest = http.get("/api/reports", params=fit).json()["reports"]
    times = [datetime.fromisoformat(row["end_time"]).astimezone(UTC) for row in newest]
    assert times == sorted(times, reverse=True)
    assert http.get("/api/reports", params={**fit, "start_date": "2023-01-02"}).json()["reports"] == []
    assert http.get("/api/reports", params={**fit, "end_date": "2023-01-01"}).json()["reports"] == []
    assert http.get("/api/reports", params={"symbol": "NONE/USDT"}).json()["reports"] == []


def test_report_in_all_its_parts(http: httpx.Client, report_id: str) -> None:
    """Metrics alone, trades and series if asked for, and the page as the server made it."""
    report = http.get(f"/api/reports/{report_id}").json()
    assert report["id"] == report_id
    assert report["trades"] is report["series"] is None
    whole = http.get(f"/api/reports/{report_id}", params={"trades": True, "series": True}).json()
    closed = [trade for trade in whole["trades"] if not trade["open"]]
    assert len(closed) == report["metrics"]["trade_count"]
    assert not any(trade["short"] or trade["carry"] for trade in whole["trades"])
    assert {name: report[name] for name in DEFAULT_TERMS} == DEFAULT_TERMS
    assert len(whole["series"]["equity"]) == report["metrics"]["bar_count"]
    assert whole["series"]["equity"][-1] == report["metrics"]["final_equity"]
    page = http.get(f"/api/reports/{report_id}/html")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.text.lower().startswith("<!doctype html>")


def test_approval_says_what_was_measured(http: httpx.Client, report_id: str) -> None:
    """A random walk is rejected, with a reason in words, every gate, and no package."""
    wanted = {"strategy_id": "ma_cross_v1.0", "backtest_id": report_id}
    answer = http.post("/api/strategies/approve", json=wanted)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert said["approved"] is False
    assert said["parameter_package"] is None
    assert said["policy"] == "default/v1"
    assert said["reason"].startswith("Rejected by default/v1")
    failed = [gate for gate in said["gates"] if gate["kind"] == "hard" and gate["result"] == "failed"]
    assert failed
    assert all(gate["criterion"] in said["reason"] for gate in failed)
    again = http.post(
        "/api/strategies/approve", json={**wanted, "approval_criteria": {"cost_2x": False, "psr_oos": 0}}
    )
    assert again.json()["approval_criteria"] == {"cost_2x": False, "psr_oos": 0.0}
    decision = http.get(f"/api/decisions/{said['decision_id']}").json()
    assert decision["gates"] == said["gates"]
    assert decision["evidence"]["reproduction"]["same"] is True
    other = http.post(
        f"/api/decisions/{said['decision_id']}/reevaluate", json={"policy": "conservative/v1"}
    ).json()
    assert (other["policy"], other["outcome"]) == ("conservative/v1", "reject")
    word = {"word": "approved", "reviewer": "ada"}
    nobody = http.post(f"/api/decisions/{said['decision_id']}/review", json=word)
    assert (nobody.status_code, nobody.json()["reason"]) == (409, "DECISION_ASKS_NOBODY")
    page = http.get(f"/api/decisions/{said['decision_id']}/html")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "psr_oos" in page.text
    told = http.post("/api/advisor/explain", json={"decision_id": said["decision_id"]}).json()
    assert (told["source"], told["subject_id"]) == ("rules", said["decision_id"])
    words = http.post("/api/advisor/explain", json={"backtest_id": report_id, "language": "chinese"}).json()
    assert "夏普比率" in words["text"]
    both = http.post("/api/advisor/explain", json={"backtest_id": "bt_1", "decision_id": "dec_1"})
    assert (both.status_code, both.json()["reason"]) == (422, "EXACTLY_ONE")
    proposed = http.post("/api/advisor/propose", json={"backtest_id": report_id}).json()
    assert proposed["param_ranges"]["fast_period"]["min"] >= 1
    assert proposed["experiments"][0]["params"]["fast_period"] == 6
    policies = http.get("/api/policies").json()["policies"]
    assert policies[0]["is_default"] is True
    assert http.get("/api/policies/default/v1").json() == policies[0]
    assert policies[0]["criteria"][0]["threshold"] is True


def test_cancel_stops_a_job_and_keeps_it(http: httpx.Client, walk: str) -> None:
    """A long search is cancelled, twice if need be; one that succeeded is not."""
    wanted = {
        "symbol": walk,
        "strategy_id": "ma_cross_v1.0",
        "param_ranges": {"fast_period": [2, 500], "slow_period": [501, 1500], "signal_threshold": [0.0, 0.5]},
        "max_iterations": 100_000,
        "algorithm": "random",
    }
    started = http.post("/api/optimization/start", json=wanted).json()["optimization_id"]
    path = f"/api/optimization/{started}/cancel"
    assert http.post(path).json()["status"] == "cancelled"
    assert http.post(path).json()["status"] == "cancelled"
    quick = http.post("/api/backtest/start", json={**RUN, "symbol": walk}).json()["task_id"]
    done(http, "/api/backtest/status", task_id=quick)
    said = problem_of(http.post(f"/api/backtest/{quick}/cancel"), 409)
    assert said["reason"] == "BACKTEST_WRONG_STATUS"


def test_metrics_for_people_and_for_prometheus(http: httpx.Client, report_id: str) -> None:
    """Both tell the same counts; Prometheus sees routes by their pattern, never an id."""
    counts = http.get("/api/metrics").json()
    assert counts["backtests"]["succeeded"] >= 1
    assert counts["uptime_seconds"] > 0
    http.get(f"/api/reports/{report_id}")
    answer = http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "stratopt_up 1.0" in answer.text
    assert re.search(r'^stratopt_backtests\{status="succeeded"\} [0-9.]+$', answer.text, re.MULTILINE)
    assert 'route="/api/reports/{report_id}"' in answer.text
    for verb in ("BREW", "WHEN"):
        http.request(verb, "/health")
    text = http.get("/metrics").text
    assert 'method="other"' in text
    assert "BREW" not in text
    assert report_id not in answer.text


def test_documented_example_runs(http: httpx.Client, server: ServerProcess, tmp_path: Path) -> None:
    """As printed, against bars of that symbol, it runs to its end, under each fill model of the bracket."""
    bars = write_bars(tmp_path / "rndr.csv", count=800, start=datetime(2023, 12, 31, tzinfo=UTC))
    with SyncClient(server.address) as client:
        client.market_data.import_file(bars, symbol="RNDR/USDT", exchange="generated")
    example = {
        "symbol": "RNDR/USDT",
        "strategy_id": "grid_v1.2",
        "start_date": "2024-01-01",
        "end_date": "2024-01-31",
        "params": {"grid_num": 20, "profit_ratio": 0.015},
    }
    document = http.get("/openapi.json").json()
    assert document["components"]["schemas"]["StartBacktest"]["example"] == example
    started = http.post("/api/backtest/start", json=example)
    assert started.status_code == 200, started.text
    ended = done(http, "/api/backtest/status", task_id=started.json()["task_id"])
    bracket = {run["fill_model"]: run["metrics"] for run in ended["fill_bracket"]}
    assert list(bracket) == ["touch", "through", "volume"]
    assert bracket["through"] == ended["metrics"]
    assert bracket["touch"]["trade_count"] >= bracket["through"]["trade_count"] > 0


def test_searches_are_steered(http: httpx.Client, walk: str) -> None:
    """Pause, resume, extend; trials by any figure, and as a file."""
    wanted = {
        "symbol": walk,
        "strategy_id": "ma_cross_v1.0",
        "param_ranges": {"fast_period": [2, 20], "slow_period": [25, 100]},
        "objectives": [{"target": "sharpe"}, {"target": "drawdown"}],
        "constraints": ["fast_period * 3 < slow_period"],
        "initial_params": [{"fast_period": 4, "slow_period": 60}],
        "stop_rule": {"time_budget_seconds": 60.0},
        "validation": {"method": "walk_forward", "windows": 2, "rolling": True},
        "max_iterations": 30,
        "priority": 3,
    }
    answer = http.post("/api/optimization/start", json=wanted, headers={"X-Stratopt-Caller": "scanner"})
    assert answer.status_code == 200, answer.text
    path = f"/api/optimization/{answer.json()['optimization_id']}"
    assert http.post(f"{path}/pause").status_code in (200, 409), "it may have ended by then"
    assert http.post(f"{path}/resume").status_code in (200, 409)
    found = done(http, "/api/optimization/status", optimization_id=answer.json()["optimization_id"])
    assert (found["priority"], found["caller"], found["algorithm"]) == (3, "scanner", "nsga2")
    assert [one["target"] for one in found["objectives"]] == ["sharpe", "drawdown"]
    assert found["validation"]["rolling"]
    assert len(found["walk_forward"]["windows"]) == 2
    assert found["pareto_front"][0]["metrics"]["sharpe_ratio"] == found["best"]["metrics"]["sharpe_ratio"]
    extended = http.post(f"{path}/extend", json={"max_iterations": 40})
    assert extended.status_code == 200, extended.text
    done(http, "/api/optimization/status", optimization_id=found["optimization_id"])
    page = http.get(f"{path}/trials", params={"order_by": "max_drawdown", "page_size": 10}).json()
    falls = [trial["metrics"]["max_drawdown"] for trial in page["trials"]]
    assert falls == sorted(falls)
    assert len(falls) == 10
    assert page["next_page_token"]
    file = http.get(f"{path}/trials/export")
    assert file.headers["content-type"].startswith("text/csv")
    assert "attachment" in file.headers["content-disposition"]
    assert len(file.text.splitlines()) == 1 + 3 * 40
    parquet = http.get(f"{path}/trials/export", params={"format": "parquet"})
    assert parquet.content.startswith(b"PAR1")
