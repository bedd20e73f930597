"""When a search stops before it has made all its trials."""

from stratopt_server.domain.optimization import StopReason
from stratopt_server.domain.validation import StopRule

PLATEAU_BEGINS = 0.3
"""Share of the budget before which a plateau is none."""
PLATEAU_SHARE = 0.2
"""Of the budget: over so many trials, and at least PLATEAU_BATCHES, the score must have risen."""
PLATEAU_BATCHES = 3
GAIN_MIN, GAIN_SHARE_MIN = 0.01, 0.01
"""A rise counts above both: absolute, and as a share of the score before it."""


class Stopping:
    """Follows one search of `budget` trials; losses are smaller where better."""

    def __init__(self, rule: StopRule, *, budget: int, target_loss: float | None) -> None:
        """`target_loss` is the rule's target score as a loss."""
        self._rule = rule
        self._budget = budget
        self._target_loss = target_loss
        self._told: list[tuple[int, float | None]] = []

    def tell(self, done: int, best_loss: float | None) -> None:
        """Take how many trials are made and the best loss of them; None while there is none."""
        self._told.append((done, best_loss))

    def reason(self) -> StopReason | None:
        """Say why no further batch should be begun; None if one should.

        The same batches give the same answer: nothing here looks at a clock.
        """
        done, best = self._told[-1] if self._told else (0, None)
        if done >= self._budget:
            return StopReason.MAX_ITERATIONS
        if best is not None and self._target_loss is not None and best <= self._target_loss:
            return StopReason.TARGET_REACHED
        if self._rule.plateau and self._is_plateau(done, best):
            return StopReason.PLATEAU
        return None

    def _is_plateau(self, done: int, best: float | None) -> bool:
        if best is None or done < PLATEAU_BEGINS * self._budget or len(self._told) <= PLATEAU_BATCHES:
            return False
        until = done - PLATEAU_SHARE * self._budget
        before = [loss for made, loss in self._told[:-PLATEAU_BATCHES] if made <= until]
        if not before or before[-1] is None:
            return False
        return before[-1] - best <= max(GAIN_MIN, GAIN_SHARE_MIN * abs(before[-1]))
