"""Requests are read whole; what is left out is told from what is zero, and faults are noted together."""

from dataclasses import fields
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import pytest
from domain_arbitrary import moments, run_terms
from domain_samples import exact, make_terms
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import example, given
from hypothesis import strategies as st
from proto_fields import sent

from stratopt.v1 import (
    backtest_service_pb2,
    dataset_pb2,
    decision_pb2,
    job_pb2,
    market_data_service_pb2,
    metrics_pb2,
    optimization_pb2,
    optimization_service_pb2,
    parameter_pb2,
    run_pb2,
    strategy_pb2,
    strategy_service_pb2,
    system_service_pb2,
)
from stratopt_server.domain.errors import RequestRefused, Violations
from stratopt_server.domain.goals import Objective, Target
from stratopt_server.domain.jobs import JobKind, JobStatus
from stratopt_server.domain.parameters import IntegerRange
from stratopt_server.domain.ports import DatasetFilter, JobFilter, ReportOrder, RequestKey
from stratopt_server.domain.runs import Algorithm, Fill, RunTerms, Sizing, SizingKind
from stratopt_server.domain.validation import StopRule, ValidationMethod
from stratopt_server.market.read import FileFormat
from stratopt_server.usecases.requests import (
    BacktestRequest,
    CostsRequest,
    ImportRequest,
    OptimizationRequest,
    RunRequest,
    SizingRequest,
    StrategyRequest,
    TradingRequest,
    ValidationRequest,
)
from stratopt_server.wire import enums
from stratopt_server.wire.backtests import backtest_from_proto
from stratopt_server.wire.datasets import dataset_filter, header_from_proto
from stratopt_server.wire.jobs import job_filter
from stratopt_server.wire.optimizations import optimization_from_proto
from stratopt_server.wire.parameters import value_to_proto
from stratopt_server.wire.reading import call_of, optional_word
from stratopt_server.wire.strategies import create_from_proto, update_from_proto
from stratopt_server.wire.times import optional_moment, to_timestamp
from stratopt_server.wire.trading import (
    costs_from_proto,
    costs_to_proto,
    trading_from_proto,
    trading_to_proto,
)

