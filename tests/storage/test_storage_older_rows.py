"""Rows written before a word was known to the domain load, and mean what they meant."""

import json
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from domain_samples import (
    NOW,
    at,
    exact,
    make_backtest_spec,
    make_best,
    make_job,
    make_metrics,
    make_optimization_spec,
    make_report,
    make_scenario,
    make_strategy,
    make_terms,
    make_trial,
)

from stratopt_server.domain.jobs import BacktestResult, JobKind, JobStatus, OptimizationResult
from stratopt_server.domain.metrics import Metrics, RunStatus
from stratopt_server.domain.runs import Costs, RunTerms
from stratopt_server.storage.codec import from_json
from stratopt_server.storage.sql import SqlStorage

NOT_KNOWN_THEN = {
    *("maker_fee", "fixed_fee", "impact"),
    *("direction", "sizing", "stops", "rules", "carry", "fill_model", "participation"),
    *("longest_drawdown_bars", "turnover", "var_95", "cvar_95", "skewness", "kurtosis", "carry_paid"),
    *("refused_min_notional", "refused_lot_size", "refused_no_cash", "refused_no_volume", "run_status"),
    *("fill_bracket", "short"),
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
"""Documents as the first release wrote them."""
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


def age(storage: SqlStorage) -> None:
    """Take the new keys out of every JSON document of the database."""
    for table, column in (
        *(("jobs", "spec"), ("jobs", "result"), ("job_events", "payload")),
        *(("trials", "metrics"), ("backtest_reports", "metrics")),
    ):
        rows = storage._database.execute_sql(f"SELECT rowid, {column} FROM {table}").fetchall()
        for row, document in rows:
            aged = json.dumps(without(json.loads(document or "null")))
            storage._database.execute_sql(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (aged, row))


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


def test_old_optimization(storage: SqlStorage) -> None:
    """The same of an optimization, its trials and its improvements."""
    trial = make_trial(metrics=old_metrics())
    result = OptimizationResult(best=make_best(trial=trial, out_of_sample=old_metrics(cagr=0.5)))
    spec = make_optimization_spec(scenario=make_scenario(terms=OLD_TERMS, bar_count=0))
    storage.jobs.add(make_job("opt_1", spec))
    storage.trials.add("opt_1", [trial])
    storage.jobs.claim("server", now=NOW, lease_until=at(15))
    storage.jobs.record("opt_1", 1, progress=make_job().progress, result=result, improvements=[trial])
    stored = storage.jobs.get(JobKind.OPTIMIZATION, "opt_1")
    age(storage)
    assert exact(storage.jobs.get(JobKind.OPTIMIZATION, "opt_1")) == exact(stored)
    assert exact(storage.trials.page("opt_1", after=-1, limit=9)) == exact([trial])
    assert trial in [event.event for event in storage.jobs.events("opt_1", 0)]


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
