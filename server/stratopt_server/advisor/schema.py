"""A model's proposal: JSON of one shape, within what the strategy declares, or nothing."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stratopt_server.domain.advice import Experiment, Proposal
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

EXPERIMENTS_MAX = 5
TITLE_MAX, TEXT_MAX = 120, 600
CHOICES_MAX = 20


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


def read_proposal(answer: str, declared: Mapping[str, ParameterSpec]) -> tuple[str, Proposal]:
    """Read an answer's text and proposal; raises UnfitProposal."""
    try:
        found = _Proposal.model_validate(json.loads(answer))
    except (ValueError, RecursionError) as error:
        fault = error.errors()[0] if isinstance(error, ValidationError) else None
        place = "" if fault is None else ".".join(str(part) for part in fault["loc"])
        raise UnfitProposal(f"the answer has not the shape asked for{place and f' at {place}'}") from error
    ranges = {name: _range(name, wanted, declared) for name, wanted in sorted(found.param_ranges.items())}
    experiments = tuple(
        Experiment(title=one.title, why=one.why, params=_params(one.params, declared))
        for one in found.experiments
    )
    return found.text, Proposal(param_ranges=ranges, experiments=experiments)


def _spec(name: str, declared: Mapping[str, ParameterSpec]) -> ParameterSpec:
    if name not in declared:
        raise UnfitProposal("it names a parameter that the strategy does not have")
    return declared[name]


def _range(name: str, wanted: _Range, declared: Mapping[str, ParameterSpec]) -> ParameterRange:
    spec = _spec(name, declared)
    if wanted.choices is not None:
        return ChoiceList(tuple(_value(name, value, declared) for value in wanted.choices))
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


def _params(
    params: Mapping[str, Any] | None, declared: Mapping[str, ParameterSpec]
) -> dict[str, ParameterValue] | None:
    if params is None:
        return None
    if set(params) != set(declared):
        raise UnfitProposal("a set to try must give every parameter of the strategy, and no other")
    return {name: _value(name, params[name], declared) for name in sorted(params)}


def _value(name: str, value: Any, declared: Mapping[str, ParameterSpec]) -> ParameterValue:
    spec = _spec(name, declared)
    if isinstance(spec, Real) and isinstance(value, bool):
        raise UnfitProposal(f"{name} must be {spec.allowed}")
    if not spec.accepts(value):
        raise UnfitProposal(f"{name} must be {spec.allowed}")
    return typed(spec, value)
