"""A person's word on decisions that ask for one."""

from dataclasses import dataclass, replace

from stratopt_server.domain.clock import Clock
from stratopt_server.domain.decisions import Decision, DecisionOutcome, Review, ReviewWord
from stratopt_server.domain.errors import Code, NotFound, Violations
from stratopt_server.domain.jobs import JobKind
from stratopt_server.domain.packages import ParameterPackage
from stratopt_server.domain.ports import Storage
from stratopt_server.usecases.idempotency import Repeats
from stratopt_server.usecases.packaging import Packaging
from stratopt_server.usecases.policies import Policies
from stratopt_server.usecases.requests import Call

REVIEWER_LENGTH_MAX, NOTE_LENGTH_MAX = 100, 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewRequest:
    """What somebody says of which decision."""

    decision_id: str
    word: ReviewWord | None
    reviewer: str
    note: str


class Reviews:
    """Records words; an approving one signs and publishes the drafted package."""

    def __init__(
        self, storage: Storage, packaging: Packaging, policies: Policies, *, repeats: Repeats, clock: Clock
    ) -> None:
        self._storage = storage
        self._packaging = packaging
        self._policies = policies
        self._repeats = repeats
        self._clock = clock

    def record(self, wanted: ReviewRequest, call: Call) -> tuple[Decision, ParameterPackage | None]:
        """Record a word, in one transaction with what comes of it; raises RequestRefused or NotFound.

        A decision that asks nobody, or has its word, is refused.
        """
        word = _checked(wanted)
        with self._storage.transaction():
            made = self._repeats.resource_of(call)
            if made is not None:
                return self._answer(self._decision(made))
            decision = self._decision(wanted.decision_id)
            self._refuse_unless_open(decision)
            now = self._clock.now()
            review = Review(word=word, reviewer=wanted.reviewer, note=wanted.note, time=now)
            reviewed = replace(decision, review=review)
            self._storage.decisions.put(reviewed)
            if word is ReviewWord.APPROVED:
                backtest = self._storage.jobs.get(JobKind.BACKTEST, decision.backtest_id)
                assert backtest is not None, "what was decided about stays"
                validity = self._policies.get(decision.policy).validity
                self._packaging.publish(backtest, reviewed, now=now, validity=validity)
            self._repeats.remember(call, decision.id)
        return self._answer(reviewed)

    def _answer(self, decision: Decision) -> tuple[Decision, ParameterPackage | None]:
        if not decision.is_approved or decision.package_id is None:
            return decision, None
        return decision, self._storage.packages.get(decision.package_id)

    def _decision(self, decision_id: str) -> Decision:
        decision = self._storage.decisions.get(decision_id)
        if decision is None:
            raise NotFound("decision", decision_id)
        return decision

    def _refuse_unless_open(self, decision: Decision) -> None:
        """Only what asks a person and has no word yet, and whose code is still the strategy's."""
        violations = Violations()
        if decision.outcome is not DecisionOutcome.REVIEW:
            outcome = decision.outcome.value
            violations.add(
                "decision_id",
                "DECISION_ASKS_NOBODY",
                f"the outcome of {decision.id} is {outcome}: only one of review waits for a word",
                code=Code.FAILED_PRECONDITION,
                outcome=outcome,
            )
        if decision.review is not None:
            word, by = decision.review.word.value, decision.review.reviewer
            violations.add(
                "decision_id",
                "DECISION_REVIEWED",
                f"{decision.id} was {word} by {by!r}: approve the backtest anew to decide again",
                code=Code.FAILED_PRECONDITION,
                word=word,
                reviewer=by,
            )
        backtest = self._storage.jobs.get(JobKind.BACKTEST, decision.backtest_id)
        strategy = self._storage.strategies.get(decision.strategy_id)
        if backtest and strategy and strategy.code_hash != backtest.spec.scenario.code_hash:
            violations.add(
                "decision_id",
                "STRATEGY_CHANGED",
                f"the code of {strategy.id!r} has changed since {decision.id}: approve a backtest of it",
                code=Code.FAILED_PRECONDITION,
                code_hash=strategy.code_hash,
            )
        violations.refuse_if_any()


def _checked(wanted: ReviewRequest) -> ReviewWord:
    violations = Violations()
    if wanted.word is None:
        violations.add("word", "REQUIRED", "say approved or rejected")
    if not wanted.reviewer.strip():
        violations.add("reviewer", "REQUIRED", "name who reviews")
    limits = {"reviewer": REVIEWER_LENGTH_MAX, "note": NOTE_LENGTH_MAX}
    for name, limit in limits.items():
        length = len(getattr(wanted, name))
        if length > limit:
            violations.add(
                name, "TOO_LONG", f"{length} characters, at most {limit}", length=length, limit=limit
            )
    violations.refuse_if_any()
    assert wanted.word is not None, "a missing word was refused"
    return wanted.word
