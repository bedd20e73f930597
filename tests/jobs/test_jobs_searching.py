"""Whole searches, without a server: interrupted wherever that may be, on one thread or two."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numba
import numpy as np
import pytest
from domain_samples import make_strategy
from engine_samples import random_bars, terms_of
from hypothesis import given, settings
from hypothesis import strategies as st

from stratopt_server.domain.goals import Goal, Objective, Target
from stratopt_server.domain.jobs import Job, JobKind, JobStatus, OptimizationResult, Progress
from stratopt_server.domain.ledger import LedgerKey
from stratopt_server.domain.market import Bars, from_microseconds
from stratopt_server.domain.optimization import StopReason, Trial
from stratopt_server.domain.parameters import IntegerRange
from stratopt_server.domain.ports import TrialFilter
from stratopt_server.domain.runs import Algorithm, OptimizationSpec, Scenario
from stratopt_server.domain.validation import Span, Split, StopRule, Validation, ValidationMethod
from stratopt_server.jobs.context import JobContext
from stratopt_server.jobs.optimization import run_optimization
from stratopt_server.storage.codec import to_json
from stratopt_server.storage.memory import MemoryStorage
from stratopt_server.strategies.catalog import BUILTINS
from stratopt_server.validation.splits import Cut, holdout, walk_forward

NOW = datetime(2024, 1, 1, tzinfo=UTC)
BARS = random_bars(600, seed=8, step=0.02)
MA_CROSS = next(builtin for builtin in BUILTINS if builtin.contract.kernel == "ma_cross")
CODE_HASH = make_strategy(code=MA_CROSS.code).code_hash


class Interrupted(Exception):
    """The process is gone."""


class Columns:
    """The bars of any dataset."""

    def open(self, content_hash: str) -> Bars:
        """They are always the same."""
        assert content_hash
        return BARS


def dated(cut: Cut) -> Split:
    """A split in dates."""

    def opens(number: int) -> datetime:
        return from_microseconds(int(BARS.time[number]))

    return Split(
        Span(opens(cut.train_first), opens(cut.train_stop - 1)),
        Span(opens(cut.test_first), opens(cut.test_stop - 1)),
    )


WALK = Validation(
    method=ValidationMethod.WALK_FORWARD,
    splits=tuple(dated(cut) for cut in walk_forward(len(BARS.time), 3, purge=5, rolling=False)),
    purge_bars=5,
)
HELD_OUT = Validation(
    method=ValidationMethod.HOLDOUT, splits=(dated(holdout(len(BARS.time), 0.3)),), holdout=0.3
)


def spec_of(**changes: Any) -> OptimizationSpec:
    """A small search."""
    scenario = Scenario(
        strategy_id="ma_cross_v1.0",
        code_hash=CODE_HASH,
        exchange="test",
        symbol="A/B",
        timeframe="1h",
        dataset_hash="ab" * 32,
        start_date=from_microseconds(int(BARS.time[0])),
        end_date=from_microseconds(int(BARS.time[-1])),
        terms=terms_of(),
        bar_count=len(BARS.time),
    )
    made = OptimizationSpec(
        scenario=scenario,
        fixed_params={"signal_threshold": 0.0},
        param_ranges={"fast_period": IntegerRange(2, 20), "slow_period": IntegerRange(21, 60)},
        constraints=MA_CROSS.contract.constraints,
        goal=Goal.of(Target.SHARPE),
        max_iterations=40,
        planned_iterations=40,
        algorithm=Algorithm.GENETIC,
        seed=5,
        validation=WALK,
        min_trades=2,
        batch_size=10,
    )
    return replace(made, **changes)


class Search:
    """One optimization in a storage of its own, and the processes that work on it."""

    def __init__(self, spec: OptimizationSpec) -> None:
        self.storage = MemoryStorage()
        self.storage.strategies.add(make_strategy())
        self.spec = spec
        self.storage.jobs.add(self._job())

    def _job(self) -> Job:
        return Job(
            id="opt_1",
            spec=self.spec,
            status=JobStatus.PENDING,
            progress=Progress(done=0, total=self.spec.trials_max),
            result=None,
            failure=None,
            attempt=0,
            last_sequence=0,
            created_at=NOW,
            started_at=None,
            completed_at=None,
        )

    def attempt(self, *, interrupted_after: int | None = None) -> bool:
        """Work on it in a new process, which is gone after so many transactions; tell whether it finished."""
        job = self.storage.jobs.claim("one", now=NOW, lease_until=NOW + timedelta(seconds=9))
        assert job is not None
        assert isinstance(job.spec, OptimizationSpec)
        transactions = self.storage.transaction
        left = interrupted_after

        def counted(*, alone: bool) -> Any:
            nonlocal left
            if left is not None:
                if left == 0:
                    raise Interrupted
                left -= 1
            return transactions(alone=alone)

        context = JobContext(
            job=job,
            storage=Watched(self.storage, counted),  # type: ignore[arg-type]  # all but one method is its own
            columns=Columns(),
            contract=MA_CROSS.contract,
            clock=Clock(),
            fills_max=0,
            changed=lambda: None,
        )
        try:
            run_optimization(context, job.spec)
        except Interrupted:
            self.storage.jobs.release(job.id, job.attempt)
            return False
        return True

    @property
    def job(self) -> Job:
        """As it is stored."""
        job = self.storage.jobs.get(JobKind.OPTIMIZATION, "opt_1")
        assert job is not None
        return job

    @property
    def result(self) -> OptimizationResult:
        """What was found."""
        assert isinstance(self.job.result, OptimizationResult)
        return self.job.result

    @property
    def trials(self) -> list[Trial]:
        """All of them."""
        return self.storage.trials.span("opt_1", 0, 10_000)

    def document(self) -> tuple[Any, ...]:
        """Everything that must not depend on how often it was interrupted."""
        blocks = self.storage.trials.blocks("opt_1", TrialFilter())
        ledger = self.storage.ledger.count(LedgerKey.of(self.spec.scenario))
        return to_json(OptimizationResult, self.result), self.trials, blocks.tobytes(), ledger


class Watched:
    """A storage whose transactions are counted."""

    def __init__(self, storage: MemoryStorage, transaction: Callable[..., Any]) -> None:
        self._storage = storage
        self.transaction = transaction

    def __getattr__(self, name: str) -> Any:
        """Everything else is the storage's own."""
        return getattr(self._storage, name)