WORDS: list[tuple[dict[Any, int], EnumTypeWrapper]] = [
    (enums.JOB_STATUS, job_pb2.JobStatus),
    (enums.FILL, run_pb2.Fill),
    (enums.DIRECTION, run_pb2.Direction),
    (enums.SIZING_KIND, run_pb2.SizingKind),
    (enums.FILL_MODEL, run_pb2.FillModel),
    (enums.RUN_STATUS, metrics_pb2.RunStatus),
    (enums.TARGET, optimization_pb2.OptimizationTarget),
    (enums.ALGORITHM, optimization_pb2.Algorithm),
    (enums.VALIDATION_METHOD, optimization_pb2.ValidationMethod),
    (enums.TABLE_FORMAT, optimization_service_pb2.TrialFileFormat),
    (enums.STOP_REASON, optimization_pb2.StopReason),
    (enums.TRIAL_STATUS, optimization_pb2.TrialStatus),
    (enums.DATA_GRADE, dataset_pb2.DataGrade),
    (enums.FILE_FORMAT, market_data_service_pb2.FileFormat),
    (enums.IMPORT_OUTCOME, market_data_service_pb2.ImportOutcome),
    (enums.REPORT_ORDER, backtest_service_pb2.ReportOrder),
    (enums.DECISION_OUTCOME, decision_pb2.DecisionOutcome),
    (enums.GATE_KIND, decision_pb2.GateKind),
    (enums.GATE_RESULT, decision_pb2.GateResult),
    (enums.EVIDENCE_SOURCE, decision_pb2.EvidenceSource),
    (enums.PART_STATUS, system_service_pb2.PartStatus),
    (enums.HEALTH, system_service_pb2.ServerHealth),
]
UNSAID = (FileFormat.AUTO, ReportOrder.NEWEST)
"""Words that leaving the field out stands for."""
TERMS = make_terms()
START, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 31, 12, tzinfo=UTC)
RUN_FIELDS: dict[str, Any] = {
    "symbol": "BTC/USDT",
    "strategy_id": "ma_cross_v1.0",
    "exchange": "binance",
    "timeframe": "1h",
    "start_date": to_timestamp(START),
    "end_date": to_timestamp(END),
    "costs": run_pb2.Costs(taker_fee=0.002, slippage=0.0, maker_fee=0.0, fixed_fee=1.5, impact=0.25),
    "initial_cash": 500.0,
    "fill": run_pb2.FILL_CLOSE,
    "trading": trading_to_proto(TERMS),
    "priority": -3,
}
RUN = RunRequest(
    symbol="BTC/USDT",
    strategy_id="ma_cross_v1.0",
    exchange="binance",
    timeframe="1h",
    start_date=START,
    end_date=END,
    costs=CostsRequest(taker_fee=0.002, slippage=0.0, maker_fee=0.0, fixed_fee=1.5, impact=0.25),
    initial_cash=500.0,
    fill=Fill.CLOSE,
    trading=TradingRequest(
        direction=TERMS.direction,
        sizing=SizingRequest(kind=SizingKind.FRACTION, amount=0.6),
        stop_loss=0.03,
        take_profit=1.25,
        trailing_stop=0.04,
        min_notional=5.5,
        lot_size=1e-5,
        tick_size=0.01,
        borrow_rate=1e-6,
        funding=TERMS.carry.funding,
        fill_model=TERMS.fill_model,
        participation=0.15,
    ),
    priority=-3,
)
"""The same run, as it is asked for on the wire and as it is read."""
BARE_RUN = RunRequest(symbol="", strategy_id="")
BACKTEST = backtest_service_pb2.StartBacktestRequest(
    request_id="r1",
    params={"n": value_to_proto(3), "x": value_to_proto(0.5)},
    recompute=True,
    **RUN_FIELDS,
)
OPTIMIZATION = optimization_service_pb2.StartOptimizationRequest(
    request_id="r1",
    param_ranges={"n": parameter_pb2.ParameterRange(integer=parameter_pb2.IntegerRange(min=1, max=9))},
    fixed_params={"x": value_to_proto(0.5)},
    optimization_target=optimization_pb2.OPTIMIZATION_TARGET_RETURN,
    max_iterations=40,
    algorithm=optimization_pb2.ALGORITHM_RANDOM,
    seed=2**64 - 1,
    holdout=0.25,
    min_trades=3,
    objectives=[
        optimization_pb2.Objective(target=optimization_pb2.OPTIMIZATION_TARGET_CALMAR, weight=0.5),
        optimization_pb2.Objective(target=optimization_pb2.OPTIMIZATION_TARGET_DRAWDOWN),
    ],
    constraints=["n < 8"],
    validation=optimization_pb2.Validation(
        method=optimization_pb2.VALIDATION_METHOD_WALK_FORWARD,
        windows=3,
        rolling=True,
        purge_bars=0,
        holdout=0.5,
    ),
    stop_rule=optimization_pb2.StopRule(time_budget_seconds=9.5, target_score=-1.0, plateau=True),
    initial_params=[
        optimization_pb2.ParameterSet(params={"n": value_to_proto(3)}),
        optimization_pb2.ParameterSet(params={"n": value_to_proto(4), "x": value_to_proto(0.25)}),
    ],
    **RUN_FIELDS,
)


@pytest.mark.parametrize(("words", "wrapper"), WORDS, ids=[wrapper.DESCRIPTOR.name for _, wrapper in WORDS])
def test_words_cover_the_enum(words: dict[Enum, int], wrapper: EnumTypeWrapper) -> None:
    """Every word of the domain has its own value of the same name, and every value a word; 0 has none."""
    kind = type(next(iter(words)))
    assert set(words) == set(kind)
    zero = wrapper.Name(0)
    assert zero.endswith("_UNSPECIFIED")
    prefix = zero.removesuffix("UNSPECIFIED")
    named = {wrapper.Value(prefix + word.name): word for word in kind if word not in UNSAID}
    assert {number: word for word, number in words.items() if number} == named
    assert set(named) == set(wrapper.values()) - {0}
    for word, number in words.items():
        read = optional_word(number, words, field="f", violations=Violations())
        assert read is (word if number else None)


@given(st.integers(-(2**31), 2**31 - 1), st.sampled_from(WORDS))
def test_unknown_word(number: int, table: tuple[dict[Any, int], EnumTypeWrapper]) -> None:
    """A number that this server does not know is noted with the words that it does."""
    words, _ = table
    violations = Violations()
    read = optional_word(number, words, field="fill", violations=violations)
    assert violations.has("fill") == (number != 0 and number not in words.values())
    assert (read is None) == (violations.has("fill") or number == 0)


def test_backtest() -> None:
    """A request to backtest is read whole."""
    assert backtest_from_proto(sent(BACKTEST)) == BacktestRequest(
        run=RUN, params={"n": 3, "x": 0.5}, recompute=True
    )


