"""Trials: which can be the best, and which of them is."""

import pytest
from domain_samples import make_metrics, make_trial
from hypothesis import given
from hypothesis import strategies as st

from stratopt_server.domain.goals import Goal, Target
from stratopt_server.domain.optimization import Trial, TrialStatus, best_of, is_better, judge

scores = st.none() | st.floats(-10, 10).map(lambda figure: round(figure, 1))
statuses = st.sampled_from([TrialStatus.OK, TrialStatus.OK, TrialStatus.TOO_FEW_TRADES])
candidates = st.lists(st.tuples(scores, statuses), max_size=12).map(
    lambda rows: [
        make_trial(number, score=figure, status=TrialStatus.UNDEFINED if figure is None else status)
        for number, (figure, status) in enumerate(rows)
    ]
)


@pytest.mark.parametrize("target", Target)
@pytest.mark.parametrize(
    ("trades", "figure", "status"),
    [
        (5, 0.5, TrialStatus.OK),
        (5, 0.0, TrialStatus.OK),
        (4, 0.5, TrialStatus.TOO_FEW_TRADES),
        (4, None, TrialStatus.TOO_FEW_TRADES),
        (5, None, TrialStatus.UNDEFINED),
    ],
)
def test_judge(target: Target, trades: int, figure: float | None, status: TrialStatus) -> None:
    """A trial can be the best if it trades enough and its target is defined; too few trades says more."""
    names = ("sharpe_ratio", "total_return", "max_drawdown", "sortino_ratio", "calmar_ratio", "profit_factor")
    metrics = make_metrics(trade_count=trades, **dict.fromkeys(names, figure))
    trial = judge(3, {"n": 1}, metrics, goal=Goal.of(target), min_trades=5)
    assert trial == Trial(number=3, params={"n": 1}, status=status, score=figure, metrics=metrics)


@pytest.mark.parametrize("target", Target)
def test_is_better(target: Target) -> None:
    """The target says which way is better; an equal score is not."""
    low, high = make_trial(1, score=0.1), make_trial(2, score=0.2)
    worse, better = (high, low) if target is Target.DRAWDOWN else (low, high)
    assert is_better(better, worse, Goal.of(target))
    assert not is_better(worse, better, Goal.of(target))
    assert not is_better(make_trial(3, score=better.score), better, Goal.of(target))
    assert is_better(worse, None, Goal.of(target))


@pytest.mark.parametrize("target", Target)
@pytest.mark.parametrize("status", [TrialStatus.TOO_FEW_TRADES, TrialStatus.UNDEFINED])
def test_cannot_be_best(target: Target, status: TrialStatus) -> None:
    """A trial that cannot be the best beats nothing, not even nothing."""
    assert not is_better(make_trial(score=0.0, status=status), None, Goal.of(target))
    assert not is_better(make_trial(score=0.0, status=status), make_trial(score=0.5), Goal.of(target))
    assert not is_better(make_trial(score=None), None, Goal.of(target))


@pytest.mark.parametrize("target", Target)
@given(trials=candidates)
def test_best_of(target: Target, trials: list[Trial]) -> None:
    """The best is the first of those with the best score; never trading cannot win."""
    usable = [trial for trial in trials if trial.status is TrialStatus.OK]
    best = best_of(trials, Goal.of(target))
    if not usable:
        assert best is None
        return
    pick = min if target is Target.DRAWDOWN else max
    assert best is pick(usable, key=lambda trial: trial.score)
