"""A backtest run once more, by another process, from nothing but what a package says."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from domain_samples import make_strategy
from engine_samples import random_bars, terms_of

from stratopt_server.decisions.recipe import canonical, metrics_hash, recipe_of
from stratopt_server.domain.market import from_microseconds
from stratopt_server.domain.metrics import Metrics
from stratopt_server.domain.runs import BacktestSpec, Costs, RunTerms, Scenario
from stratopt_server.engine.report import make_report
from stratopt_server.jobs.reproducing import run_again
from stratopt_server.market.columns import ColumnStore
from stratopt_server.strategies.catalog import BUILTINS

BARS = random_bars(500, seed=3, step=0.02)
CODES = {builtin.contract.kernel: make_strategy(code=builtin.code).code_hash for builtin in BUILTINS}
PARAMS = {
    "ma_cross": lambda number: {
        "fast_period": 2 + number % 9,
        "slow_period": 12 + number % 17,
        "signal_threshold": 0.0,
    },
    "momentum": lambda number: {"lookback": 3 + number % 20, "threshold": 0.001 * (number % 5)},
}

AGAIN = """
import json, sys
from pathlib import Path
from stratopt_server.domain.metrics import Metrics
from stratopt_server.jobs.reproducing import run_again
from stratopt_server.market.columns import ColumnStore
from stratopt_server.storage.codec import from_json

columns = ColumnStore(Path(sys.argv[1]))
for line in sys.stdin:
    said = json.loads(line)
    again = run_again(said["recipe"], from_json(Metrics, said["metrics"]), columns)
    print(again.metrics_hash if again.same else "; ".join(again.differences))
"""


def spec_of(kernel: str, number: int, dataset_hash: str, terms: RunTerms) -> BacktestSpec:
    """One candidate."""
    scenario = Scenario(
        strategy_id=f"{kernel}_v1.0",
        code_hash=CODES[kernel],
        exchange="test",
        symbol="A/B",
        timeframe="1h",
        dataset_hash=dataset_hash,
        start_date=from_microseconds(int(BARS.time[number])),
        end_date=from_microseconds(int(BARS.time[-1])),
        terms=terms,
    )
    return BacktestSpec(scenario=scenario, params=PARAMS[kernel](number))


def metrics_of(spec: BacktestSpec, kernel: str) -> Metrics:
    """What this process finds."""
    bars = BARS.between(spec.scenario.start_date, spec.scenario.end_date)
    return make_report(kernel, bars, spec.params, spec.scenario.terms).metrics


def said_of(spec: BacktestSpec, metrics: Metrics) -> bytes:
    """What the other process is told."""
    from stratopt_server.storage.codec import to_json

    return canonical({"recipe": recipe_of(spec, metrics), "metrics": to_json(Metrics, metrics)})


def test_a_hundred_candidates_come_out_the_same(tmp_path: Path) -> None:
    """Another process finds a hundred identical hashes."""
    dataset_hash = ColumnStore(tmp_path).save(BARS)
    terms = [terms_of(), replace(terms_of(), costs=Costs(taker_fee=0.002, slippage=0.001, fixed_fee=0.5))]
    lines, hashes = [], []
    for number in range(100):
        kernel = ("ma_cross", "momentum")[number % 2]
        spec = spec_of(kernel, number, dataset_hash, terms[number // 2 % 2])
        metrics = metrics_of(spec, kernel)
        lines.append(said_of(spec, metrics))
        hashes.append(metrics_hash(metrics))
    again = subprocess.run(
        [sys.executable, "-c", AGAIN, str(tmp_path)], input=b"\n".join(lines), capture_output=True, check=True
    )
    assert again.stdout.decode().split("\n")[:-1] == hashes
    assert len(set(hashes)) > 90


@pytest.fixture
def whole(tmp_path: Path) -> tuple[dict[str, Any], Metrics, ColumnStore]:
    """A recipe, its metrics, and the bars it is of."""
    columns = ColumnStore(tmp_path)
    spec = spec_of("ma_cross", 0, columns.save(BARS), terms_of())
    metrics = metrics_of(spec, "ma_cross")
    return json.loads(canonical(recipe_of(spec, metrics))), metrics, columns


def test_the_same_is_the_same(whole: tuple[dict[str, Any], Metrics, ColumnStore]) -> None:
    """Nothing differs where nothing was changed."""
    recipe, metrics, columns = whole
    again = run_again(recipe, metrics, columns)
    assert again.same
    assert (again.metrics_hash, again.differences) == (metrics_hash(metrics), ())


def test_a_changed_fee_is_named(whole: tuple[dict[str, Any], Metrics, ColumnStore]) -> None:
    """The figures that it changes are named, with both values."""
    recipe, metrics, columns = whole
    recipe["costs"]["taker_fee"] += 1e-6
    again = run_again(recipe, metrics, columns)
    assert not again.same
    assert any(told.startswith("fees_paid is ") for told in again.differences)


def test_a_changed_bar_is_named(whole: tuple[dict[str, Any], Metrics, ColumnStore], tmp_path: Path) -> None:
    """Bars whose file was touched are not those of the hash, whatever comes of them."""
    recipe, metrics, columns = whole
    file = tmp_path / recipe["dataset_hash"] / "close.npy"
    close = np.load(file)
    close[250] *= 1.0001
    np.save(file, close)
    again = run_again(recipe, metrics, columns)
    assert not again.same
    assert "the bars have the content" in again.differences[0]
    assert recipe["dataset_hash"] in again.differences[0]


def test_changed_code_is_named(whole: tuple[dict[str, Any], Metrics, ColumnStore]) -> None:
    """One line more is another hash, and no code of this server."""
    recipe, metrics, columns = whole
    recipe["strategy_hash"] = make_strategy(code=BUILTINS[0].code + "\n# a line more").code_hash
    again = run_again(recipe, metrics, columns)
    assert not again.same
    assert "no code of this server has the hash" in again.differences[0]


def test_another_engine_and_absent_bars_are_named(
    whole: tuple[dict[str, Any], Metrics, ColumnStore], tmp_path: Path
) -> None:
    """What cannot be run once more is not the same, and says why."""
    recipe, metrics, _ = whole
    other = run_again({**recipe, "engine_version": "0.0.0"}, metrics, ColumnStore(tmp_path / "elsewhere"))
    assert not other.same
    assert other.metrics_hash == ""
    assert ["the engine is" in other.differences[0], "are not on this server" in other.differences[1]] == [
        True,
        True,
    ]
