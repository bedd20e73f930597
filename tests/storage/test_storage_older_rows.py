"""Rows written before a word was known to the domain load, and mean what they meant."""

import json
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import peewee
import pytest
from domain_samples import (
    NOW,
    at,
    exact,
    make_backtest_spec,
    make_batch,
    make_best,
    make_job,
    make_metrics,
    make_report,
    make_scenario,
    make_strategy,
    make_terms,
    make_trial,
)

from stratopt_server.domain.goals import Goal, Target
from stratopt_server.domain.jobs import BacktestResult, JobKind, JobStatus, OptimizationResult
from stratopt_server.domain.metrics import Metrics, RunStatus
from stratopt_server.domain.optimization import Batch
from stratopt_server.domain.parameters import IntegerRange
from stratopt_server.domain.ports import TrialFilter
from stratopt_server.domain.runs import Algorithm, Costs, OptimizationSpec, RunTerms, Scenario
from stratopt_server.domain.validation import Span, Split, Validation, ValidationMethod
from stratopt_server.storage.codec import from_json, to_json
from stratopt_server.storage.database import _statements, connect, migrations
from stratopt_server.storage.sql import SqlStorage

NOT_KNOWN_THEN = {
    *("maker_fee", "fixed_fee", "impact"),
    *("direction", "sizing", "stops", "rules", "carry", "fill_model", "participation"),
    *("longest_drawdown_bars", "turnover", "var_95", "cvar_95", "skewness", "kurtosis", "carry_paid"),
    *("refused_min_notional", "refused_lot_size", "refused_no_cash", "refused_no_volume", "run_status"),
    *("fill_bracket", "short"),
    *("constraints", "goal", "planned_iterations", "validation", "stop_rule", "initial_params"),
    *("points", "feasible_share", "window", "best_score", "batch"),
    *("pareto_front", "robust", "plateau", "walk_forward", "trials_ever"),
}
"""Keys of JSON documents that rows of the first release have not."""
FIRST_TERMS = {
    "costs": {"taker_fee": 0.001, "slippage": 0.0005},
    "initial_cash": 10000.0,
    "fill": "next_open",
    "bars_per_year": 8760.0,
}
FIRST_METRICS = {
    "total_return": 0.25, "cagr": 0.2, "sharpe_ratio": 1.5, "sortino_ratio": 2.0, "calmar_ratio": 1.0,
    "volatility": 0.3, "max_drawdown": 0.2, "trade_count": 40, "open_trade_count": 1, "win_rate": 0.5,
    "profit_factor": None, "expectancy": 3.0, "exposure": 0.6, "fees_paid": 12.0,
    "final_equity": 12500.0, "bar_count": 2000,
}  # fmt: skip
FIRST_SEARCH = {
    "fixed_params": {"mode": "slow"},
    "param_ranges": {"fast_period": {"minimum": 2, "maximum": 50, "step": 3}},
    "target": "drawdown",
    "max_iterations": 500,
    "algorithm": "random",
    "seed": 2**64 - 1,
    "holdout": 0.3,
    "holdout_start_date": "2023-03-01T00:00:00Z",
    "min_trades": 7,
    "batch_size": 25,
}
"""Documents as the first release wrote them; the scenario of the search is left out."""
OLD_TERMS = RunTerms(
    costs=Costs(taker_fee=0.0011, slippage=0.0007),
    initial_cash=12_345.678,
    fill=make_terms().fill,
    bars_per_year=8_760.0,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file for the database."""
    return tmp_path / "stratopt.db"


@pytest.fixture
def storage(path: Path) -> Iterator[SqlStorage]:
    """A storage in that file, with a strategy."""
    with closing(SqlStorage.open(f"sqlite:///{path}")) as opened:
        opened.strategies.add(make_strategy())
        yield opened


def old_metrics(**changes: Any) -> Metrics:
    """Metrics in which everything that was not known then is left out."""
    known = {
        name: value
        for name, value in ((name, getattr(make_metrics(), name)) for name in Metrics.__dataclass_fields__)
        if name not in NOT_KNOWN_THEN
    }
    return Metrics(**{**known, **changes})


def without(document: Any) -> Any:
    """The document as it was written when those keys were not known."""
    if isinstance(document, dict):
        of_scenario = {"bar_count"} if "dataset_hash" in document else set()
        known = document.keys() - NOT_KNOWN_THEN - of_scenario
        return {key: without(value) for key, value in document.items() if key in known}
    return [without(value) for value in document] if isinstance(document, list) else document


def age(storage: SqlStorage, search: dict[str, Any] | None = None) -> None:
    """Take the new keys out of every JSON document, and give the specs of searches their old ones."""
    for table, column in (
        *(("jobs", "spec"), ("jobs", "result"), ("job_events", "payload")),
        *(("trials", "metrics"), ("backtest_reports", "metrics")),
    ):
        rows = storage._database.execute_sql(f"SELECT rowid, {column} FROM {table}").fetchall()
        for row, document in rows:
            aged = without(json.loads(document or "null"))
            if column == "spec":
                aged |= search or {}
            storage._database.execute_sql(
                f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (json.dumps(aged), row)
            )


@contextmanager
def before_search(path: Path) -> Iterator[peewee.Database]:
    """A database that has had the migrations before there were goals, windows and batches."""
    with closing(connect(f"sqlite:///{path}")) as database:
        database.execute_sql("CREATE TABLE schema_migrations (name VARCHAR(100), applied_at TIMESTAMP)")
        for name, script in migrations()[:3]:
            for statement in _statements(Template(script).substitute(blob="BLOB")):
                database.execute_sql(statement)
            database.execute_sql("INSERT INTO schema_migrations VALUES (?, '2024-01-01')", (name,))
        yield database


def test_documents_of_the_first_release() -> None:
    """They are long runs, all in, without stops, rules or carry; figures not known then are not defined."""
    terms = from_json(RunTerms, FIRST_TERMS)
    assert terms == replace(
        OLD_TERMS,
        costs=Costs(taker_fee=0.001, slippage=0.0005),
        initial_cash=10_000.0,
        fill=terms.fill,
    )
    assert terms.costs.resting_fee == 0.001
    metrics = from_json(Metrics, FIRST_METRICS)
    assert (metrics.var_95, metrics.turnover, metrics.run_status) == (None, None, RunStatus.TRADED)
    assert from_json(BacktestResult, {"metrics": FIRST_METRICS}) == BacktestResult(metrics=metrics)


def test_old_backtest(storage: SqlStorage) -> None:
    """A backtest and its result load from a row without the new keys."""
    spec = make_backtest_spec(scenario=make_scenario(terms=OLD_TERMS, bar_count=0))
    result = BacktestResult(metrics=old_metrics())
    storage.jobs.add(make_job(spec=spec))
    storage.jobs.claim("server", now=NOW, lease_until=at(15))
    stored = storage.jobs.finish("bt_1", JobStatus.SUCCEEDED, now=at(1), attempt=1, result=result)
    age(storage)
    assert exact(storage.jobs.get(JobKind.BACKTEST, "bt_1")) == exact(stored)


def old_search() -> OptimizationSpec:
    """What the first release's document of a search means."""
    scenario = make_scenario(terms=OLD_TERMS, bar_count=0)
    start = datetime(2023, 3, 1, tzinfo=UTC)
    seen = Span(scenario.start_date, start - timedelta(hours=1))
    return OptimizationSpec(
        scenario=scenario,
        fixed_params={"mode": "slow"},
        param_ranges={"fast_period": IntegerRange(2, 50, 3)},
        goal=Goal.of(Target.DRAWDOWN),
        max_iterations=500,
        planned_iterations=500,
        algorithm=Algorithm.RANDOM,
        seed=2**64 - 1,
        validation=Validation(
            method=ValidationMethod.HOLDOUT,
            splits=(Split(seen, Span(start, scenario.end_date)),),
            holdout=0.3,
        ),
        min_trades=7,
        batch_size=25,
    )


def test_old_optimization(storage: SqlStorage) -> None:
    """The same of an optimization, its trials and its improvements; it had one target and a holdout."""
    trial = make_trial(metrics=old_metrics())
    result = OptimizationResult(best=make_best(trial=trial, out_of_sample=old_metrics(cagr=0.5)))
    storage.jobs.add(make_job("opt_1", old_search()))
    storage.trials.propose("opt_1", make_batch(0, count=1, candidates=(trial.params,)))
    storage.trials.evaluate("opt_1", 0, [trial], np.zeros((1, 4, 2)))
    storage.jobs.claim("server", now=NOW, lease_until=at(15))
    storage.jobs.record("opt_1", 1, progress=make_job().progress, result=result, improvements=[trial])
    stored = storage.jobs.get(JobKind.OPTIMIZATION, "opt_1")
    age(storage, FIRST_SEARCH)
    assert exact(storage.jobs.get(JobKind.OPTIMIZATION, "opt_1")) == exact(stored)
    assert exact(storage.trials.span("opt_1", 0, 99)) == exact([trial])
    assert trial in [event.event for event in storage.jobs.events("opt_1", 0)]


def test_old_optimization_without_a_holdout(storage: SqlStorage) -> None:
    """A search that held nothing out still holds nothing out."""
    storage.jobs.add(make_job("opt_1", old_search()))
    age(storage, FIRST_SEARCH | {"target": "sharpe", "holdout": 0.0, "holdout_start_date": None})
    spec = storage.jobs.get(JobKind.OPTIMIZATION, "opt_1").spec
    assert spec.validation == Validation(method=ValidationMethod.NONE)
    assert spec.goal == Goal.of(Target.SHARPE)


def test_old_database(path: Path) -> None:
    """A database of the release before opens: its search is in the queue, and its trials are a batch."""
    scenario = without(to_json(Scenario, old_search().scenario))
    spec = json.dumps(FIRST_SEARCH | {"scenario": scenario})
    progress = json.dumps({"done": 2, "total": 500})
    search = ("opt_1", "ma_cross_v1.0", "BTC/USDT")
    rest = (progress, None, None, 1, 3, None, None, NOW, None, None)
    with before_search(path) as database:
        for table, row in (
            ("strategies", ("ma_cross_v1.0", "n", "1", "c", None, NOW, NOW)),
            ("optimization_tasks", (*search, "{}", "drawdown", "pending", 0.0, NOW, None)),
            ("jobs", ("opt_1", "optimization", *search[1:], spec, "pending", *rest)),
            *(
                ("trials", ("opt_1", number, "ok", 0.5, '{"a": 1}', json.dumps(FIRST_METRICS)))
                for number in (0, 1)
            ),
        ):
            values = [value.replace(tzinfo=None).isoformat(" ") if value is NOW else value for value in row]
            database.execute_sql(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", values)
    with closing(SqlStorage.open(f"sqlite:///{path}")) as storage:
        job = storage.jobs.claim("server", now=NOW, lease_until=at(15))
        assert (job.spec, job.attempt) == (old_search(), 2)
        assert (job.priority, job.caller, job.losses) == (0, "", 0)
        first = Batch(number=0, window=None, first_trial=0, count=2, candidates=None)
        assert storage.trials.batches("opt_1") == [first]
        trials = storage.trials.span("opt_1", 0, 9)
        assert [(trial.number, trial.window) for trial in trials] == [(0, None), (1, None)]
        assert trials[0].metrics == from_json(Metrics, FIRST_METRICS)
        assert len(storage.trials.blocks("opt_1", TrialFilter())) == 0


def test_old_trades(storage: SqlStorage) -> None:
    """Trades that were stored without a side were long, and paid no carry."""
    report = make_report(trades=3)
    storage.jobs.add(make_job())
    storage.reports.add(make_job(), report, "", now=NOW)
    select, update = (
        "SELECT content FROM report_parts WHERE kind = 'trades'",
        "UPDATE report_parts SET content = ? WHERE kind = 'trades'",
    )
    ((content,),) = storage._database.execute_sql(select).fetchall()
    rows = json.loads(zlib.decompress(content))
    assert {"short", "carry"} <= rows[0].keys()
    aged = [{key: row[key] for key in row if key not in ("short", "carry")} for row in rows]
    storage._database.execute_sql(update, (zlib.compress(json.dumps(aged).encode()),))
    (trades,) = storage.reports.trades("bt_1")
    assert trades == tuple(replace(trade, short=False, carry=0.0) for trade in report.trades)
