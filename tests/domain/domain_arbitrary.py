"""Arbitrary domain values, for properties."""

from dataclasses import fields
from datetime import UTC, datetime

from domain_samples import STRATEGY_ID
from hypothesis import strategies as st

from stratopt_server.domain.evidence import BracketRun
from stratopt_server.domain.goals import Goal, Objective, Target
from stratopt_server.domain.jobs import BacktestResult, Failure, OptimizationResult, Progress
from stratopt_server.domain.metrics import Metrics, RunStatus
from stratopt_server.domain.optimization import (
    Batch,
    BestTrial,
    Neighbourhood,
    Plateau,
    RobustTrial,
    StopReason,
    Trial,
    TrialStatus,
    WalkForwardResult,
    WindowResult,
)
from stratopt_server.domain.parameters import (
    Choice,
    ChoiceList,
    Flag,
    Integer,
    IntegerRange,
    Real,
    RealRange,
)
from stratopt_server.domain.runs import (
    Algorithm,
    BacktestSpec,
    Carry,
    Costs,
    Direction,
    Fill,
    FillModel,
    FundingRate,
    MarketRules,
    OptimizationSpec,
    RunTerms,
    Scenario,
    Sizing,
    SizingKind,
    Stops,
)
from stratopt_server.domain.validation import Span, Split, StopRule, Validation, ValidationMethod

reals = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 2**63 - 1)
int64s = st.integers(-(2**63), 2**63 - 1)
words = st.text(max_size=12)
moments = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - as asked

values = st.one_of(int64s, reals, words, st.booleans())
params = st.dictionaries(words, values, max_size=4)

ranges = st.one_of(
    st.builds(IntegerRange, int64s, int64s, counts),
    st.builds(RealRange, reals, reals, st.none() | reals, st.booleans()),
    st.builds(ChoiceList, st.lists(values, max_size=4).map(tuple)),
)
param_ranges = st.dictionaries(words, ranges, max_size=4)

specs = st.dictionaries(
    words,
    st.one_of(
        st.builds(Integer, default=int64s, minimum=int64s, maximum=int64s, description=words),
        st.builds(Real, default=reals, minimum=reals, maximum=reals, description=words),
        st.builds(Choice, default=words, values=st.lists(words).map(tuple), description=words),
        st.builds(Flag, default=st.booleans(), description=words),
    ),
    max_size=4,
)

_kinds = {int: counts, int | None: st.none() | counts, RunStatus: st.sampled_from(RunStatus)}
metrics = st.builds(
    Metrics, **{field.name: _kinds.get(field.type, st.none() | reals) for field in fields(Metrics)}
)
backtest_results = st.builds(
    BacktestResult,
    metrics=metrics,
    fill_bracket=st.lists(
        st.builds(BracketRun, fill_model=st.sampled_from(FillModel), metrics=metrics), max_size=3
    ).map(tuple),
)
progress = st.builds(
    Progress,
    done=counts,
    total=counts,
    rate=st.none() | reals,
    eta_seconds=st.none() | reals,
    stage=words,
    best_score=st.none() | reals,
    batch=counts,
)
failures = st.builds(Failure, reason=words, message=words, metadata=st.dictionaries(words, words, max_size=3))
trials = st.builds(
    Trial,
    number=counts,
    params=params,
    status=st.sampled_from(TrialStatus),
    score=st.none() | reals,
    metrics=metrics,
    window=st.none() | st.integers(0, 2**31 - 1),
)
batches = st.builds(
    Batch,
    number=counts,
    window=st.none() | st.integers(0, 2**31 - 1),
    first_trial=counts,
    count=counts,
    candidates=st.none() | st.lists(params, max_size=3).map(tuple),
)
maybe = st.none() | reals
best_trials = st.builds(BestTrial, trial=trials, out_of_sample=st.none() | metrics)
robust_trials = st.builds(
    RobustTrial,
    trial=trials,
    out_of_sample=st.none() | metrics,
    neighbours=st.builds(Neighbourhood, count=counts, median=reals),
)
window_results = st.builds(
    WindowResult, number=counts, best=st.none() | best_trials, stop_reason=st.sampled_from(StopReason)
)
walk_forward_results = st.builds(
    WalkForwardResult,
    windows=st.lists(window_results, max_size=2).map(tuple),
    out_of_sample=st.none() | metrics,
    robust_out_of_sample=st.none() | metrics,
    efficiency=maybe,
)
optimization_results = st.builds(
    OptimizationResult,
    best=st.none() | best_trials,
    stop_reason=st.none() | st.sampled_from(StopReason),
    warnings=st.lists(words, max_size=2).map(tuple),
    pareto_front=st.lists(best_trials, max_size=2).map(tuple),
    robust=st.none() | robust_trials,
    plateau=st.none() | st.builds(Plateau, neighbours=counts, median_ratio=maybe, share_70=maybe),
    walk_forward=st.none() | walk_forward_results,
    trials_ever=st.none() | counts,
)
sizings = st.just(Sizing()) | st.builds(
    Sizing, kind=st.sampled_from((SizingKind.FRACTION, SizingKind.FIXED)), amount=reals
)
funding = st.lists(st.builds(FundingRate, time=moments, rate=reals), max_size=3).map(tuple)
run_terms = st.builds(
    RunTerms,
    costs=st.builds(Costs, taker_fee=reals, slippage=reals, maker_fee=maybe, fixed_fee=reals, impact=reals),
    initial_cash=reals,
    fill=st.sampled_from(Fill),
    bars_per_year=reals,
    direction=st.sampled_from(Direction),
    sizing=sizings,
    stops=st.builds(Stops, stop_loss=maybe, take_profit=maybe, trailing_stop=maybe),
    rules=st.builds(MarketRules, min_notional=reals, lot_size=reals, tick_size=reals),
    carry=st.builds(Carry, borrow_rate=reals, funding=funding),
    fill_model=st.sampled_from(FillModel),
    participation=reals,
)
scenarios = st.builds(
    Scenario,
    strategy_id=st.just(STRATEGY_ID),
    code_hash=words,
    exchange=words,
    symbol=words,
    timeframe=words,
    dataset_hash=words,
    start_date=moments,
    end_date=moments,
    terms=run_terms,
)
backtest_specs = st.builds(BacktestSpec, scenario=scenarios, params=params)
goals = st.builds(
    Goal,
    st.lists(st.builds(Objective, st.sampled_from(Target), maybe), min_size=1, max_size=3).map(tuple),
)
spans = st.builds(Span, moments, moments)
validations = st.builds(
    Validation,
    method=st.sampled_from(ValidationMethod),
    splits=st.lists(st.builds(Split, spans, spans), max_size=3).map(tuple),
    rolling=st.booleans(),
    purge_bars=counts,
    holdout=reals,
)
stop_rules = st.builds(StopRule, time_budget_seconds=maybe, target_score=maybe, plateau=st.booleans())
optimization_specs = st.builds(
    OptimizationSpec,
    scenario=scenarios,
    fixed_params=params,
    param_ranges=param_ranges,
    constraints=st.lists(words, max_size=2).map(tuple),
    goal=goals,
    max_iterations=counts,
    planned_iterations=counts,
    algorithm=st.sampled_from(Algorithm),
    seed=st.integers(0, 2**64 - 1),
    validation=validations,
    stop_rule=stop_rules,
    initial_params=st.lists(params, max_size=2).map(tuple),
    min_trades=counts,
    batch_size=counts,
    points=st.none() | counts,
    feasible_share=maybe,
)
