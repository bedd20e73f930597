"""Goals: scores, losses, and which trial is better."""

from dataclasses import replace

import pytest
from domain_samples import make_metrics

from stratopt_server.domain.goals import Goal, Objective, Target
from stratopt_server.domain.metrics import Metrics

FIGURES = {
    Target.SHARPE: "sharpe_ratio",
    Target.RETURN: "total_return",
    Target.DRAWDOWN: "max_drawdown",
    Target.SORTINO: "sortino_ratio",
    Target.CALMAR: "calmar_ratio",
    Target.PROFIT_FACTOR: "profit_factor",
}


def of(**figures: float | None) -> Metrics:
    """Metrics with these figures."""
    return replace(make_metrics(), **figures)


@pytest.mark.parametrize("target", Target)
def test_single_goal(target: Target) -> None:
    """The score is the figure; the loss is smaller where it is better; undefined stays undefined."""
    goal, name = Goal.of(target), FIGURES[target]
    low, high = of(**{name: 0.1}), of(**{name: 0.4})
    assert (goal.score(low), goal.score(high)) == (0.1, 0.4)
    assert (goal.losses(low) < goal.losses(high)) == (target is Target.DRAWDOWN)  # type: ignore[operator]
    assert goal.losses(of(**{name: None})) is None
    assert goal.score(of(**{name: None})) is None
    assert (goal.name, goal.dimensions) == (target.value, 1)


def test_weighted_goal_in_numbers() -> None:
    """0.7 of a Sharpe ratio of 2 less 0.3 of a drawdown of 0.5."""
    goal = Goal((Objective(Target.SHARPE, 0.7), Objective(Target.DRAWDOWN, 0.3)))
    metrics = of(sharpe_ratio=2.0, max_drawdown=0.5)
    assert goal.score(metrics) == pytest.approx(1.25)
    assert goal.losses(metrics) == (pytest.approx(-1.25),)
    assert goal.loss(1.25) == -1.25
    assert (goal.name, goal.dimensions) == ("weighted", 1)


def test_pareto_goal() -> None:
    """Several figures are several losses; the score is the first figure."""
    goal = Goal((Objective(Target.DRAWDOWN), Objective(Target.SHARPE)))
    metrics = of(sharpe_ratio=2.0, max_drawdown=0.5)
    assert goal.losses(metrics) == (0.5, -2.0)
    assert (goal.score(metrics), goal.loss(0.5)) == (0.5, 0.5)
    assert goal.losses(of(sharpe_ratio=None, max_drawdown=0.5)) is None
    assert (goal.name, goal.dimensions) == ("multi", 2)