def test_optimization() -> None:
    """A request to optimize is read whole."""
    assert optimization_from_proto(sent(OPTIMIZATION)) == OptimizationRequest(
        run=RUN,
        param_ranges={"n": IntegerRange(1, 9, 0)},
        fixed_params={"x": 0.5},
        constraints=("n < 8",),
        target=Target.RETURN,
        objectives=(Objective(Target.CALMAR, 0.5), Objective(Target.DRAWDOWN)),
        max_iterations=40,
        algorithm=Algorithm.RANDOM,
        seed=2**64 - 1,
        holdout=0.25,
        validation=ValidationRequest(
            method=ValidationMethod.WALK_FORWARD, windows=3, rolling=True, purge_bars=0, holdout=0.5
        ),
        stop_rule=StopRule(time_budget_seconds=9.5, target_score=-1.0, plateau=True),
        initial_params=({"n": 3}, {"n": 4, "x": 0.25}),
        min_trades=3,
    )


def test_left_out() -> None:
    """What is left out is None, or has its documented default."""
    backtest = backtest_from_proto(backtest_service_pb2.StartBacktestRequest())
    assert backtest == BacktestRequest(run=BARE_RUN, params={})
    search = optimization_from_proto(optimization_service_pb2.StartOptimizationRequest())
    assert search == OptimizationRequest(run=BARE_RUN, param_ranges={}, fixed_params={})


def test_zero_is_not_left_out() -> None:
    """A zero that is given is read as zero."""
    search = optimization_from_proto(
        sent(
            optimization_service_pb2.StartOptimizationRequest(
                seed=0,
                holdout=0.0,
                min_trades=0,
                max_iterations=0,
                initial_cash=0.0,
                costs=run_pb2.Costs(taker_fee=0.0, maker_fee=0.0),
                trading=run_pb2.Trading(stops=run_pb2.Stops(stop_loss=0.0), participation=0.0),
                start_date=Timestamp(),
            )
        )
    )
    assert (search.seed, search.holdout, search.min_trades, search.max_iterations) == (0, 0.0, 0, 0)
    costs, trading = search.run.costs, search.run.trading
    assert (search.run.initial_cash, costs.taker_fee, costs.slippage, costs.maker_fee) == (
        0.0,
        0.0,
        None,
        0.0,
    )
    assert (trading.stop_loss, trading.take_profit, trading.participation) == (0.0, None, 0.0)
    assert search.run.start_date == datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("read", "request_", "expected"),
    [
        (
            backtest_from_proto,
            backtest_service_pb2.StartBacktestRequest(
                fill=99,
                start_date=Timestamp(seconds=10**12),
                params={"n": parameter_pb2.ParameterValue()},
                trading=run_pb2.Trading(
                    direction=99,
                    sizing=run_pb2.Sizing(kind=98),
                    fill_model=97,
                    carry=run_pb2.Carry(
                        funding=[
                            run_pb2.FundingRate(time=Timestamp()),
                            run_pb2.FundingRate(time=Timestamp(seconds=10**12)),
                            run_pb2.FundingRate(),
                        ]
                    ),
                ),
            ),
            {
                "fill",
                "start_date",
                "params.n",
                "trading.direction",
                "trading.sizing.kind",
                "trading.fill_model",
                "trading.carry.funding[1].time",
            },
        ),
        (
            optimization_from_proto,
            optimization_service_pb2.StartOptimizationRequest(
                fill=99,
                algorithm=98,
                optimization_target=97,
                end_date=Timestamp(seconds=-(10**12)),
                param_ranges={"n": parameter_pb2.ParameterRange()},
                fixed_params={"x": parameter_pb2.ParameterValue()},
            ),
            {"fill", "algorithm", "optimization_target", "end_date", "param_ranges.n", "fixed_params.x"},
        ),
    ],
)
def test_all_faults_at_once(read: Any, request_: Any, expected: set[str]) -> None:
    """Everything that is wrong with a request is told at once, each under its own field."""
    assert {found.field for found in read(request_).faults} == expected


@given(run_terms)
def test_terms_come_back(terms: RunTerms) -> None:
    """What a resource shows of its terms, sent as a request, asks for those terms to the bit."""
    request = sent(
        backtest_service_pb2.StartBacktestRequest(
            costs=costs_to_proto(terms.costs), trading=trading_to_proto(terms)
        )
    )
    violations = Violations()
    costs, asked = costs_from_proto(request), trading_from_proto(request, violations)
    violations.refuse_if_any()
    assert costs.maker_fee == terms.costs.resting_fee
    for name in ("taker_fee", "slippage", "fixed_fee", "impact"):
        assert exact(getattr(costs, name)) == exact(getattr(terms.costs, name))
    for part in (terms.stops, terms.rules, terms.carry):
        for field in fields(part):
            # A number without presence loses the sign of its zero, and nothing else.
            assert getattr(asked, field.name) == getattr(part, field.name)
    assert (asked.direction, asked.fill_model) == (terms.direction, terms.fill_model)
    assert exact(asked.participation) == exact(terms.participation)
    assert asked.sizing.kind is terms.sizing.kind
    assert asked.sizing.amount == (None if terms.sizing == Sizing() else terms.sizing.amount)


