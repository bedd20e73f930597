"""Every field of a message is written, with the value that it stands for, and nothing else is."""

from dataclasses import fields, replace
from datetime import datetime
from typing import Any

import pytest
from domain_arbitrary import metrics, progress
from domain_samples import (
    at,
    exact,
    make_backtest_result,
    make_best,
    make_bracket,
    make_dataset,
    make_failure,
    make_holdout,
    make_job,
    make_metrics,
    make_optimization,
    make_optimization_result,
    make_optimization_spec,
    make_progress,
    make_quality,
    make_scenario,
    make_series,
    make_strategy,
    make_terms,
    make_trade,
    make_trial,
)
from google.protobuf.message import Message
from hypothesis import given
from proto_fields import sent, unset

from stratopt.v1 import backtest_pb2, job_pb2, metrics_pb2, optimization_pb2, run_pb2
from stratopt_server.domain.jobs import Job, JobStatus, OptimizationResult, Progress
from stratopt_server.domain.metrics import Metrics, RunStatus
from stratopt_server.domain.optimization import StopReason, TrialStatus
from stratopt_server.domain.runs import Costs, Fill, RunTerms
from stratopt_server.domain.validation import Validation, ValidationMethod
from stratopt_server.strategies.catalog import BUILTINS, Catalog
from stratopt_server.usecases.watching import Beat, Watched
from stratopt_server.wire.backtests import (
    backtest_to_proto,
    bracket_run_to_proto,
    series_to_proto,
    trade_to_proto,
    watched_backtest,
)
from stratopt_server.wire.datasets import dataset_to_proto
from stratopt_server.wire.jobs import failure_to_proto, metrics_to_proto, progress_to_proto
from stratopt_server.wire.optimizations import optimization_to_proto, watched_optimization
from stratopt_server.wire.results import trial_to_proto
from stratopt_server.wire.strategies import strategy_to_proto
from stratopt_server.wire.times import microseconds_to_timestamp, to_timestamp
from stratopt_server.wire.trading import costs_to_proto, trading_to_proto

ENDED: dict[str, Any] = {
    "status": JobStatus.FAILED,
    "progress": make_progress(),
    "failure": make_failure(),
    "started_at": at(1),
    "completed_at": at(2),
    "priority": 3,
    "caller": "scanner",
}
BACKTEST = make_job(result=make_backtest_result(), **ENDED)
WALKED = make_optimization(
    result=make_optimization_result(stop_reason=StopReason.EXHAUSTED, warnings=("thin", "short")), **ENDED
)
"""A job in which everything is set that can be, though never at one time in life."""
NOT_OF_A_WALK = [
    "holdout_start_date",
    "holdout",
    "best.trial.window",
    "validation.holdout",
    "pareto_front.trial.window",
    "pareto_front.out_of_sample",
    "pareto_front.trial.window",
    "robust.trial.window",
    "walk_forward.windows.number",
    "walk_forward.windows.best",
]
"""Fields of a holdout, and those that some of several parts have."""
MA_CROSS = next(builtin for builtin in BUILTINS if builtin.id == "ma_cross_v1.0")
CATALOG = Catalog({"ma_cross"})


