"""Checking parameters and ranges against what a strategy declares."""

from collections.abc import Mapping
from dataclasses import replace

from stratopt_server.domain.constraints import holds
from stratopt_server.domain.errors import Violations
from stratopt_server.domain.parameters import (
    ChoiceList,
    Integer,
    IntegerRange,
    ParameterRange,
    ParameterSpec,
    ParameterValue,
    Real,
    RealRange,
    is_real,
    typed,
)
from stratopt_server.domain.strategy import StrategyContract

STEPS_MAX = 1_000_000_000
"""Steps one range may be cut into."""
CHOICES_MAX = 1_000
"""Values one range may list."""


def check_params(
    given: Mapping[str, ParameterValue],
    contract: StrategyContract,
    defaults: Mapping[str, ParameterValue],
    *,
    at: str,
    violations: Violations,
    searched: frozenset[str] = frozenset(),
) -> dict[str, ParameterValue]:
    """Return every parameter that is not searched, in its own type; none where `given` is at fault.

    `at` is the field's path in the request. Constraints are checked where no parameter is searched.
    """
    for name, value in given.items():
        _check_value(name, value, contract, at=f"{at}.{name}", violations=violations)
    if violations.has(at):
        return {}
    values = {
        name: typed(spec, given.get(name, defaults.get(name, spec.default)))
        for name, spec in contract.params.items()
        if name not in searched
    }
    if searched:
        return values
    for constraint in contract.constraints:
        if not bool(holds(constraint, values)):
            shown = ", ".join(f"{name} = {value}" for name, value in values.items() if name in constraint)
            violations.add(
                at,
                "CONSTRAINT_VIOLATED",
                f"{constraint} must hold, not {shown}",
                constraint=constraint,
            )
    return values


def check_ranges(
    given: Mapping[str, ParameterRange], contract: StrategyContract, *, violations: Violations
) -> dict[str, ParameterRange]:
    """Return the ranges in the parameters' own types; note what is wrong with them."""
    ranges: dict[str, ParameterRange] = {}
    for name, wanted in given.items():
        at = f"param_ranges.{name}"
        spec = _spec(name, contract, at=at, violations=violations)
        if spec is not None:
            fitted = _fit(wanted, spec)
            _check_range(fitted, spec, at=at, violations=violations)
            ranges[name] = fitted
    return ranges


def _spec(name: str, contract: StrategyContract, *, at: str, violations: Violations) -> ParameterSpec | None:
    spec = contract.params.get(name)
    if spec is None:
        known = ", ".join(contract.params)
        violations.add(
            at, "UNKNOWN_PARAMETER", f"the strategy has no parameter {name!r}, only {known}", known=known
        )
    return spec


def _check_value(
    name: str, value: ParameterValue, contract: StrategyContract, *, at: str, violations: Violations
) -> None:
    spec = _spec(name, contract, at=at, violations=violations)
    if spec is None or spec.accepts(value):
        return
    of_kind = is_real(value) if isinstance(spec, Real) else type(value) is type(spec.default)
    reason = "PARAMETER_OUT_OF_RANGE" if of_kind else "WRONG_PARAMETER_TYPE"
    violations.add(
        at, reason, f"must be {spec.allowed}, not {value!r}", allowed=spec.allowed, value=repr(value)
    )


def _fit(wanted: ParameterRange, spec: ParameterSpec) -> ParameterRange:
    """Read whole numbers given for a real parameter as real ones, and fill in a step that was left out."""
    if not isinstance(spec, Real):
        return replace(wanted, step=1) if isinstance(wanted, IntegerRange) and not wanted.step else wanted
    match wanted:
        case IntegerRange(minimum, maximum, step):
            return RealRange(float(minimum), float(maximum), float(step) if step else None)
        case ChoiceList(values):
            return ChoiceList(tuple(typed(spec, value) if is_real(value) else value for value in values))
        case _:
            return wanted


def _check_range(wanted: ParameterRange, spec: ParameterSpec, *, at: str, violations: Violations) -> None:
    match wanted:
        case ChoiceList(values):
            _check_choices(values, spec, at=at, violations=violations)
        case IntegerRange() if isinstance(spec, Integer):
            _check_numbers(wanted, spec, at=at, violations=violations)
        case RealRange() if isinstance(spec, Real):
            _check_numbers(wanted, spec, at=at, violations=violations)
        case _:
            violations.add(
                at,
                "WRONG_PARAMETER_TYPE",
                f"the parameter is {spec.allowed}: give a range or a list of such values",
                allowed=spec.allowed,
            )


def _check_choices(
    values: tuple[ParameterValue, ...], spec: ParameterSpec, *, at: str, violations: Violations
) -> None:
    if not 0 < len(values) <= CHOICES_MAX:
        violations.add(at, "CHOICES_OUT_OF_RANGE", f"give 1 to {CHOICES_MAX} values", choices_max=CHOICES_MAX)
        return
    if len({repr(value) for value in values}) < len(values):
        violations.add(at, "REPEATED_VALUE", "each value once")
    for place, value in enumerate(values):
        if not spec.accepts(value):
            violations.add(
                f"{at}.choices[{place}]",
                "PARAMETER_OUT_OF_RANGE",
                f"must be {spec.allowed}, not {value!r}",
                allowed=spec.allowed,
                value=repr(value),
            )


def _check_numbers(
    wanted: IntegerRange | RealRange, spec: Integer | Real, *, at: str, violations: Violations
) -> None:
    ends = {"min": wanted.minimum, "max": wanted.maximum}
    for end, value in ends.items():
        if not spec.accepts(value):
            violations.add(
                f"{at}.{end}",
                "PARAMETER_OUT_OF_RANGE",
                f"must be {spec.allowed}, not {value!r}",
                allowed=spec.allowed,
                value=value,
            )
    if wanted.minimum > wanted.maximum:
        violations.add(
            at,
            "RANGE_REVERSED",
            f"min {wanted.minimum} is above max {wanted.maximum}: swap them",
            min=wanted.minimum,
            max=wanted.maximum,
        )
    step, span = wanted.step, wanted.maximum - wanted.minimum
    if step is not None and not (is_real(step) and step > 0 and span / step <= STEPS_MAX):
        violations.add(
            f"{at}.step",
            "INVALID_STEP",
            f"must be above 0 and cut the range into at most {STEPS_MAX:,} steps",
            step=step,
            steps_max=STEPS_MAX,
        )
    if isinstance(wanted, RealRange) and wanted.log:
        _check_log(wanted, at=at, violations=violations)


def _check_log(wanted: RealRange, *, at: str, violations: Violations) -> None:
    if wanted.minimum <= 0:
        violations.add(f"{at}.log", "LOG_OF_NON_POSITIVE", "needs min above 0", min=wanted.minimum)
    if wanted.step is not None:
        violations.add(f"{at}.log", "LOG_WITH_STEP", "give a step or log, not both", step=wanted.step)