def test_funding_without_a_time() -> None:
    """A rate has its time; one without is noted, and what comes behind it is not read."""
    request = backtest_service_pb2.StartBacktestRequest()
    request.trading.carry.funding.add(rate=0.1)
    violations = Violations()
    assert trading_from_proto(request, violations).funding == ()
    assert [(found.field, found.reason) for found in violations.found] == [
        ("trading.carry.funding[0].time", "REQUIRED")
    ]


def test_header() -> None:
    """The header of an import is read whole; what is left out is to be found out."""
    header = market_data_service_pb2.ImportHeader(
        symbol="BTC/USDT",
        exchange="binance",
        timeframe="1h",
        format=market_data_service_pb2.FILE_FORMAT_CSV,
        bars_per_year=252.0,
    )
    assert header_from_proto(header) == ImportRequest(
        symbol="BTC/USDT",
        exchange="binance",
        timeframe="1h",
        file_format=FileFormat.CSV,
        bars_per_year=252.0,
    )
    bare = market_data_service_pb2.ImportHeader(symbol="BTC/USDT")
    assert header_from_proto(bare) == ImportRequest(symbol="BTC/USDT")


def test_filters() -> None:
    """An empty part of a filter means any."""
    listed = backtest_service_pb2.ListBacktestsRequest(
        strategy_id="s", symbol="BTC/USDT", status=job_pb2.JOB_STATUS_FAILED
    )
    assert job_filter(listed, JobKind.BACKTEST, Violations()) == JobFilter(
        kind=JobKind.BACKTEST, strategy_id="s", symbol="BTC/USDT", status=JobStatus.FAILED
    )
    bare = optimization_service_pb2.ListOptimizationsRequest()
    assert job_filter(bare, JobKind.OPTIMIZATION, Violations()) == JobFilter(kind=JobKind.OPTIMIZATION)
    datasets = market_data_service_pb2.ListDatasetsRequest(symbol="A/B", exchange="e", timeframe="1h")
    assert dataset_filter(datasets) == DatasetFilter(symbol="A/B", exchange="e", timeframe="1h")
    assert dataset_filter(market_data_service_pb2.ListDatasetsRequest()) == DatasetFilter()


STRATEGY = strategy_pb2.Strategy(
    id="s", name="N", version="1", code="c", default_params={"n": value_to_proto(1)}, runnable=True
)


def test_create_strategy() -> None:
    """A strategy to store is read whole; what only the server tells is ignored."""
    request = strategy_service_pb2.CreateStrategyRequest(strategy=STRATEGY)
    assert create_from_proto(request) == StrategyRequest(
        id="s", name="N", version="1", code="c", default_params={"n": 1}
    )


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ([], {"name": "N", "version": "1", "code": "c", "default_params": {"n": 1}}),
        (["name"], {"name": "N"}),
        (["version", "default_params"], {"version": "1", "default_params": {"n": 1}}),
    ],
)
def test_update_strategy(paths: list[str], expected: dict[str, Any]) -> None:
    """An update changes the fields of its mask; without one, those that are given."""
    request = strategy_service_pb2.UpdateStrategyRequest(strategy=STRATEGY, update_mask={"paths": paths})
    assert update_from_proto(request) == StrategyRequest(id="s", **expected)


def test_update_to_empty() -> None:
    """A field of the mask that is not given is emptied; without a mask it is left."""
    bare = strategy_pb2.Strategy(id="s", name="N")
    masked = strategy_service_pb2.UpdateStrategyRequest(
        strategy=bare, update_mask={"paths": ["default_params"]}
    )
    assert update_from_proto(masked) == StrategyRequest(id="s", default_params={})
    plain = strategy_service_pb2.UpdateStrategyRequest(strategy=bare)
    assert update_from_proto(plain) == StrategyRequest(id="s", name="N")


