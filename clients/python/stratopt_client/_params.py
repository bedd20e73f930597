"""Parameter values and ranges: as callers write them, and as the wire has them."""

from collections.abc import Iterable, Mapping, Sequence

from stratopt.v1.parameter_pb2 import ChoiceList, IntegerRange, ParameterRange, ParameterValue, RealRange
from stratopt_client._shape import Shape, is_real, is_whole, kind_of, shown

ParamValue = int | float | str | bool
"""One value; its type is its kind: whole number, real number, choice, flag."""

Params = Mapping[str, ParamValue | ParameterValue]
"""Values by parameter; `best.trial.params` of an optimization is one too."""

ParamRange = Mapping[str, object] | Sequence[ParamValue] | ParameterRange
"""What a search may try of one parameter, as it is written in JSON:

`{"min": 5, "max": 50, "step": 1}`  whole numbers; with `"log": True` or any real number: real numbers
`[5, 50]`                           two numbers: everything from one to the other
`["a", "b"]`, `[5, 20, 50]`         words, flags, or three numbers and more: these values
`{"choices": [5, 50]}`              these values, also where there are two numbers
"""

ParamRanges = Mapping[str, ParamRange]
"""Ranges by parameter."""

_RANGE_KEYS = ("min", "max", "step", "log")


def params_to_python(params: Mapping[str, ParameterValue]) -> dict[str, ParamValue]:
    """Return parameters of a message as plain Python values."""
    return {name: value_to_python(value) for name, value in params.items()}


def value_to_python(value: ParameterValue) -> ParamValue:
    """Return the one value that is set."""
    match value.WhichOneof("kind"):
        case "integer":
            return value.integer
        case "real":
            return value.real
        case "flag":
            return value.flag
        case _:
            return value.choice


def params_to_proto(shape: Shape, field: str, params: object) -> dict[str, ParameterValue]:
    """Return parameters by name, none for None."""
    return {
        name: value_to_proto(shape, f"{field}.{name}", value)
        for name, value in _named(shape, field, params).items()
    }


def value_to_proto(shape: Shape, field: str, value: object) -> ParameterValue:
    """Return the value in its kind."""
    if isinstance(value, ParameterValue):
        return value
    if isinstance(value, bool):
        return ParameterValue(flag=value)
    if isinstance(value, str):
        return ParameterValue(choice=value)
    if is_whole(value):
        return ParameterValue(integer=shape.whole(field, value) or 0)
    if is_real(value):
        real = shape.number(field, value)
        return ParameterValue(real=0.0 if real is None else real)
    shape.wrong(field, f"must be a number, text, True or False, not {kind_of(value)}")
    return ParameterValue()


def ranges_to_proto(shape: Shape, field: str, ranges: object) -> dict[str, ParameterRange]:
    """Return ranges by name."""
    return {
        name: range_to_proto(shape, f"{field}.{name}", value)
        for name, value in _named(shape, field, ranges).items()
    }


def range_to_proto(shape: Shape, field: str, value: object) -> ParameterRange:
    """Return the range that is written so."""
    if isinstance(value, ParameterRange):
        return value
    if isinstance(value, Mapping):
        return _from_mapping(shape, field, value)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        if len(value) == 2 and all(is_whole(end) or is_real(end) for end in value):
            return _span(shape, field, {"min": value[0], "max": value[1]})
        return _choices(shape, field, value)
    shape.wrong(
        field,
        'must be {"min": .., "max": ..}, two numbers, or a list of values, '
        f"not {shown(value)}; a value that is not searched belongs in fixed_params",
    )
    return ParameterRange()


def _named(shape: Shape, field: str, value: object) -> Mapping[str, object]:
    """Return a mapping whose keys are names, an empty one for None."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        shape.wrong(field, f"must be a mapping from names, not {kind_of(value)}")
        return {}
    if not all(isinstance(name, str) for name in value):
        shape.wrong(field, "every name must be text")
        return {}
    return value


def _from_mapping(shape: Shape, field: str, value: Mapping[object, object]) -> ParameterRange:
    if set(value) == {"choices"}:
        return _choices(shape, field, value["choices"])
    unknown = [key for key in value if key not in _RANGE_KEYS]
    for key in unknown:
        shape.wrong(
            f"{field}.{key}",
            'is not known here: min, max, step, log or "choices" alone',
            reason="UNKNOWN_KEY",
        )
    absent = [key for key in ("min", "max") if value.get(key) is None]
    for key in absent:
        shape.wrong(f"{field}.{key}", "is needed", reason="REQUIRED")
    if unknown or absent:
        return ParameterRange()
    return _span(shape, field, value)


def _span(shape: Shape, field: str, value: Mapping[object, object] | Mapping[str, object]) -> ParameterRange:
    """Return everything from min to max: whole numbers if all that is given is whole, and not `log`."""
    ends = {key: value.get(key) for key in ("min", "max", "step")}
    log = value.get("log")
    if not (log is None or isinstance(log, bool)):
        shape.wrong(f"{field}.log", f"must be True or False, not {shown(log)}")
    # What is no number at all is told so below, by `number`.
    if not log and all(end is None or is_whole(end) for end in ends.values()):
        whole = {key: shape.whole(f"{field}.{key}", end) or 0 for key, end in ends.items()}
        return ParameterRange(
            integer=IntegerRange(min=whole["min"], max=whole["max"], step=whole["step"]),
        )
    read = {key: shape.number(f"{field}.{key}", end) for key, end in ends.items()}
    real = {key: number for key, number in read.items() if number is not None}
    return ParameterRange(real=RealRange(log=bool(log), **real))


def _choices(shape: Shape, field: str, values: object) -> ParameterRange:
    if not isinstance(values, Sequence) or isinstance(values, str | bytes):
        shape.wrong(field, f"must be a list of values, not {shown(values)}")
        return ParameterRange()
    if not values:
        shape.wrong(field, "must name at least one value", reason="REQUIRED")
    listed: Iterable[object] = values
    if any(is_real(value) for value in values) and all(is_whole(value) or is_real(value) for value in values):
        # Whole numbers among real ones are real ones; a list has one kind.
        listed = [shape.number(f"{field}[{place}]", value) for place, value in enumerate(values)]
    protos = [value_to_proto(shape, f"{field}[{place}]", value) for place, value in enumerate(listed)]
    if len({proto.WhichOneof("kind") for proto in protos}) > 1:
        shape.wrong(field, "must be all numbers, all words or all flags", reason="MIXED")
    return ParameterRange(choices=ChoiceList(values=protos))
