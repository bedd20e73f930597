"""The documented tables are what other services were told they are, and hold what they were told."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from domain_samples import (
    NOW,
    at,
    make_best,
    make_job,
    make_optimization,
    make_optimization_spec,
    make_progress,
    make_report,
    make_strategy,
    make_trial,
)
from storage_tools import select

from stratopt_server.domain.goals import Goal, Objective, Target
from stratopt_server.domain.jobs import JobStatus, OptimizationResult
from stratopt_server.storage.sql import SqlStorage

SHARED = Path(__file__).parents[3] / "shared" / "design" / "SCHEMA.sql"

TABLES = {
    "strategies": """
        id VARCHAR(50) KEY
        name VARCHAR(100) NOT NULL
        version VARCHAR(20) NOT NULL
        code TEXT NOT NULL
        default_params JSON
        created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
        updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
        idx_strategies_name ON name
        idx_strategies_version ON version
    """,
    "backtest_reports": """
        id VARCHAR(50) KEY
        strategy_id VARCHAR(50) NOT NULL
        symbol VARCHAR(20) NOT NULL
        params JSON NOT NULL
        metrics JSON NOT NULL
        max_drawdown REAL
        sharpe_ratio REAL
        total_return REAL
        start_date TIMESTAMP
        end_date TIMESTAMP
        created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
        strategy_id -> strategies.id
        idx_backtest_created_at ON created_at DESC
        idx_backtest_sharpe ON sharpe_ratio DESC
        idx_backtest_strategy_id ON strategy_id
        idx_backtest_symbol ON symbol
    """,
    "optimization_tasks": """
        id VARCHAR(50) KEY
        strategy_id VARCHAR(50) NOT NULL
        symbol VARCHAR(20) NOT NULL
        param_ranges JSON NOT NULL
        optimization_target VARCHAR(20) NOT NULL
        status VARCHAR(20) DEFAULT 'pending'
        progress REAL DEFAULT 0.0
        created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
        completed_at TIMESTAMP
        strategy_id -> strategies.id
        idx_optimization_created_at ON created_at DESC
        idx_optimization_status ON status
        idx_optimization_strategy_id ON strategy_id
    """,
    "optimization_results": """
        id VARCHAR(50) KEY
        optimization_id VARCHAR(50) NOT NULL
        best_params JSON NOT NULL
        best_score REAL NOT NULL
        all_results JSON
        created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
        optimization_id -> optimization_tasks.id
        idx_optimization_results_score ON best_score DESC
        idx_optimization_results_task_id ON optimization_id
    """,
    "parameter_packages": """
        id VARCHAR(50) KEY
        backtest_id VARCHAR(50) NOT NULL
        symbol VARCHAR(20) NOT NULL
        strategy_id VARCHAR(50) NOT NULL
        params JSON NOT NULL
        metrics JSON NOT NULL
        approved BOOLEAN DEFAULT FALSE
        created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
        published_at TIMESTAMP
        strategy_id -> strategies.id
        backtest_id -> backtest_reports.id
        idx_parameter_packages_approved ON approved
        idx_parameter_packages_created_at ON created_at DESC
        idx_parameter_packages_symbol ON symbol
    """,
}
"""The documented facts of every table: columns in order, then references, then indexes by name."""
ADDED = {
    "backtest_reports": ["parts_of VARCHAR(50)"],
    "optimization_tasks": ["objectives JSON"],
    "parameter_packages": ["draft JSON", "reviews JSON"],
}
"""Facts that are ours, behind the documented columns."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file for the database."""
    return tmp_path / "stratopt.db"


@pytest.fixture
def storage(path: Path) -> Iterator[SqlStorage]:
    """An empty storage in that file."""
    with closing(SqlStorage.open(f"sqlite:///{path}")) as opened:
        yield opened