class Clock:
    """Stands still."""

    def now(self) -> datetime:
        """The same moment."""
        return NOW


def finished(spec: OptimizationSpec) -> Search:
    """Search to the end without a break."""
    search = Search(spec)
    assert search.attempt()
    return search


EXPECTED = {
    algorithm: finished(spec_of(algorithm=algorithm)).document()
    for algorithm in (Algorithm.GENETIC, Algorithm.RANDOM)
}


@settings(deadline=None, max_examples=25)
@given(
    algorithm=st.sampled_from(list(EXPECTED)),
    breaks=st.lists(st.integers(0, 40), min_size=1, max_size=4),
)
def test_interrupted_searches_end_alike(algorithm: Algorithm, breaks: list[int]) -> None:
    """However often and wherever it was interrupted, a search ends with the same document and trials."""
    search = Search(spec_of(algorithm=algorithm))
    for transactions in breaks:
        if search.attempt(interrupted_after=transactions):
            break
    else:
        assert search.attempt()
    assert search.document() == EXPECTED[algorithm]


def test_threads_change_nothing() -> None:
    """On one thread and on as many as there are, a seed gives the same trials."""
    every = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        assert finished(spec_of()).document() == EXPECTED[Algorithm.GENETIC]
    finally:
        numba.set_num_threads(every)


