"""Policies: which criteria a decision asks for, at which thresholds, and how much each weighs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from stratopt_server.decisions.criteria import DEFINITIONS, Definition, Passes
from stratopt_server.decisions.measurements import Measurement
from stratopt_server.domain.decisions import CriterionValue, Gate, GateKind, GateResult
from stratopt_server.domain.errors import Violations
from stratopt_server.domain.evidence import Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One thing a policy asks for."""

    name: str
    kind: GateKind
    threshold: CriterionValue
    """What passes."""
    review: float | None = None
    """What does not pass and is not so bad that it rejects: a person decides. Of a hard criterion."""
    warn: float | None = None
    """What passes with a warning if it is no better."""

    @property
    def definition(self) -> Definition:
        """What is measured."""
        return DEFINITIONS[self.name]

    def at(self, threshold: CriterionValue) -> "Criterion":
        """Set the threshold; the band of what a person decides moves with it."""
        review = self.review
        if review is not None:
            moved = review + float(threshold) - float(self.threshold)
            review = min(max(moved, self.definition.low), self.definition.high)
        return replace(self, threshold=threshold, review=review)

    def judge(self, evidence: Evidence) -> Gate:
        """Measure it."""
        found = self.definition.measures(evidence)
        result = self._result(found)
        helps = self.definition.helps
        text = found.text
        if helps and found.value is not None and result in {GateResult.FAILED, GateResult.REVIEW}:
            text = f"{text} {helps(evidence, float(found.value), float(self.threshold))}".strip()
        return Gate(
            criterion=self.name,
            kind=self.kind,
            result=result,
            measured=_shown(found),
            wanted=self.wanted,
            explanation=text,
        )

    @property
    def wanted(self) -> str:
        """What passes, in words."""
        definition = self.definition
        if definition.passes is Passes.TRUE:
            return definition.wanted if self.threshold else "any"
        return f"{definition.passes.value} {float(self.threshold):,.10g}"

    def _result(self, found: Measurement) -> GateResult:
        if not found.applies:
            return GateResult.NOT_APPLICABLE
        if found.value is None:
            return GateResult.NOT_COMPUTABLE if self.threshold is not False else GateResult.PASSED
        meets = self.definition.meets
        if meets(found.value, self.threshold):
            warned = self.warn is not None and not meets(found.value, self.warn)
            return GateResult.WARNING if warned else GateResult.PASSED
        if found.excused or self.kind is GateKind.WARN:
            return GateResult.WARNING
        in_band = self.review is not None and meets(found.value, self.review)
        return GateResult.REVIEW if in_band or self.kind is GateKind.REVIEW else GateResult.FAILED


def _shown(found: Measurement) -> str:
    if found.value is None or found.shown:
        return found.shown
    return f"{found.value:,}" if isinstance(found.value, int) else f"{found.value:.4f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A versioned set of criteria. A changed policy is a new version."""

    name: str
    """Name and version, e.g. `default/v1`."""
    description: str
    criteria: tuple[Criterion, ...]
    validity: timedelta
    """How long a package may be used."""

    def with_criteria(self, given: Mapping[str, CriterionValue], violations: Violations) -> "Policy":
        """Set criteria to other thresholds; note unknown names and values they cannot have."""
        known = {criterion.name: criterion for criterion in self.criteria}
        for name, value in given.items():
            at = f"approval_criteria.{name}"
            if name not in known:
                names = ", ".join(known)
                violations.add(
                    at,
                    "UNKNOWN_CRITERION",
                    f"{self.name} has no criterion {name!r}, only {names}",
                    known=names,
                )
            elif not known[name].definition.accepts(value):
                allowed = known[name].definition.allowed
                violations.add(
                    at, "INVALID_CRITERION", f"must be {allowed}, not {value!r}", allowed=allowed, value=value
                )
        violations.refuse_if_any()
        changed = tuple(
            criterion.at(given[criterion.name]) if criterion.name in given else criterion
            for criterion in self.criteria
        )
        return replace(self, criteria=changed)

    def loosened(self, base: "Policy") -> tuple[str, ...]:
        """Name the hard criteria of `base` that this policy lets more pass than it does, or does not have."""
        own = {criterion.name: criterion for criterion in self.criteria}
        return tuple(
            criterion.name
            for criterion in base.criteria
            if criterion.kind is GateKind.HARD and _is_looser(own.get(criterion.name), criterion)
        )

    def threshold(self, name: str) -> CriterionValue | None:
        """The threshold of a criterion of that name; None if the policy does not have it."""
        return next((criterion.threshold for criterion in self.criteria if criterion.name == name), None)

    def judge(self, evidence: Evidence) -> tuple[Gate, ...]:
        """Measure every criterion."""
        return tuple(criterion.judge(evidence) for criterion in self.criteria)


def _is_looser(own: Criterion | None, base: Criterion) -> bool:
    if own is None or own.kind is not GateKind.HARD:
        return True
    looser = base.definition.is_looser
    if looser(own.threshold, base.threshold):
        return True
    # A wider band lets a person approve what the base rejects.
    return own.review is not None and looser(
        own.review, base.threshold if base.review is None else base.review
    )