def described(connection: sqlite3.Connection, table: str) -> list[str]:
    """Say what the database knows of a table, a fact a line."""
    facts = []
    for _, name, kind, required, default, key in connection.execute(f"PRAGMA table_info({table})"):
        parts = [name, kind, "KEY" * key, "NOT NULL" * required, default and f"DEFAULT {default}"]
        facts.append(" ".join(part for part in parts if part))
    for reference in connection.execute(f"PRAGMA foreign_key_list({table})"):
        _, _, parent, column, parent_column, on_update, on_delete, _ = reference
        assert (on_update, on_delete) == ("NO ACTION", "NO ACTION")
        facts.append(f"{column} -> {parent}.{parent_column}")
    return facts + sorted(indexes(connection, table))


def indexes(connection: sqlite3.Connection, table: str) -> Iterator[str]:
    """Say which columns each index of a table has, in order; the one of its key is not told."""
    for _, name, unique, origin, partial in connection.execute(f"PRAGMA index_list({table})").fetchall():
        if origin == "pk":
            continue
        assert not partial
        columns = [
            column + " DESC" * descending
            for _, _, column, descending, _, is_key in connection.execute(f"PRAGMA index_xinfo({name})")
            if is_key
        ]
        yield "UNIQUE " * unique + f"{name} ON {', '.join(columns)}"


def without_added(facts: list[str], table: str) -> list[str]:
    """Leave out the facts that are ours, which must all be there."""
    added = ADDED.get(table, [])
    assert set(added) <= set(facts)
    return [fact for fact in facts if fact not in added]


@pytest.mark.parametrize("table", TABLES)
def test_documented_facts(storage: SqlStorage, path: Path, table: str) -> None:
    """A documented table has its columns, types, defaults, keys and indexes; the rest is ours."""
    storage.close()
    documented = [line.strip() for line in TABLES[table].strip().splitlines()]
    with closing(sqlite3.connect(path)) as connection:
        assert without_added(described(connection, table), table) == documented