@pytest.mark.parametrize(
    ("message", "left"),
    [
        (metrics_to_proto(make_metrics()), []),
        (progress_to_proto(make_progress()), []),
        (failure_to_proto(make_failure()), []),
        (dataset_to_proto(make_dataset()), []),
        (trial_to_proto(make_trial(window=2)), []),
        (backtest_to_proto(BACKTEST), []),
        (optimization_to_proto(WALKED), NOT_OF_A_WALK),
        (series_to_proto(make_series()), []),
        (trade_to_proto(make_trade()), ["open"]),
        (trade_to_proto(make_trade(exit_time=None)), ["exit_time"]),
        (strategy_to_proto(make_strategy(code=MA_CROSS.code), CATALOG), ["not_runnable_reason"]),
        (strategy_to_proto(make_strategy(code="x"), CATALOG), ["parameters", "runnable"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_field_is_written(message: Message, left: list[str]) -> None:
    """Of a value in which everything is set no field is left out, but those that exclude each other."""
    elsewhere = ("parameters.", "param_ranges.")  # whose own tests tell what each kind of them sets
    assert [name for name in unset(sent(message)) if not name.startswith(elsewhere)] == left


def test_same_fields_on_both_sides() -> None:
    """Metrics have the same fields, in the same order, in the domain and on the wire."""
    assert [field.name for field in metrics_pb2.Metrics.DESCRIPTOR.fields] == [
        field.name for field in fields(Metrics)
    ]


@given(metrics)
def test_metrics(figures: Metrics) -> None:
    """Every figure is sent to the bit; one that is not defined is unset, and 0 is not unset."""
    message = sent(metrics_to_proto(figures))
    for field in fields(Metrics):
        value = getattr(figures, field.name)
        if isinstance(value, RunStatus):
            assert metrics_pb2.RunStatus.Name(message.run_status) == f"RUN_STATUS_{value.name}"
        elif value is None:
            assert not message.HasField(field.name)
        else:
            assert exact(getattr(message, field.name)) == exact(value)
            assert field.type is int or message.HasField(field.name)


@given(progress)
def test_progress(done: Progress) -> None:
    """Progress is sent to the bit; a rate that is not known is unset."""
    message = sent(progress_to_proto(done))
    assert (message.done, message.total, message.stage) == (done.done, done.total, done.stage)
    for name in ("rate", "eta_seconds"):
        value = getattr(done, name)
        assert message.HasField(name) == (value is not None)
        assert value is None or exact(getattr(message, name)) == exact(value)


def test_failure() -> None:
    """A failure is sent with its reason, its words and its facts."""
    message = failure_to_proto(make_failure())
    assert (message.reason, message.message, dict(message.metadata)) == (
        "OUT_OF_MEMORY",
        "1 GB is not enough",
        {"mb": "1"},
    )


def test_dataset() -> None:
    """A dataset is sent as it is, its counts each under its own name."""
    dataset = make_dataset()
    message = sent(dataset_to_proto(dataset))
    for name in ("id", "exchange", "symbol", "timeframe", "bar_count", "content_hash", "bars_per_year"):
        assert getattr(message, name) == getattr(dataset, name)
    for name, moment in {
        "first_bar_time": dataset.first_bar_time,
        "last_bar_time": dataset.last_bar_time,
        "create_time": dataset.created_at,
        "update_time": dataset.updated_at,
    }.items():
        assert getattr(message, name) == to_timestamp(moment)
    counts = [field.name for field in fields(dataset.quality) if field.type is int]
    assert {name: getattr(message.quality, name) for name in counts} == {
        name: getattr(make_quality(), name) for name in counts
    }
    assert tuple(message.quality.reasons) == dataset.quality.reasons


def common(job: Job) -> dict[str, Any]:
    """What Backtest and Optimization both say of such a job."""
    scenario = make_scenario()
    return {
        **{
            name: getattr(scenario, name)
            for name in ("strategy_id", "code_hash", "exchange", "symbol", "timeframe", "dataset_hash")
        },
        "id": job.id,
        "start_date": to_timestamp(scenario.start_date),
        "end_date": to_timestamp(scenario.end_date),
        "initial_cash": 12_345.678,
        "fill": run_pb2.FILL_CLOSE,
        "costs": costs_to_proto(scenario.terms.costs),
        "trading": trading_to_proto(scenario.terms),
        "status": job_pb2.JOB_STATUS_FAILED,
        "progress": progress_to_proto(make_progress()),
        "failure": failure_to_proto(make_failure()),
        "create_time": to_timestamp(at(0)),
        "start_time": to_timestamp(at(1)),
        "end_time": to_timestamp(at(2)),
    }


def test_backtest() -> None:
    """A backtest is sent with every value under its own name."""
    message = sent(backtest_to_proto(BACKTEST))
    for name, value in common(BACKTEST).items():
        assert getattr(message, name) == value, name
    assert message.metrics == metrics_to_proto(make_metrics())
    assert list(message.fill_bracket) == [bracket_run_to_proto(run) for run in make_bracket()]
    assert [run.fill_model for run in message.fill_bracket] == [1, 2, 3]
    assert message.params["signal_threshold"].real == 20.0
    assert message.params["fast_period"].integer == 20


def test_terms() -> None:
    """Costs and trading terms are sent with every value under its own name."""
    terms = make_terms()
    costs, trading = sent(costs_to_proto(terms.costs)), sent(trading_to_proto(terms))
    for name in ("taker_fee", "slippage", "maker_fee", "fixed_fee", "impact"):
        assert getattr(costs, name) == getattr(terms.costs, name)
    assert (trading.direction, trading.fill_model) == (run_pb2.DIRECTION_SHORT, run_pb2.FILL_MODEL_TOUCH_PATH)
    assert (trading.sizing.kind, trading.sizing.amount) == (run_pb2.SIZING_KIND_FRACTION, 0.6)
    for part in ("stops", "rules"):
        for field in fields(getattr(terms, part)):
            assert getattr(getattr(trading, part), field.name) == getattr(getattr(terms, part), field.name)
    assert (trading.carry.borrow_rate, trading.participation) == (1e-6, 0.15)
    assert [(paid.time, paid.rate) for paid in trading.carry.funding] == [
        (to_timestamp(at(-7_200)), 0.0003),
        (to_timestamp(at(0)), -0.0001),
    ]


def test_terms_that_were_left_out() -> None:
    """The resource shows every default: the maker fee is the taker fee; all in has no amount; no stops."""
    costs = costs_to_proto(Costs(taker_fee=0.001, slippage=0.0))
    assert (costs.maker_fee, costs.fixed_fee, costs.impact) == (0.001, 0.0, 0.0)
    assert list(unset(sent(costs))) == []
    plain = RunTerms(
        costs=Costs(taker_fee=0.0, slippage=0.0), initial_cash=1.0, fill=Fill.CLOSE, bars_per_year=1.0
    )
    trading = sent(trading_to_proto(plain))
    assert (trading.direction, trading.fill_model) == (run_pb2.DIRECTION_LONG, run_pb2.FILL_MODEL_THROUGH)
    assert trading.sizing.kind == run_pb2.SIZING_KIND_ALL_IN
    assert not trading.sizing.HasField("amount")
    assert [
        name for name in ("stop_loss", "take_profit", "trailing_stop") if trading.stops.HasField(name)
    ] == []
    assert trading.participation == 0.1


def test_optimization() -> None:
    """An optimization is sent with every value under its own name."""
    message = sent(optimization_to_proto(WALKED))
    spec = make_optimization_spec()
    expected = {
        "optimization_target": optimization_pb2.OPTIMIZATION_TARGET_SORTINO,
        "max_iterations": 500,
        "algorithm": optimization_pb2.ALGORITHM_RANDOM,
        "seed": 2**64 - 1,
        "min_trades": 7,
        "batch_size": 25,
        "stop_reason": optimization_pb2.STOP_REASON_EXHAUSTED,
        "trials_ever": 1_234,
    }
    for name, value in {**common(WALKED), **expected}.items():
        assert getattr(message, name) == value, name
    assert message.best.trial == trial_to_proto(make_trial())
    assert message.best.out_of_sample == metrics_to_proto(make_metrics(cagr=0.5))
    assert list(message.warnings) == ["thin", "short"]
    assert list(message.constraints) == ["fast_period < slow_period"]
    assert set(message.param_ranges) == set(spec.param_ranges)
    assert message.fixed_params["mode"].choice == "slow"
    weights = [(one.target, one.weight) for one in message.objectives]
    assert weights == [(4, 0.75), (optimization_pb2.OPTIMIZATION_TARGET_DRAWDOWN, 0.1)]
    assert message.robust.neighbour_median == -0.5
    assert message.plateau.share_70 == 5 / 6


def test_walk_forward() -> None:
    """Its windows have their dates from the beginning, and what was found in them as it comes."""
    message = sent(optimization_to_proto(WALKED))
    assert (message.validation.windows, message.validation.rolling, message.validation.purge_bars) == (
        2,
        True,
        3,
    )
    first, second = message.walk_forward.windows
    split = make_optimization_spec().validation.splits[1]
    assert second.test_start_date == to_timestamp(split.test.first)
    assert second.train_end_date == to_timestamp(split.train.last)
    assert first.best.trial.window == 0
    assert first.best.trial.HasField("window")
    assert not second.HasField("best")
    assert message.walk_forward.efficiency == 0.6
    waiting = sent(optimization_to_proto(make_optimization()))
    assert [window.number for window in waiting.walk_forward.windows] == [0, 1]
    assert not waiting.walk_forward.HasField("out_of_sample")


def test_holdout() -> None:
    """A holdout has no windows, and its share and first bar stand at the top too."""
    held_out = replace(make_optimization_spec(), validation=make_holdout())
    message = sent(optimization_to_proto(make_job("opt_1", held_out)))
    assert message.holdout == message.validation.holdout == 1 / 3
    assert message.holdout_start_date == to_timestamp(held_out.validation.splits[0].test.first)
    assert not message.HasField("walk_forward")
    assert not message.validation.HasField("windows")


def test_waiting_jobs() -> None:
    """Of a job that waits, all that is to come is unset."""
    asked = {"priority", "caller"}
    to_come = {"failure", "metrics", "fill_bracket", "start_time", "end_time", "cached_from"}
    assert {name for name in unset(backtest_to_proto(make_job())) if "." not in name} == to_come | asked
    plain = replace(make_optimization_spec(), validation=Validation(method=ValidationMethod.NONE))
    to_come = {"failure", "start_time", "end_time", "best", "stop_reason", "warnings", "holdout_start_date"}
    to_come |= {"pareto_front", "robust", "plateau", "walk_forward", "trials_ever", "holdout", "evidence"}
    message = optimization_to_proto(make_job("opt_1", plain))
    assert {name for name in unset(message) if "." not in name} == to_come | asked


def test_best_so_far() -> None:
    """A best trial without out-of-sample metrics is sent without them."""
    result = OptimizationResult(best=make_best(out_of_sample=None))
    message = optimization_to_proto(make_optimization(result=result))
    assert message.HasField("best")
    assert not message.best.HasField("out_of_sample")
    assert message.stop_reason == optimization_pb2.STOP_REASON_UNSPECIFIED


def test_trial_without_score() -> None:
    """A trial whose target is not defined has no score; the first trial's number is 0."""
    message = trial_to_proto(make_trial(0, score=None, status=TrialStatus.UNDEFINED))
    assert not message.HasField("score")
    assert (message.number, message.status) == (0, optimization_pb2.TRIAL_STATUS_UNDEFINED)
    assert trial_to_proto(make_trial(score=0.0)).HasField("score")


def test_series_and_trade() -> None:
    """Columns and trades are sent to the bit."""
    series = make_series(50)
    chunk = sent(series_to_proto(series))
    assert list(chunk.bar_time_us) == series.time.tolist()
    for name in ("equity", "drawdown", "position", "benchmark_equity"):
        assert exact(list(getattr(chunk, name))) == exact(getattr(series, name).tolist())
    trade = make_trade(entry_time=-1)
    message = sent(trade_to_proto(trade))
    assert message.entry_time == microseconds_to_timestamp(-1)
    assert message.exit_time == microseconds_to_timestamp(trade.exit_time or 0)
    for name in ("entry_price", "exit_price", "size", "profit", "fees", "short", "carry"):
        assert getattr(message, name) == getattr(trade, name)
    assert getattr(message, "return") == trade.return_
    assert not trade_to_proto(make_trade(short=False)).short


def test_strategy() -> None:
    """Of built-in code it is told what it declares and that it runs; of other code why it does not."""
    known = strategy_to_proto(make_strategy(code=MA_CROSS.code), CATALOG)
    assert [spec.name for spec in known.parameters] == list(MA_CROSS.contract.params)
    assert known.runnable
    assert known.update_time == to_timestamp(at(1))
    uploaded = strategy_to_proto(make_strategy(), CATALOG)
    assert "not run" in uploaded.not_runnable_reason
    assert (uploaded.code, uploaded.code_hash) == (make_strategy().code, make_strategy().code_hash)
    assert uploaded.default_params["slow_period"].integer == 20


@pytest.mark.parametrize(
    ("event", "kind", "expected"),
    [
        (BACKTEST, "snapshot", backtest_to_proto(BACKTEST)),
        (make_progress(), "progress", progress_to_proto(make_progress())),
        (Beat(), "heartbeat", job_pb2.Heartbeat()),
    ],
)
def test_watched_backtest(event: Any, kind: str, expected: Message) -> None:
    """Each thing a watcher is told has its own field and its sequence."""
    message = sent(watched_backtest(Watched(2**40, event)))
    assert (message.sequence, message.WhichOneof("event")) == (2**40, kind)
    assert getattr(message, kind) == expected


@pytest.mark.parametrize(
    ("event", "kind", "expected"),
    [
        (WALKED, "snapshot", optimization_to_proto(WALKED)),
        (make_progress(), "progress", progress_to_proto(make_progress())),
        (make_trial(), "improvement", trial_to_proto(make_trial())),
        (Beat(), "heartbeat", job_pb2.Heartbeat()),
    ],
)
def test_watched_optimization(event: Any, kind: str, expected: Message) -> None:
    """The same of an optimization."""
    message = sent(watched_optimization(Watched(2**40, event)))
    assert (message.sequence, message.WhichOneof("event")) == (2**40, kind)
    assert getattr(message, kind) == expected


def test_wrong_kind_of_job() -> None:
    """To write a job as the other kind is a mistake of ours."""
    with pytest.raises(AssertionError):
        backtest_to_proto(make_optimization())
    with pytest.raises(AssertionError):
        optimization_to_proto(make_job())


def test_zone_of_a_moment() -> None:
    """A moment is sent as UTC, whatever zone tells it."""
    there = datetime.fromisoformat("2024-01-01T02:00:00+02:00")
    assert to_timestamp(there).seconds == 1_704_067_200
    assert backtest_pb2.Backtest(create_time=to_timestamp(there)).create_time.nanos == 0
