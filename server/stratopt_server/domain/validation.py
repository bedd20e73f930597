"""How a search is tested on bars it does not see, and when it stops early."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class ValidationMethod(Enum):
    """Which bars a search does not see."""

    WALK_FORWARD = "walk_forward"
    """Several windows, each tested by the best of a search of its own on the bars before it."""
    HOLDOUT = "holdout"
    """The last share of them."""
    NONE = "none"
    """It sees all."""


@dataclass(frozen=True, slots=True)
class Span:
    """Bars next to each other."""

    first: datetime
    """Open time of the first."""
    last: datetime
    """Open time of the last."""


@dataclass(frozen=True, slots=True)
class Split:
    """Bars that a search sees, and later ones that its best is tested on."""

    train: Span
    test: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """How one search is tested."""

    method: ValidationMethod
    splits: tuple[Split, ...] = ()
    """The windows of a walk-forward in order; the one of a holdout; none otherwise."""
    rolling: bool = False
    """Windows train on equally many bars each, instead of on all before them."""
    purge_bars: int = 0
    """Bars left out between training and test of a walk-forward."""
    holdout: float = 0.0
    """Share of the bars that a holdout holds out."""

    @property
    def windows(self) -> tuple[Split, ...]:
        """Splits that are searched on their own."""
        return self.splits if self.method is ValidationMethod.WALK_FORWARD else ()

    @property
    def held_out(self) -> Split | None:
        """The split of a holdout."""
        return self.splits[0] if self.method is ValidationMethod.HOLDOUT else None


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRule:
    """When a search stops before it has made all its trials; None: not for that."""

    time_budget_seconds: float | None = None
    """No batch is begun after it."""
    target_score: float | None = None
    plateau: bool = False
    """Once the score no longer rises."""


NO_STOP_RULE = StopRule()
"""It makes all its trials."""