@pytest.mark.skipif(not SHARED.is_file(), reason="the shared schema is not beside the project")
def test_documented_schema(storage: SqlStorage, path: Path) -> None:
    """The documented SQL itself makes the same tables, but for what is ours, and no others."""
    storage.close()
    with closing(sqlite3.connect(":memory:")) as documented, closing(sqlite3.connect(path)) as migrated:
        documented.executescript(SHARED.read_text(encoding="utf-8"))
        tables = {
            name for (name,) in documented.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        assert tables == set(TABLES)
        for table in tables:
            assert without_added(described(migrated, table), table) == described(documented, table)


def test_defaults_work(storage: SqlStorage, path: Path) -> None:
    """Another service may leave out what has a default."""
    storage.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO strategies (id, name, version, code) VALUES ('s', 'n', '1', 'c')")
        connection.execute(
            "INSERT INTO optimization_tasks (id, strategy_id, symbol, param_ranges, optimization_target) "
            "VALUES ('opt_1', 's', 'BTC/USDT', '{}', 'sharpe')"
        )
    assert select(path, "SELECT status, progress, completed_at FROM optimization_tasks") == [
        ("pending", 0.0, None)
    ]
    assert storage.strategies.get("s").default_params == {}


def task_row(path: Path) -> tuple[object, ...]:
    """What other services see of an optimization's life."""
    [row] = select(path, "SELECT status, progress, completed_at FROM optimization_tasks")
    return row


def test_task_row(storage: SqlStorage, path: Path) -> None:
    """A new optimization has its documented row: what is searched, on which symbol, and that it waits."""
    storage.strategies.add(make_strategy())
    storage.jobs.add(make_optimization())
    [row] = select(
        path,
        "SELECT id, strategy_id, symbol, optimization_target, status, progress, created_at, completed_at "
        "FROM optimization_tasks",
    )
    created_at = "2024-03-01 12:30:15.123456"
    assert row[:4] == ("opt_1", "ma_cross_v1.0", "BTC/USDT", "weighted")
    assert row[4:] == ("pending", 0.0, created_at, None)
    [(ranges,)] = select(path, "SELECT param_ranges FROM optimization_tasks")
    assert json.loads(ranges)["fast_period"] == {"minimum": 2, "maximum": 50, "step": 3}


@pytest.mark.parametrize(
    ("goal", "target", "objectives"),
    [
        (Goal.of(Target.PROFIT_FACTOR), "profit_factor", [{"target": "profit_factor", "weight": None}]),
        (
            Goal((Objective(Target.SHARPE, 0.75), Objective(Target.DRAWDOWN, 0.25))),
            "weighted",
            [{"target": "sharpe", "weight": 0.75}, {"target": "drawdown", "weight": 0.25}],
        ),
        (
            Goal((Objective(Target.RETURN), Objective(Target.CALMAR))),
            "multi",
            [{"target": "return", "weight": None}, {"target": "calmar", "weight": None}],
        ),
    ],
)
def test_target(storage: SqlStorage, path: Path, goal: Goal, target: str, objectives: object) -> None:
    """The documented target is a word for the goal; all of it stands beside."""
    storage.strategies.add(make_strategy())
    storage.jobs.add(make_job("opt_1", make_optimization_spec(goal=goal)))
    [(word, text)] = select(path, "SELECT optimization_target, objectives FROM optimization_tasks")
    assert (word, json.loads(text)) == (target, objectives)


def test_task_follows_its_job(storage: SqlStorage, path: Path) -> None:
    """Status and progress of the documented row are those of the job, announced or not."""
    storage.strategies.add(make_strategy())
    storage.jobs.add(make_optimization())
    storage.jobs.claim("server", now=NOW, lease_until=at(15))
    assert task_row(path) == ("running", 0.0, None)
    storage.jobs.record("opt_1", 1, progress=make_progress(done=1, total=4))
    assert task_row(path) == ("running", 0.25, None)
    storage.jobs.record("opt_1", 1, progress=make_progress(done=2, total=4), announce=False)
    assert task_row(path) == ("running", 0.5, None)
    storage.jobs.release("opt_1", 1)
    assert task_row(path) == ("pending", 0.5, None)
    storage.jobs.pause("opt_1")
    assert task_row(path) == ("paused", 0.5, None)
    storage.jobs.resume("opt_1")
    assert task_row(path) == ("pending", 0.5, None)
    storage.jobs.finish("opt_1", JobStatus.CANCELLED, now=at(3600))
    assert task_row(path) == ("cancelled", 0.5, "2024-03-01 13:30:15.123456")
    longer = make_optimization_spec(goal=Goal.of(Target.SHARPE))
    storage.jobs.reopen("opt_1", longer, progress=make_progress(done=2, total=8))
    assert task_row(path) == ("pending", 0.25, None)
    assert select(path, "SELECT optimization_target FROM optimization_tasks") == [("sharpe",)]


def test_total_unknown(storage: SqlStorage, path: Path) -> None:
    """Progress of nothing is 0."""
    storage.strategies.add(make_strategy())
    storage.jobs.add(make_optimization(progress=make_progress(done=0, total=0)))
    storage.jobs.claim("server", now=NOW, lease_until=at(15))
    assert task_row(path) == ("running", 0.0, None)


def finish(storage: SqlStorage, status: JobStatus, result: OptimizationResult) -> None:
    """Run an optimization to that end."""
    storage.strategies.add(make_strategy())
    storage.jobs.add(make_optimization())
    storage.jobs.claim("server", now=NOW, lease_until=at(15))
    storage.jobs.record("opt_1", 1, progress=make_progress(), result=result)
    storage.jobs.finish("opt_1", status, now=at(1), attempt=1)


def test_result_row(storage: SqlStorage, path: Path) -> None:
    """A succeeded optimization has its documented result: the best parameters and score, exactly."""
    trial = make_trial(params={"fast_period": 20, "signal_threshold": 0.1}, score=1 / 3)
    finish(storage, JobStatus.SUCCEEDED, OptimizationResult(best=make_best(trial=trial), warnings=("thin",)))
    [(optimization_id, params, score, results, created_at)] = select(
        path,
        "SELECT optimization_id, best_params, best_score, all_results, created_at FROM optimization_results",
    )
    assert (optimization_id, score) == ("opt_1", 1 / 3)
    assert params == '{"fast_period": 20, "signal_threshold": 0.1}'
    assert json.loads(results)["warnings"] == ["thin"]
    assert created_at == "2024-03-01 12:30:16.123456"


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (JobStatus.SUCCEEDED, OptimizationResult()),
        (JobStatus.FAILED, OptimizationResult(best=make_best())),
        (JobStatus.CANCELLED, OptimizationResult(best=make_best())),
    ],
)
def test_no_result_row(
    storage: SqlStorage, path: Path, status: JobStatus, result: OptimizationResult
) -> None:
    """One without a best trial, or without success, has none."""
    finish(storage, status, result)
    assert task_row(path)[0] == status.value
    assert select(path, "SELECT * FROM optimization_results") == []


