"""A model's proposal: JSON of one shape, within what the strategy declares, or nothing."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stratopt_server.domain.advice import Experiment, Proposal, Subject
from stratopt_server.domain.constraints import holds
from stratopt_server.domain.parameters import (
    Choice,
    ChoiceList,
    Flag,
    Integer,
    IntegerRange,
    ParameterRange,
    ParameterSpec,
    ParameterValue,
    Real,
    RealRange,
    typed,
)
from stratopt_server.domain.space import SearchSpace

EXPERIMENTS_MAX = 5
TITLE_MAX, TEXT_MAX = 120, 600
CHOICES_MAX = 20
POINTS_TRIED = 4_096
"""Of proposed ranges, drawn to find one that satisfies the constraints."""
FIELDS = {"text", "param_ranges", "experiments", "title", "why", "params", "min", "max", "step", "choices"}
"""Names that a note may repeat; any other is the model's own word."""


class UnfitProposal(ValueError):
    """An answer is no proposal for this strategy; the message says where."""


class _Range(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    min: int | float | None = None
    max: int | float | None = None
    step: int | float | None = None
    choices: list[bool | int | float | str] | None = Field(None, min_length=1, max_length=CHOICES_MAX)


class _Experiment(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    title: str = Field(min_length=1, max_length=TITLE_MAX)
    why: str = Field(min_length=1, max_length=TEXT_MAX)
    params: dict[str, bool | int | float | str] | None = None


class _Proposal(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    text: str = Field(min_length=1, max_length=4_000)
    param_ranges: dict[str, _Range] = Field(min_length=1)
    experiments: list[_Experiment] = Field(max_length=EXPERIMENTS_MAX)


def read_proposal(answer: str, subject: Subject) -> tuple[str, Proposal]:
    """Read an answer's text and proposal; raises UnfitProposal."""
    try:
        found = _Proposal.model_validate(json.loads(answer))
    except (ValueError, RecursionError) as error:
        raise UnfitProposal(f"the answer has not the shape asked for{_place(error)}") from error
    declared = subject.declared
    ranges = {name: _range(name, wanted, declared) for name, wanted in sorted(found.param_ranges.items())}
    _check_feasible(ranges, subject)
    experiments = tuple(
        Experiment(title=one.title, why=one.why, params=_params(one.params, subject))
        for one in found.experiments
    )
    return found.text, Proposal(param_ranges=ranges, experiments=experiments)


def _place(error: Exception) -> str:
    """Say where the fault is, without repeating what the answer says."""
    if not isinstance(error, ValidationError):
        return ""
    place = [str(part) for part in error.errors()[0]["loc"] if isinstance(part, int) or part in FIELDS]
    return f" at {'.'.join(place)}" if place else ""


def _check_feasible(ranges: Mapping[str, ParameterRange], subject: Subject) -> None:
    """Refuse ranges of which no set is one that the strategy may run."""
    fixed = {
        name: subject.params.get(name, spec.default)
        for name, spec in subject.declared.items()
        if name not in ranges
    }
    space = SearchSpace.of(ranges, fixed=fixed, constraints=subject.constraints)
    if not space.feasible_mask(space.draw(POINTS_TRIED, np.random.default_rng(0))).any():
        raise UnfitProposal(f"no set within its ranges satisfies {' and '.join(subject.constraints)}")


def _spec(name: str, declared: Mapping[str, ParameterSpec]) -> ParameterSpec:
    if name not in declared:
        raise UnfitProposal("it names a parameter that the strategy does not have")
    return declared[name]


def _range(name: str, wanted: _Range, declared: Mapping[str, ParameterSpec]) -> ParameterRange:
    spec = _spec(name, declared)
    if wanted.choices is not None:
        choices = tuple(_value(name, value, declared) for value in wanted.choices)
        if len(set(choices)) < len(choices):
            raise UnfitProposal(f"the choices of {name} repeat themselves")
        return ChoiceList(choices)
    if isinstance(spec, Choice | Flag) or wanted.min is None or wanted.max is None:
        raise UnfitProposal(f"the range of {name} needs min and max, or choices")
    for bound in (wanted.min, wanted.max):
        _value(name, bound, declared)
    step = wanted.step
    if wanted.min > wanted.max or (step is not None and not 0 < step <= wanted.max - wanted.min):
        raise UnfitProposal(f"the range of {name} is empty, or its step does not fit into it")
    if isinstance(spec, Integer):
        return IntegerRange(int(wanted.min), int(wanted.max), 1 if step is None else _whole(name, step))
    return RealRange(float(wanted.min), float(wanted.max), None if step is None else float(step))


def _whole(name: str, step: float) -> int:
    if not float(step).is_integer():
        raise UnfitProposal(f"the step of {name} must be a whole number")
    return int(step)


def _params(params: Mapping[str, Any] | None, subject: Subject) -> dict[str, ParameterValue] | None:
    if params is None:
        return None
    declared = subject.declared
    if set(params) != set(declared):
        raise UnfitProposal("a set to try must give every parameter of the strategy, and no other")
    values = {name: _value(name, params[name], declared) for name in sorted(params)}
    broken = next((one for one in subject.constraints if not bool(holds(one, values))), None)
    if broken is not None:
        raise UnfitProposal(f"of a set to try {broken} must hold")
    return values


def _value(name: str, value: Any, declared: Mapping[str, ParameterSpec]) -> ParameterValue:
    spec = _spec(name, declared)
    if isinstance(spec, Real) and isinstance(value, bool):
        raise UnfitProposal(f"{name} must be {spec.allowed}")
    if not spec.accepts(value):
        raise UnfitProposal(f"{name} must be {spec.allowed}")
    return typed(spec, value)
