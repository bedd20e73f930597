"""What a search makes best: one figure, a weighted sum of several, or several at once."""

from dataclasses import dataclass
from enum import Enum

from stratopt_server.domain.metrics import Metrics

OBJECTIVES_MAX = 4
"""Most figures at once: among more, hardly any trial is beaten in all of them."""


class Target(Enum):
    """A figure that a search makes best. The drawdown is made smallest, every other largest."""

    SHARPE = "sharpe"
    RETURN = "return"
    DRAWDOWN = "drawdown"
    SORTINO = "sortino"
    CALMAR = "calmar"
    PROFIT_FACTOR = "profit_factor"

    def figure(self, metrics: Metrics) -> float | None:
        """Read it off the metrics; None where it is not defined."""
        value: float | None = getattr(metrics, _FIELDS[self])
        return value

    def loss(self, figure: float) -> float:
        """Turn it so that smaller is better."""
        return figure if self is Target.DRAWDOWN else -figure


_FIELDS = {
    Target.SHARPE: "sharpe_ratio",
    Target.RETURN: "total_return",
    Target.DRAWDOWN: "max_drawdown",
    Target.SORTINO: "sortino_ratio",
    Target.CALMAR: "calmar_ratio",
    Target.PROFIT_FACTOR: "profit_factor",
}


@dataclass(frozen=True, slots=True)
class Objective:
    """One of the figures."""

    target: Target
    weight: float | None = None
    """Above 0; None where the figures are not added up."""


@dataclass(frozen=True, slots=True)
class Goal:
    """The figures: all with a weight, or none."""

    objectives: tuple[Objective, ...]

    @classmethod
    def of(cls, target: Target) -> "Goal":
        """The goal of a single figure."""
        return cls((Objective(target),))

    @property
    def target(self) -> Target:
        """The first figure."""
        return self.objectives[0].target

    @property
    def is_weighted(self) -> bool:
        """Tell whether the figures are added up."""
        return self.objectives[0].weight is not None

    @property
    def dimensions(self) -> int:
        """How many losses a trial has: more than one where the answer is a Pareto front."""
        return 1 if self.is_weighted else len(self.objectives)

    @property
    def name(self) -> str:
        """What the documented table calls it."""
        if self.is_weighted:
            return "weighted"
        return "multi" if len(self.objectives) > 1 else self.target.value

    def score(self, metrics: Metrics) -> float | None:
        """Compute the one number a trial is shown with; None if any figure is not defined.

        Of a single figure itself, of weighted ones their sum with a drawdown counting negative, of several
        at once the first.
        """
        losses = self.losses(metrics)
        if losses is None:
            return None
        return self._turned(losses[0])

    def losses(self, metrics: Metrics) -> tuple[float, ...] | None:
        """Compute what a searcher is told, smaller being better; None if any figure is not defined."""
        figures = [objective.target.figure(metrics) for objective in self.objectives]
        losses = [
            objective.target.loss(figure)
            for objective, figure in zip(self.objectives, figures, strict=True)
            if figure is not None
        ]
        if len(losses) < len(figures):
            return None
        if not self.is_weighted:
            return tuple(losses)
        weights = [objective.weight or 0.0 for objective in self.objectives]
        return (sum(weight * loss for weight, loss in zip(weights, losses, strict=True)),)

    def loss(self, score: float) -> float:
        """Turn a score so that smaller is better."""
        return self._turned(score)

    def _turned(self, number: float) -> float:
        """A loss as a score, or a score as a loss; never -0.0, whose sign a database may lose."""
        return (-number if self.is_weighted else self.target.loss(number)) + 0.0
