"""When a search stops early."""

import pytest

from stratopt_server.domain.optimization import StopReason
from stratopt_server.domain.validation import StopRule
from stratopt_server.optimizers.stopping import Stopping


def told(rule: StopRule, losses: list[float | None], *, target_loss: float | None = None) -> list[object]:
    """The reasons after each batch of 10 of a budget of 100."""
    stopping = Stopping(rule, budget=100, target_loss=target_loss)
    reasons = []
    for number, loss in enumerate(losses, start=1):
        stopping.tell(10 * number, loss)
        reasons.append(stopping.reason())
    return reasons


def test_budget() -> None:
    """Without a rule it goes on to its last trial."""
    assert told(StopRule(), [-1.0] * 10) == [None] * 9 + [StopReason.MAX_ITERATIONS]


def test_target() -> None:
    """It stops with the first batch whose best reaches the target."""
    reasons = told(StopRule(target_score=2.0), [None, -1.9, -2.0], target_loss=-2.0)
    assert reasons == [None, None, StopReason.TARGET_REACHED]


def test_plateau() -> None:
    """No rise over three batches stops it, but not before 30 % of the budget."""
    reasons = told(StopRule(plateau=True), [-1.0] * 5)
    assert reasons == [None, None, None, StopReason.PLATEAU, StopReason.PLATEAU]


@pytest.mark.parametrize(("rise", "stops"), [(0.009, True), (0.0101, True), (0.03, False)])
def test_what_counts_as_a_rise(rise: float, *, stops: bool) -> None:
    """Above 0.01 and above 1 % of the score before: of a score of 2 that is 0.02."""
    reasons = told(StopRule(plateau=True), [-2.0, -2.0, -2.0, -2.0 - rise])
    assert reasons[-1] == (StopReason.PLATEAU if stops else None)


def test_nothing_found_is_no_plateau() -> None:
    """While no trial can be the best, the search goes on."""
    assert told(StopRule(plateau=True), [None] * 6) == [None] * 6
    assert told(StopRule(plateau=True), [None, None, None, None, -1.0, -1.0])[-1] is None