def test_result_of_a_second_end(storage: SqlStorage, path: Path) -> None:
    """A search that goes on has no documented result; where it ends again, the one it has then."""
    finish(storage, JobStatus.SUCCEEDED, OptimizationResult(best=make_best()))
    storage.jobs.reopen("opt_1", make_optimization_spec(max_iterations=900), progress=make_progress())
    scores = "SELECT id, best_score, created_at FROM optimization_results"
    assert select(path, scores) == []
    storage.jobs.claim("server", now=NOW, lease_until=at(15))
    better = OptimizationResult(best=make_best(trial=make_trial(score=9.5)))
    storage.jobs.finish("opt_1", JobStatus.SUCCEEDED, now=at(3600), attempt=2, result=better)
    assert select(path, scores) == [("opt_1", 9.5, "2024-03-01 13:30:15.123456")]


def test_report_row(storage: SqlStorage, path: Path) -> None:
    """A report's documented row has the backtest's id, its parameters, its metrics and its dates."""
    storage.strategies.add(make_strategy())
    job, report = make_job(), make_report()
    storage.jobs.add(job)
    storage.reports.add(job, report, "<html></html>", now=at(1))
    [row] = select(
        path,
        "SELECT id, strategy_id, symbol, max_drawdown, sharpe_ratio, total_return, start_date, end_date, "
        "created_at FROM backtest_reports",
    )
    figures = (report.metrics.max_drawdown, report.metrics.sharpe_ratio, report.metrics.total_return)
    dates = ("2023-01-01 00:00:00", "2023-03-25 07:00:00", "2024-03-01 12:30:16.123456")
    assert row == ("bt_1", "ma_cross_v1.0", "BTC/USDT", *figures, *dates)
    [(params, metrics)] = select(path, "SELECT params, metrics FROM backtest_reports")
    assert params == '{"fast_period": 20, "mode": "20", "signal_threshold": 20.0, "trailing": true}'
    assert json.loads(metrics)["profit_factor"] == report.metrics.profit_factor


def test_undefined_figures(storage: SqlStorage, path: Path) -> None:
    """A figure that is not defined is NULL, and null in the document."""
    storage.strategies.add(make_strategy())
    storage.jobs.add(make_job())
    report = make_report()
    report = replace(report, metrics=replace(report.metrics, sharpe_ratio=None))
    storage.reports.add(make_job(), report, "", now=NOW)
    [(ratio, metrics)] = select(path, "SELECT sharpe_ratio, metrics FROM backtest_reports")
    assert ratio is None
    assert json.loads(metrics)["sharpe_ratio"] is None


def test_newest_first_by_text(storage: SqlStorage, path: Path) -> None:
    """Times stand in the database so that their order as text is their order in time."""
    storage.strategies.add(make_strategy())
    moments = [at(-NOW.microsecond / 1e6), at(0), at(1), at(1.5)]
    for number, moment in enumerate(moments):
        storage.jobs.add(make_optimization(f"opt_{number}", created_at=moment))
    found = select(path, "SELECT id FROM optimization_tasks ORDER BY created_at")
    assert [name for (name,) in found] == ["opt_0", "opt_1", "opt_2", "opt_3"]
