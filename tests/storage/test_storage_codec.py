"""Documents: every domain value comes back from its JSON text as it was."""

import json
from typing import Any

import pytest
from domain_arbitrary import (
    backtest_results,
    backtest_specs,
    failures,
    metrics,
    optimization_results,
    optimization_specs,
    progress,
    trials,
)
from domain_samples import exact, make_optimization_result, make_optimization_spec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stratopt_server.domain.jobs import BacktestResult, Failure, OptimizationResult, Progress
from stratopt_server.domain.metrics import Metrics
from stratopt_server.domain.optimization import Trial
from stratopt_server.domain.runs import BacktestSpec, OptimizationSpec
from stratopt_server.storage.codec import from_json, from_text, to_json, to_text

KINDS: dict[type, st.SearchStrategy[Any]] = {
    BacktestSpec: backtest_specs,
    OptimizationSpec: optimization_specs,
    BacktestResult: backtest_results,
    OptimizationResult: optimization_results,
    Progress: progress,
    Failure: failures,
    Trial: trials,
    Metrics: metrics,
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_round_trip(kind: type, data: st.DataObject) -> None:
    """Kinds, bits and order survive, as do tuples, enums, moments and what is not there; both ways agree."""
    value = data.draw(KINDS[kind])
    document = json.loads(json.dumps(to_json(kind, value), allow_nan=False))
    assert exact(from_json(kind, document)) == exact(value)
    text = to_text(kind, value)
    assert json.loads(text) == document
    assert exact(from_text(kind, text)) == exact(value)


@pytest.mark.parametrize("value", [make_optimization_spec(), make_optimization_result()])
def test_every_field(value: object) -> None:
    """A value with every field set comes back with every field."""
    kind = type(value)
    assert exact(from_json(kind, json.loads(json.dumps(to_json(kind, value))))) == exact(value)
