"""Decisions about parameters, what they rest on, and the packages they make."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from stratopt_server.domain.evidence import Evidence

CriterionValue = float | bool | str
"""What a criterion is set to: a threshold, a switch or a word."""


class DecisionOutcome(Enum):
    """What was decided."""

    APPROVE = "approve"
    REVIEW = "review"
    """A person decides."""
    REJECT = "reject"


class GateKind(Enum):
    """How much a gate weighs."""

    HARD = "hard"
    """What does not meet it is rejected."""
    REVIEW = "review"
    """What does not meet it is a person's to decide."""
    WARN = "warn"
    """What does not meet it is said."""


class GateResult(Enum):
    """How a gate ended."""

    PASSED = "passed"
    WARNING = "warning"
    """It stands in nobody's way, and is said."""
    REVIEW = "review"
    """A person decides."""
    FAILED = "failed"
    NOT_COMPUTABLE = "not_computable"
    """It never passes."""
    NOT_APPLICABLE = "not_applicable"
    """By rule: the criterion is about something that is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One criterion of a policy, measured."""

    criterion: str
    kind: GateKind
    result: GateResult
    measured: str
    """What was measured, as text; empty where it could not be."""
    wanted: str
    explanation: str


class ReviewWord(Enum):
    """What a person says of a decision that asks one."""

    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A person's word on a decision."""

    word: ReviewWord
    reviewer: str
    note: str
    time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A decision about the parameters of one backtest."""

    id: str
    backtest_id: str
    strategy_id: str
    symbol: str
    policy: str
    """Name and version, e.g. `default/v1`."""
    criteria: dict[str, CriterionValue]
    """Criteria that the request set to other values than the policy."""
    outcome: DecisionOutcome
    reason: str
    gates: tuple[Gate, ...]
    not_measured: tuple[str, ...] = ()
    """Of decisions by `starter/v1`: criteria that were not measured then."""
    evidence: Evidence
    package_id: str | None
    """Of the package, drafted where a person is asked; None where it rejected."""
    review: Review | None = None
    created_at: datetime

    @property
    def is_approved(self) -> bool:
        """Tell whether the parameters may trade, by policy or by a person's word."""
        by_word = self.review is not None and self.review.word is ReviewWord.APPROVED
        return self.outcome is DecisionOutcome.APPROVE or by_word
