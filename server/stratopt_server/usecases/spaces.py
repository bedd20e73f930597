"""The points a search may try: ranges, fixed parameters, constraints and first sets, checked."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from stratopt_server.domain.constraints import holds
from stratopt_server.domain.errors import Violations
from stratopt_server.domain.parameters import (
    Choice,
    ChoiceList,
    IntegerRange,
    ParameterRange,
    ParameterSpec,
    ParameterValue,
    RealRange,
)
from stratopt_server.domain.space import Axis, SearchSpace
from stratopt_server.settings import Settings
from stratopt_server.strategies.look_back import look_back
from stratopt_server.usecases.params import check_params, check_ranges
from stratopt_server.usecases.requests import OptimizationRequest
from stratopt_server.usecases.runs import StrategyInUse

CONSTRAINTS_MAX = 20
CONSTRAINT_LENGTH_MAX = 200
"""Characters of one constraint."""
INITIAL_SETS_MAX = 100


def check_space(
    wanted: OptimizationRequest, found: StrategyInUse, *, settings: Settings, violations: Violations
) -> SearchSpace | None:
    """Return the space; None where a fault was noted."""
    if not wanted.param_ranges:
        note_empty_ranges(violations)
    if len(wanted.param_ranges) > settings.param_ranges_max:
        violations.add(
            "param_ranges",
            "TOO_MANY_RANGES",
            f"at most {settings.param_ranges_max}",
            max=settings.param_ranges_max,
        )
    _note_overlap(wanted.param_ranges, wanted.fixed_params, violations)
    ranges = check_ranges(wanted.param_ranges, found.contract, violations=violations)
    fixed = check_params(
        wanted.fixed_params,
        found.contract,
        found.defaults,
        at="fixed_params",
        violations=violations,
        searched=frozenset(wanted.param_ranges),
    )
    _check_constraints(wanted.constraints, found.contract.params, violations)
    if any(violations.has(field) for field in ("param_ranges", "fixed_params", "constraints")):
        return None
    constraints = (*found.contract.constraints, *wanted.constraints)
    return SearchSpace.of(ranges, fixed=fixed, constraints=constraints)


def note_empty_ranges(violations: Violations) -> None:
    """Note that nothing is to be searched."""
    violations.add("param_ranges", "EMPTY_PARAM_RANGES", "name at least one parameter to search")


def longest_look_back(space: SearchSpace, kernel: str) -> int:
    """The most bars that any set of the space needs before it can decide."""
    highest = {axis.name: _highest(axis.range) for axis in space.axes}
    return look_back(kernel, {**space.fixed, **highest})


def check_initial(
    sets: Sequence[dict[str, ParameterValue]],
    space: SearchSpace,
    found: StrategyInUse,
    violations: Violations,
) -> tuple[dict[str, ParameterValue], ...]:
    """Return the sets to try first, every parameter given; note those that the search may not try."""
    if len(sets) > INITIAL_SETS_MAX:
        violations.add("initial_params", "TOO_MANY_SETS", f"at most {INITIAL_SETS_MAX}", max=INITIAL_SETS_MAX)
        return ()
    checked: list[dict[str, ParameterValue]] = []
    for place, given in enumerate(sets):
        at = f"initial_params[{place}].params"
        params = check_params(
            {**space.fixed, **given}, found.contract, found.defaults, at=at, violations=violations
        )
        if violations.has(at):
            continue
        _check_reachable(params, space, at=at, violations=violations)
        if params not in checked:
            checked.append(dict(sorted(params.items())))
    return tuple(checked)


def _check_reachable(
    params: dict[str, ParameterValue], space: SearchSpace, *, at: str, violations: Violations
) -> None:
    """Note parameters that lie outside the ranges or between their steps, and sets that are not feasible."""
    for name, value in space.fixed.items():
        if params[name] != value:
            violations.add(
                f"{at}.{name}", "NOT_SEARCHED", f"is fixed to {value!r} in this search", value=value
            )
    for axis in space.axes:
        if not _is_tried(params[axis.name], axis):
            violations.add(
                f"{at}.{axis.name}",
                "OUTSIDE_RANGE",
                f"{params[axis.name]!r} is not one of the values that the range allows",
                value=repr(params[axis.name]),
            )
    if not violations.has(at) and not space.feasible(params):
        violations.add(at, "CONSTRAINT_VIOLATED", f"does not satisfy {' and '.join(space.constraints)}")


def _is_tried(value: ParameterValue, axis: Axis) -> bool:
    """Tell whether the value is one of those that the axis offers."""
    match axis.range:
        case ChoiceList(values):
            return any(type(value) is type(offered) and value == offered for offered in values)
        case IntegerRange(minimum, maximum, step):
            return isinstance(value, int) and minimum <= value <= maximum and (value - minimum) % step == 0
        case RealRange(minimum, maximum, None):
            return isinstance(value, float) and minimum <= value <= maximum
        case RealRange(minimum, maximum, float() as step):
            if not (isinstance(value, float) and minimum <= value <= maximum):
                return False
            return axis.value(round((value - minimum) / step)) == value
    raise AssertionError(axis.range)


def _check_constraints(
    given: tuple[str, ...], params: dict[str, ParameterSpec], violations: Violations
) -> None:
    if len(given) > CONSTRAINTS_MAX:
        violations.add(
            "constraints", "TOO_MANY_CONSTRAINTS", f"at most {CONSTRAINTS_MAX}", max=CONSTRAINTS_MAX
        )
        return
    # One value of each number's kind: whether an expression may be evaluated does not depend on values.
    sample = {name: spec.default for name, spec in params.items() if not isinstance(spec, Choice)}
    for place, expression in enumerate(given):
        _check_constraint(expression, sample, at=f"constraints[{place}]", violations=violations)


def _check_constraint(expression: str, sample: dict[str, Any], *, at: str, violations: Violations) -> None:
    if len(expression) > CONSTRAINT_LENGTH_MAX:
        violations.add(
            at,
            "CONSTRAINT_TOO_LONG",
            f"at most {CONSTRAINT_LENGTH_MAX} characters",
            max=CONSTRAINT_LENGTH_MAX,
        )
        return
    try:
        value = np.asarray(holds(expression, sample))
    except KeyError as unknown:
        known = ", ".join(sample)
        violations.add(
            at,
            "UNKNOWN_PARAMETER",
            f"{unknown.args[0]!r} is no number among the strategy's parameters; those are {known}",
            known=known,
        )
    except (ValueError, ArithmeticError) as fault:
        violations.add(at, "CONSTRAINT_NOT_ALLOWED", str(fault), constraint=expression)
    else:
        if value.dtype != np.bool_:
            violations.add(
                at,
                "CONSTRAINT_NOT_ALLOWED",
                f"{expression!r} compares nothing: write a relation such as a < b",
                constraint=expression,
            )


def _note_overlap(
    ranges: dict[str, ParameterRange], fixed: dict[str, ParameterValue], violations: Violations
) -> None:
    for name in sorted(ranges.keys() & fixed.keys()):
        violations.add(
            f"fixed_params.{name}", "FIXED_AND_SEARCHED", "is in param_ranges too: leave it out of one"
        )


def _highest(wanted: ParameterRange) -> ParameterValue:
    if isinstance(wanted, ChoiceList):
        numbers = [value for value in wanted.values if isinstance(value, int | float)]
        return max(numbers) if numbers else wanted.values[0]
    return wanted.maximum
