"""Which policy decides, and how far a request may move it."""

from collections.abc import Mapping
from dataclasses import dataclass

from stratopt_server.decisions.policy import Policy
from stratopt_server.domain.decisions import CriterionValue
from stratopt_server.domain.errors import NotFound, Violations


@dataclass(frozen=True, slots=True)
class Policies:
    """All policies of the server, and the one it decides by."""

    known: Mapping[str, Policy]
    default: str
    """Name of the policy that decides where a request names none."""
    may_loosen: bool
    """Whether a request may let more pass in a hard gate than the default policy does."""

    def get(self, name: str) -> Policy:
        """Return it; raises NotFound. Empty means the default."""
        policy = self.known.get(name or self.default)
        if policy is None:
            raise NotFound("policy", name)
        return policy

    def all(self) -> list[Policy]:
        """Return every policy, the default first."""
        return sorted(self.known.values(), key=lambda policy: (policy.name != self.default, policy.name))

    def moved(
        self, name: str, criteria: Mapping[str, CriterionValue], violations: Violations
    ) -> Policy | None:
        """Set criteria of a policy to other thresholds; note everything that is wrong with that."""
        policy = self.known.get(name or self.default)
        if policy is None:
            known = ", ".join(self.known)
            violations.add(
                "policy", "UNKNOWN_POLICY", f"there is no policy {name!r}, only {known}", known=known
            )
            return None
        return policy.with_criteria(criteria, violations)

    def chosen(
        self, name: str, criteria: Mapping[str, CriterionValue], violations: Violations
    ) -> Policy | None:
        """As `moved`, for a decision that counts: no hard gate may be looser than the default's."""
        before = len(violations.found)
        policy = self.moved(name, criteria, violations)
        if policy is None or self.may_loosen or len(violations.found) > before:
            return policy
        base = self.known[self.default]
        for gate in policy.loosened(base):
            asked = gate in criteria
            violations.add(
                f"approval_criteria.{gate}" if asked else "policy",
                "LOOSENS_HARD_GATE",
                f"{gate} must not let more pass than {base.name} ({base.threshold(gate)}): ask for no less, "
                "or have the operator set STRATOPT_HARD_GATES_MAY_LOOSEN",
                criterion=gate,
                policy=base.name,
                threshold=base.threshold(gate),
            )
        return policy