def test_windows_see_their_own_bars() -> None:
    """Each window's trials are those of a search of its training bars, of another seed than the others'."""
    search = finished(spec_of())
    walked = search.result.walk_forward
    assert walked is not None
    for number, window in enumerate(walked.windows):
        own = [trial for trial in search.trials if trial.window == number]
        assert len(own) == 40
        seen = WALK.splits[number].train
        bars = int((seen.last - seen.first) / timedelta(hours=1)) + 1
        assert {trial.metrics.bar_count for trial in own} == {bars}
        assert window.best is not None
        assert window.best.trial in own
    first = {tuple(trial.params.items()) for trial in search.trials if trial.window == 0}
    assert first != {tuple(trial.params.items()) for trial in search.trials if trial.window == 1}
    assert walked.out_of_sample is not None
    assert walked.out_of_sample.bar_count == 300


def test_extended_search_goes_on() -> None:
    """A search that is extended keeps its trials and makes as many more as it may, in every window."""
    search = finished(spec_of())
    before = search.trials
    longer = replace(search.spec, max_iterations=60)
    search.storage.jobs.reopen("opt_1", longer, progress=search.job.progress)
    assert search.attempt()
    assert search.trials[: len(before)] == before
    assert len(search.trials) == 4 * 60
    assert search.job.progress.done == 240


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (StopRule(target_score=-100.0), StopReason.TARGET_REACHED),
        (StopRule(time_budget_seconds=1e-9), StopReason.TIME_BUDGET),
    ],
)
def test_early_stops(rule: StopRule, reason: StopReason) -> None:
    """A rule ends every search of the job after its first batch, and the progress is whole."""
    search = finished(spec_of(stop_rule=rule))
    assert search.result.stop_reason is reason
    assert len(search.trials) == 4 * 10
    assert (search.job.progress.done, search.job.progress.total) == (40, 40)


def test_exhausted_space() -> None:
    """A space smaller than the budget ends when it is used up; its grid has lattice neighbours."""
    few = {"fast_period": IntegerRange(2, 5), "slow_period": IntegerRange(21, 24)}
    search = finished(spec_of(param_ranges=few, algorithm=Algorithm.GRID, points=16))
    assert search.result.stop_reason is StopReason.EXHAUSTED
    assert len(search.trials) == 4 * 16
    assert search.result.robust is not None
    assert 3 <= search.result.robust.neighbours.count <= 8


def test_pareto_front_out_of_sample() -> None:
    """Of a holdout every member of the front, the best and the robust pick are run once on held-out bars."""
    goal = Goal((Objective(Target.SHARPE), Objective(Target.DRAWDOWN)))
    search = finished(spec_of(goal=goal, algorithm=Algorithm.NSGA2, validation=HELD_OUT))
    front = search.result.pareto_front
    assert front
    assert {best.out_of_sample.bar_count for best in front if best.out_of_sample} == {180}
    assert all(best.out_of_sample for best in front)
    assert search.result.best is not None
    assert front[0].trial == search.result.best.trial
    losses = np.array([goal.losses(best.trial.metrics) for best in front])
    assert (np.diff(losses[:, 0]) >= 0).all()
    assert (np.diff(losses[:, 1]) <= 0).all()


def test_nothing_can_be_the_best() -> None:
    """Where no trial trades enough, the windows' tests stay out of the market, and the result says so."""
    search = finished(spec_of(min_trades=10_000))
    assert search.result.best is None
    assert search.result.robust is None
    assert "None of the 40 trials can be the best" in search.result.warnings[0]
    walked = search.result.walk_forward
    assert walked is not None
    assert walked.out_of_sample is not None
    assert (walked.out_of_sample.total_return, walked.out_of_sample.trade_count) == (0.0, 0)
    assert walked.efficiency is None


def test_a_search_needs_no_vectorbt() -> None:
    """What searches are forked from loads neither vectorbt nor pandas: they take seconds at each start."""
    script = "import sys, stratopt_server.jobs.optimization; print({'vectorbt', 'pandas'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"
