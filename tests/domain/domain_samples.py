"""Domain values for tests: each sample is complete, and takes the fields that a test is about."""

from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from stratopt_server.domain.evidence import (
    BracketRun,
    Holding,
    MonteCarlo,
    OutOfSample,
    Overfitting,
    Regime,
    SearchEvidence,
    Significance,
    Superiority,
)
from stratopt_server.domain.goals import Goal, Objective, Target
from stratopt_server.domain.jobs import BacktestResult, Failure, Job, JobStatus, OptimizationResult, Progress
from stratopt_server.domain.market import DataGrade, Dataset, QualityReport, to_microseconds
from stratopt_server.domain.metrics import Metrics, ReturnMoments, RunStatus
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
from stratopt_server.domain.parameters import ChoiceList, IntegerRange, RealRange
from stratopt_server.domain.report import Report, ReportSeries, Trade
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
from stratopt_server.domain.strategy import Strategy, hash_code
from stratopt_server.domain.validation import Span, Split, StopRule, Validation, ValidationMethod

NOW = datetime(2024, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
STRATEGY_ID = "ma_cross_v1.0"
CODE = "PARAMS = {}\n"
HASH = "ab" * 32


def at(seconds: float) -> datetime:
    """The moment that many seconds after NOW."""
    return NOW + timedelta(seconds=seconds)


def make_strategy(strategy_id: str = STRATEGY_ID, **changes: Any) -> Strategy:
    """A strategy."""
    made = Strategy(
        id=strategy_id,
        name="Moving Average Cross Strategy",
        version="1.0",
        code=CODE,
        default_params={"fast_period": 5, "slow_period": 20, "signal_threshold": 0.02},
        created_at=NOW,
        updated_at=at(1),
    )
    return replace(made, **changes)


def make_quality(**changes: Any) -> QualityReport:
    """A quality report in which no two counts are equal."""
    counts = {
        field.name: place for place, field in enumerate(fields(QualityReport), start=11) if field.type is int
    }
    made = QualityReport(grade=DataGrade.USABLE, reasons=("2 bars are absent", "3 rows fell"), **counts)
    return replace(made, **changes)


def make_dataset(dataset_id: str = "ds_1", **changes: Any) -> Dataset:
    """A dataset."""
    made = Dataset(
        id=dataset_id,
        exchange="binance",
        symbol="BTC/USDT",
        timeframe="1h",
        bar_count=2_000,
        first_bar_time=datetime(2023, 1, 1, tzinfo=UTC),
        last_bar_time=datetime(2023, 3, 25, 7, tzinfo=UTC),
        content_hash=HASH,
        bars_per_year=8_760.0,
        quality=make_quality(),
        created_at=NOW,
        updated_at=at(1),
    )
    return replace(made, **changes)


def make_metrics(**changes: Any) -> Metrics:
    """Metrics in which every figure is defined and no two are equal."""
    figures = {
        field.name: place if field.type in (int, int | None) else place / 7
        for place, field in enumerate(fields(Metrics), start=1)
    }
    return replace(Metrics(**{**figures, "run_status": RunStatus.LIQUIDATED}), **changes)


def make_terms(**changes: Any) -> RunTerms:
    """Terms in which none is what a default would be."""
    made = RunTerms(
        costs=Costs(taker_fee=0.0011, slippage=0.0007, maker_fee=0.0002, fixed_fee=0.5, impact=1.5),
        initial_cash=12_345.678,
        fill=Fill.CLOSE,
        bars_per_year=8_760.0,
        direction=Direction.SHORT,
        sizing=Sizing(kind=SizingKind.FRACTION, amount=0.6),
        stops=Stops(stop_loss=0.03, take_profit=1.25, trailing_stop=0.04),
        rules=MarketRules(min_notional=5.5, lot_size=1e-5, tick_size=0.01),
        carry=Carry(
            borrow_rate=1e-6,
            funding=(FundingRate(time=at(-7_200), rate=0.0003), FundingRate(time=at(0), rate=-0.0001)),
        ),
        fill_model=FillModel.TOUCH_PATH,
        participation=0.15,
    )
    return replace(made, **changes)


def make_bracket() -> tuple[BracketRun, ...]:
    """The run of a grid under three fill models, each worse than the one before."""
    models = (FillModel.TOUCH, FillModel.THROUGH, FillModel.VOLUME)
    return tuple(
        BracketRun(fill_model=model, metrics=make_metrics(total_return=1 / place))
        for place, model in enumerate(models, start=3)
    )


def make_backtest_result(**changes: Any) -> BacktestResult:
    """What the backtest of a grid found."""
    found = BacktestResult(
        metrics=make_metrics(), fill_bracket=make_bracket(), engine="0f3a", cached_from="bt_0"
    )
    return replace(found, **changes)


def make_scenario(**changes: Any) -> Scenario:
    """A scenario in which no term is what a default would be."""
    made = Scenario(
        strategy_id=STRATEGY_ID,
        code_hash=hash_code(CODE),
        exchange="binance",
        symbol="BTC/USDT",
        timeframe="1h",
        dataset_hash=HASH,
        start_date=datetime(2023, 1, 1, tzinfo=UTC),
        end_date=datetime(2023, 3, 25, 7, tzinfo=UTC),
        terms=make_terms(),
        bar_count=2_000,
    )
    return replace(made, **changes)


def make_backtest_spec(**changes: Any) -> BacktestSpec:
    """A backtest's spec with a parameter of every kind."""
    params = {"fast_period": 20, "mode": "20", "signal_threshold": 20.0, "trailing": True}
    return replace(BacktestSpec(scenario=make_scenario(), params=params), **changes)


def make_goal() -> Goal:
    """Two figures with weights, which they cannot do without, and of which one is made smallest."""
    return Goal((Objective(Target.SORTINO, 0.75), Objective(Target.DRAWDOWN, 0.1)))


def make_split(number: int = 0) -> Split:
    """Two days that a search sees, and the day after them."""
    day = datetime(2023, 1, 1, tzinfo=UTC) + number * timedelta(days=1)
    train = Span(day, day + timedelta(hours=47))
    return Split(train, Span(day + timedelta(hours=48), day + timedelta(hours=71)))


def make_holdout() -> Validation:
    """A holdout."""
    return Validation(method=ValidationMethod.HOLDOUT, splits=(make_split(),), holdout=1 / 3)


def make_walk_forward() -> Validation:
    """A walk-forward of two windows, with nothing as a default would be."""
    splits = (make_split(0), make_split(1))
    return Validation(method=ValidationMethod.WALK_FORWARD, splits=splits, rolling=True, purge_bars=3)


def make_optimization_spec(**changes: Any) -> OptimizationSpec:
    """An optimization's spec with a range of every kind and the largest seed there is."""
    made = OptimizationSpec(
        scenario=make_scenario(),
        fixed_params={"mode": "slow"},
        param_ranges={
            "fast_period": IntegerRange(2, 50, 3),
            "signal_threshold": RealRange(0.0, 1.0, 0.1),
            "stop": RealRange(1e-6, 1.0, None, log=True),
            "trailing": ChoiceList((True, False)),
        },
        constraints=("fast_period < slow_period",),
        goal=make_goal(),
        max_iterations=500,
        planned_iterations=400,
        algorithm=Algorithm.RANDOM,
        seed=2**64 - 1,
        validation=make_walk_forward(),
        stop_rule=StopRule(time_budget_seconds=3_600.5, target_score=2.5, plateau=True),
        initial_params=(
            {"fast_period": 5, "mode": "slow", "signal_threshold": 0.5, "stop": 1.0, "trailing": False},
        ),
        min_trades=7,
        batch_size=25,
        points=450,
        feasible_share=0.25,
    )
    return replace(made, **changes)


def make_job(
    job_id: str = "bt_1", spec: BacktestSpec | OptimizationSpec | None = None, **changes: Any
) -> Job:
    """A pending job: a backtest unless its spec says otherwise."""
    made = Job(
        id=job_id,
        spec=make_backtest_spec() if spec is None else spec,
        status=JobStatus.PENDING,
        progress=Progress(done=0, total=4, stage="waiting"),
        result=None,
        failure=None,
        attempt=0,
        last_sequence=0,
        created_at=NOW,
        started_at=None,
        completed_at=None,
    )
    return replace(made, **changes)


def make_optimization(job_id: str = "opt_1", **changes: Any) -> Job:
    """A pending optimization."""
    return make_job(job_id, make_optimization_spec(), **changes)


def make_progress(**changes: Any) -> Progress:
    """Progress with every field set."""
    made = Progress(done=3, total=10, rate=2.5, eta_seconds=2.8, stage="searching", best_score=-1.25, batch=2)
    return replace(made, **changes)


def make_failure(**changes: Any) -> Failure:
    """A failure with facts."""
    return replace(
        Failure(reason="OUT_OF_MEMORY", message="1 GB is not enough", metadata={"mb": "1"}), **changes
    )


def make_trial(number: int = 7, **changes: Any) -> Trial:
    """A trial that can be the best."""
    params = {"fast_period": number + 2, "mode": "slow", "signal_threshold": 0.1}
    made = Trial(
        number=number, params=params, status=TrialStatus.OK, score=1 / (number + 1), metrics=make_metrics()
    )
    return replace(made, **changes)


def make_best(**changes: Any) -> BestTrial:
    """A best trial with its out-of-sample metrics."""
    return replace(BestTrial(trial=make_trial(), out_of_sample=make_metrics(cagr=0.5)), **changes)


def make_batch(number: int = 0, **changes: Any) -> Batch:
    """A batch of two, whose trials `make_trial` makes; not evaluated."""
    first = number * 2
    made = Batch(
        number=number,
        window=None,
        first_trial=first,
        count=2,
        candidates=(make_trial(first).params, make_trial(first + 1).params),
    )
    return replace(made, **changes)


def make_optimization_result(**changes: Any) -> OptimizationResult:
    """What a search found, with every field set."""
    robust = RobustTrial(
        trial=make_trial(8),
        out_of_sample=make_metrics(cagr=0.25),
        neighbours=Neighbourhood(count=6, median=-0.5),
    )
    windows = (
        WindowResult(
            number=0,
            best=make_best(trial=make_trial(500, window=0)),
            stop_reason=StopReason.TARGET_REACHED,
        ),
        WindowResult(number=1, best=None, stop_reason=StopReason.TIME_BUDGET),
    )
    made = OptimizationResult(
        best=make_best(),
        stop_reason=StopReason.PLATEAU,
        warnings=("thin", "few"),
        pareto_front=(make_best(), make_best(out_of_sample=None)),
        robust=robust,
        plateau=Plateau(neighbours=6, median_ratio=0.9, share_70=5 / 6),
        walk_forward=WalkForwardResult(
            windows=windows,
            out_of_sample=make_metrics(),
            robust_out_of_sample=make_metrics(cagr=0.125),
            efficiency=0.6,
        ),
        trials_ever=1_234,
        evidence=make_search_evidence(),
    )
    return replace(made, **changes)


def make_significance() -> Significance:
    """A Sharpe ratio that is more than luck."""
    return Significance(
        days=1_000,
        days_per_year=365.0,
        daily=ReturnMoments(1_000, 0.1, 0.0, 3.0),
        sharpe=1.91,
        psr=0.999,
        dsr=0.96,
        expected_maximum=0.8,
        trials=100,
        undefined_trials=3,
        sharpe_variance=3e-4,
        effective_trials=40.0,
        track_record_days=900.0,
        backtest_years=2.7,
        minimum_backtest_years=1.7,
    )


def make_overfitting() -> Overfitting:
    """A search that finds what lasts."""
    return Overfitting(
        pbo=0.1, loss_probability=0.01, slope=0.2, median_logit=2.0, trials=100, blocks=16, splits=12_870
    )


def make_out_of_sample() -> OutOfSample:
    """Five windows that kept most of what was found."""
    return OutOfSample(
        days=400,
        daily=ReturnMoments(400, 0.0867, 0.0, 3.0),
        sharpe=1.66,
        psr=0.96,
        sharpe_low=0.1,
        sharpe_high=3.0,
        block_length=2.0,
        sharpe_lo=1.6,
        ljung_box_p=0.4,
        sharpe_ratio_kept=0.8,
        efficiency=0.7,
        windows=5,
        profitable_windows=0.8,
        largest_window=0.4,
    )


def make_search_evidence() -> SearchEvidence:
    """Evidence in which everything is set."""
    return SearchEvidence(
        significance=make_significance(),
        overfitting=make_overfitting(),
        superiority=Superiority(p_value=0.01, superior=3, tested=100),
        out_of_sample=make_out_of_sample(),
        regimes=(Regime(name="low volatility", sharpe=1.0), Regime(name="2023", sharpe=0.5)),
        monte_carlo=MonteCarlo(
            paths=2_000,
            drawdown_q50=0.1,
            drawdown_q95=0.2,
            drawdown_q99=0.3,
            limit=0.25,
            over_limit=0.02,
        ),
        holding=Holding(sharpe=0.5, calmar=0.3, total_return=0.2),
    )


def make_trade(number: int = 1, **changes: Any) -> Trade:
    """A round trip."""
    hour = 3_600_000_000
    made = Trade(
        entry_time=to_microseconds(NOW) + number * hour,
        entry_price=100.5 + number,
        exit_time=to_microseconds(NOW) + (number + 1) * hour,
        exit_price=101.25 + number,
        size=1 / 3,
        profit=0.1 * number,
        return_=0.003 * number,
        fees=0.02,
        short=True,
        carry=0.007,
    )
    return replace(made, **changes)


def make_series(bars: int = 3) -> ReportSeries:
    """Columns of chance, as long as that."""
    columns = np.random.default_rng(bars).normal(size=(4, bars))
    return ReportSeries(to_microseconds(NOW) + np.arange(bars, dtype=np.int64) * 60_000_000, *columns)


def make_report(bars: int = 3, trades: int = 2) -> Report:
    """A report of so many bars and trades, the last of them still open."""
    made = [make_trade(number) for number in range(1, trades + 1)]
    if made:
        made[-1] = replace(made[-1], exit_time=None)
    return Report(metrics=make_metrics(), series=make_series(bars), trades=tuple(made))


def exact(value: Any) -> Any:
    """A form of the value that is equal only for equal kinds, bits and order: 20 is not 20.0."""
    form: Any = value
    match value:
        case datetime():
            form = to_microseconds(value)
        case float():
            form = value.hex()
        case np.ndarray():
            form = (value.dtype.str, value.tobytes())
        case dict():
            form = [(name, exact(entry)) for name, entry in value.items()]
        case list() | tuple():
            form = [exact(entry) for entry in value]
        case _ if is_dataclass(value):
            form = [(field.name, exact(getattr(value, field.name))) for field in fields(value)]
    return (type(value), form)