@pytest.mark.parametrize("path", ["id", "runnable", "code_hash", "nothing", "default_params.n", ""])
def test_update_unknown_path(path: str) -> None:
    """A mask may name what a caller may change and nothing else."""
    request = strategy_service_pb2.UpdateStrategyRequest(strategy=STRATEGY, update_mask={"paths": [path]})
    with pytest.raises(RequestRefused) as caught:
        update_from_proto(request)
    assert (caught.value.reason, caught.value.facts["path"]) == ("UNKNOWN_PATH", path)


@given(moments)
def test_moment_comes_back(moment: datetime) -> None:
    """A moment of the years 1 to 9999 comes back to the microsecond, as a valid Timestamp."""
    stamp = to_timestamp(moment)
    assert 0 <= stamp.nanos < 10**9
    request = sent(backtest_service_pb2.StartBacktestRequest(start_date=stamp))
    violations = Violations()
    assert optional_moment(request, "start_date", violations) == moment
    violations.refuse_if_any()


FIRST_SECOND, LAST_SECOND = -62_135_596_800, 253_402_300_799


@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 10**9 - 1))
@example(FIRST_SECOND, 0)
@example(FIRST_SECOND - 1, 999_999_999)
@example(LAST_SECOND, 999_999_999)
@example(LAST_SECOND + 1, 0)
@example(0, 999)
def test_any_timestamp(seconds: int, nanos: int) -> None:
    """A Timestamp outside the years 1 to 9999 is noted; inside, less than a microsecond is cut off."""
    request = backtest_service_pb2.StartBacktestRequest(end_date=Timestamp(seconds=seconds, nanos=nanos))
    violations = Violations()
    moment = optional_moment(request, "end_date", violations)
    assert violations.has("end_date") == (not FIRST_SECOND <= seconds <= LAST_SECOND)
    if moment is not None:
        assert to_timestamp(moment) == Timestamp(seconds=seconds, nanos=nanos // 1000 * 1000)


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**31), 2**31 - 1))
@example(FIRST_SECOND, -1)
@example(LAST_SECOND, 2**31 - 1)
def test_invalid_timestamp(seconds: int, nanos: int) -> None:
    """A Timestamp with nanos that no Timestamp may have is read or noted, and raises nothing."""
    request = backtest_service_pb2.StartBacktestRequest(end_date=Timestamp(seconds=seconds, nanos=nanos))
    violations = Violations()
    assert (optional_moment(request, "end_date", violations) is None) == violations.has("end_date")


def test_no_timestamp() -> None:
    """A Timestamp that is left out is None and no fault."""
    violations = Violations()
    assert optional_moment(backtest_service_pb2.StartBacktestRequest(), "end_date", violations) is None
    violations.refuse_if_any()


CALLS = [
    BACKTEST,
    OPTIMIZATION,
    backtest_service_pb2.CancelBacktestRequest(request_id="r1", backtest_id="bt_1"),
    optimization_service_pb2.CancelOptimizationRequest(request_id="r1", optimization_id="opt_1"),
    strategy_service_pb2.CreateStrategyRequest(request_id="r1", strategy=STRATEGY),
    strategy_service_pb2.UpdateStrategyRequest(
        request_id="r1", strategy=STRATEGY, update_mask={"paths": ["name"]}
    ),
    strategy_service_pb2.DeleteStrategyRequest(request_id="r1", strategy_id="s"),
]


@pytest.mark.parametrize("request_", CALLS, ids=lambda call: call.DESCRIPTOR.name)
def test_digest(request_: Any) -> None:
    """A call's digest is of everything but its request_id; reading it changes nothing."""
    before = request_.SerializeToString(deterministic=True)
    call = call_of(request_, "Method")
    assert request_.SerializeToString(deterministic=True) == before
    assert call.key == RequestKey("Method", "r1")
    for field in request_.DESCRIPTOR.fields:
        other = type(request_)()
        other.CopyFrom(request_)
        other.ClearField(field.name)
        same = call_of(other, "Method").digest == call.digest
        assert same == (field.name == "request_id"), field.name


def test_digest_of_a_map() -> None:
    """The order in which a map was filled does not change the digest; a value's kind does."""
    pairs = {f"p{number}": value_to_proto(number) for number in range(20)}
    turned = dict(reversed(pairs.items()))
    one, other = (backtest_service_pb2.StartBacktestRequest(params=order) for order in (pairs, turned))
    assert call_of(one, "m") == call_of(other, "m")
    real = backtest_service_pb2.StartBacktestRequest(params={**pairs, "p1": value_to_proto(1.0)})
    assert call_of(one, "m") != call_of(real, "m")


def test_call_without_request_id() -> None:
    """A call without a request_id has no key: it is always a new one."""
    assert call_of(backtest_service_pb2.StartBacktestRequest(symbol="A/B"), "m").key is None
