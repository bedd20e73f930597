"""Policies: which criteria a decision asks for, and at which thresholds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from stratopt_server.decisions import gates
from stratopt_server.decisions.gates import Finding
from stratopt_server.domain.decisions import CriterionValue, Gate, GateKind
from stratopt_server.domain.errors import Violations
from stratopt_server.domain.evidence import Evidence
from stratopt_server.domain.market import DataGrade
from stratopt_server.domain.parameters import is_real

Judge = Callable[[Evidence, CriterionValue], Finding]


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One thing a policy asks for."""

    name: str
    judge: Judge
    value: CriterionValue
    """Its threshold, switch or word."""
    allowed: str
    """What a request may set it to, in words."""
    accepts: Callable[[CriterionValue], bool]
    kind: GateKind = GateKind.HARD


def _number(low: float, high: float) -> tuple[str, Callable[[CriterionValue], bool]]:
    return f"a number from {low:g} to {high:g}", lambda value: is_real(value) and low <= float(value) <= high


def _is_flag(value: CriterionValue) -> bool:
    return isinstance(value, bool)


COUNTS_MAX = 1_000_000
COUNT = (
    f"a whole number from 0 to {COUNTS_MAX:,}",
    lambda value: is_real(value) and 0 <= float(value) <= COUNTS_MAX and float(value).is_integer(),
)
SHARE = _number(0, 1)
FLAG = ("true or false", _is_flag)
GRADES = (
    "GOOD or USABLE",
    lambda value: value in (DataGrade.GOOD.value, DataGrade.USABLE.value),
)


def _criterion(
    name: str,
    judge: Judge,
    value: CriterionValue,
    domain: tuple[str, Callable[[CriterionValue], bool]],
) -> Criterion:
    return Criterion(name=name, judge=judge, value=value, allowed=domain[0], accepts=domain[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A versioned set of criteria. A changed policy is a new version."""

    name: str
    """Name and version, e.g. `starter/v1`."""
    criteria: tuple[Criterion, ...]
    not_measured: tuple[str, ...]
    """Criteria of the full policy that are not measured here yet."""
    validity: timedelta
    """How long a package may be used."""

    def with_criteria(self, given: Mapping[str, CriterionValue], violations: Violations) -> "Policy":
        """Set criteria to other values; note unknown names and values they cannot have."""
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
            elif not known[name].accepts(value):
                allowed = known[name].allowed
                violations.add(
                    at, "INVALID_CRITERION", f"must be {allowed}, not {value!r}", allowed=allowed, value=value
                )
        changed = tuple(
            replace(criterion, value=given.get(criterion.name, criterion.value))
            for criterion in self.criteria
        )
        return replace(self, criteria=changed)

    def value(self, name: str) -> CriterionValue:
        """The value of a criterion of that name."""
        return next(criterion.value for criterion in self.criteria if criterion.name == name)

    def judge(self, evidence: Evidence) -> tuple[Gate, ...]:
        """Measure every criterion."""
        return tuple(_gate(criterion, evidence) for criterion in self.criteria)


def _gate(criterion: Criterion, evidence: Evidence) -> Gate:
    finding = criterion.judge(evidence, criterion.value)
    return Gate(
        criterion=criterion.name,
        kind=criterion.kind,
        result=finding.result,
        measured=finding.measured,
        wanted=finding.wanted,
        explanation=finding.explanation,
    )


MAX_DRAWDOWN = "max_drawdown"
STARTER = Policy(
    name="starter/v1",
    criteria=(
        _criterion("costs", gates.costs_above_zero, True, FLAG),  # noqa: FBT003 - the criterion's value
        _criterion("data_grade", gates.data_grade, DataGrade.USABLE.value, GRADES),
        _criterion("min_trades_in_sample", gates.trades_in_sample, 30, COUNT),
        _criterion("min_trades_out_of_sample", gates.trades_out_of_sample, 10, COUNT),
        _criterion("psr_oos", gates.psr_out_of_sample, 0.95, SHARE),
        _criterion("cost_2x", gates.profitable_at_doubled_costs, True, FLAG),  # noqa: FBT003 - as above
        _criterion(MAX_DRAWDOWN, gates.drawdown_at_size, 0.25, _number(0.01, 1)),
    ),
    not_measured=("dsr", "cscv", "oos_sharpe", "plateau", "fill_bracket"),
    validity=timedelta(days=30),
)
"""A small honest policy: what can be measured so far, at the thresholds of the full one."""
