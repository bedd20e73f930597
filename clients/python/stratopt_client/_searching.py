"""How a search is aimed, tested and stopped: as callers write it, and as the wire has it."""

from collections.abc import Iterable, Mapping
from typing import Any

from stratopt.v1.optimization_pb2 import (
    Objective,
    OptimizationTarget,
    ParameterSet,
    StopRule,
    Validation,
    ValidationMethod,
)
from stratopt_client._params import params_to_proto
from stratopt_client._shape import Shape, kind_of, shown

_VALIDATION_KEYS = ("method", "windows", "rolling", "purge_bars", "holdout")
_STOP_RULE_KEYS = ("time_budget_seconds", "target_score", "plateau")


def objectives_to_proto(shape: Shape, value: object) -> list[Objective]:
    """Return the figures to make best at once, none for None."""
    return [
        _objective(shape, f"objectives[{place}]", one)
        for place, one in enumerate(_listed(shape, "objectives", value))
    ]


def _objective(shape: Shape, field: str, value: object) -> Objective:
    """Return a figure written as a word alone, or as a mapping of target and weight."""
    alone = {"target": value} if isinstance(value, str) else None
    given = alone or _mapping(shape, field, value, ("target", "weight"))
    word = shape.word(f"{field}.target", given.get("target"), OptimizationTarget.DESCRIPTOR)
    return Objective(
        target=OptimizationTarget.Value(word), weight=shape.number(f"{field}.weight", given.get("weight"))
    )


def validation_to_proto(shape: Shape, value: object) -> Validation | None:
    """Return how a search is tested; None for None. A word alone is a method."""
    if value is None:
        return None
    alone = {"method": value} if isinstance(value, str) else None
    given = alone or _mapping(shape, "validation", value, _VALIDATION_KEYS)
    word = shape.word("validation.method", given.get("method"), ValidationMethod.DESCRIPTOR)
    return Validation(
        method=ValidationMethod.Value(word),
        windows=shape.whole("validation.windows", given.get("windows")),
        rolling=_flag(shape, "validation.rolling", given.get("rolling")),
        purge_bars=shape.whole("validation.purge_bars", given.get("purge_bars")),
        holdout=shape.number("validation.holdout", given.get("holdout")),
    )


def stop_rule_to_proto(shape: Shape, value: object) -> StopRule | None:
    """Return when a search stops early; None for None."""
    if value is None:
        return None
    given = _mapping(shape, "stop_rule", value, _STOP_RULE_KEYS)
    return StopRule(
        time_budget_seconds=shape.number("stop_rule.time_budget_seconds", given.get("time_budget_seconds")),
        target_score=shape.number("stop_rule.target_score", given.get("target_score")),
        plateau=_flag(shape, "stop_rule.plateau", given.get("plateau")),
    )


def sets_to_proto(shape: Shape, value: object) -> list[ParameterSet]:
    """Return the sets to try first, none for None."""
    return [
        ParameterSet(params=params_to_proto(shape, f"initial_params[{place}]", params))
        for place, params in enumerate(_listed(shape, "initial_params", value))
    ]


def texts_to_proto(shape: Shape, field: str, value: object) -> list[str]:
    """Return a list of texts, none for None."""
    return [shape.text(f"{field}[{place}]", one) for place, one in enumerate(_listed(shape, field, value))]


def _listed(shape: Shape, field: str, value: object) -> list[object]:
    if value is None:
        return []
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping):
        return list(value)
    shape.wrong(field, f"must be a list, not {kind_of(value)}")
    return []


def _mapping(shape: Shape, field: str, value: object, known: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        shape.wrong(field, f"must be a mapping with {', '.join(known)}, not {shown(value)}")
        return {}
    for key in value:
        if key not in known:
            shape.wrong(f"{field}.{key}", f"is not known here: {', '.join(known)}", reason="UNKNOWN_KEY")
    return value


def _flag(shape: Shape, field: str, value: object) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    shape.wrong(field, f"must be True or False, not {shown(value)}")
    return False
