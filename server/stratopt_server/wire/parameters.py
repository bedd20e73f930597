"""Parameter values, declarations and ranges <-> proto."""

from collections.abc import Mapping

from stratopt.v1 import parameter_pb2 as pb
from stratopt_server.domain.errors import Violations
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
)


def value_to_proto(value: ParameterValue) -> pb.ParameterValue:
    """Write one value as the kind that it is."""
    match value:
        case bool():
            return pb.ParameterValue(flag=value)
        case int():
            return pb.ParameterValue(integer=value)
        case float():
            return pb.ParameterValue(real=value)
        case str():
            return pb.ParameterValue(choice=value)


def params_to_proto(params: Mapping[str, ParameterValue]) -> dict[str, pb.ParameterValue]:
    """Write values by name."""
    return {name: value_to_proto(value) for name, value in params.items()}


def params_from_proto(
    params: Mapping[str, pb.ParameterValue], *, field: str, violations: Violations
) -> dict[str, ParameterValue]:
    """Read values by name, in order of name; one that is not set is noted."""
    values: dict[str, ParameterValue] = {}
    for name in sorted(params):
        value = _value(params[name])
        if value is None:
            violations.add(f"{field}.{name}", "REQUIRED", "set one of integer, real, choice and flag")
        else:
            values[name] = value
    return values


def _value(message: pb.ParameterValue) -> ParameterValue | None:
    kind = message.WhichOneof("kind")
    value: ParameterValue | None = None if kind is None else getattr(message, kind)
    return value


def specs_to_proto(specs: Mapping[str, ParameterSpec]) -> list[pb.ParameterSpec]:
    """Write what a strategy declares, in its own order."""
    return [_spec_to_proto(name, spec) for name, spec in specs.items()]


def _spec_to_proto(name: str, spec: ParameterSpec) -> pb.ParameterSpec:
    message = pb.ParameterSpec(
        name=name, description=spec.description, default_value=value_to_proto(spec.default)
    )
    match spec:
        case Integer():
            message.integer.CopyFrom(pb.IntegerDomain(min=spec.minimum, max=spec.maximum))
        case Real():
            message.real.CopyFrom(pb.RealDomain(min=spec.minimum, max=spec.maximum))
        case Choice():
            message.choice.CopyFrom(pb.ChoiceDomain(values=spec.values))
        case Flag():
            message.flag.SetInParent()
    return message


def ranges_to_proto(ranges: Mapping[str, ParameterRange]) -> dict[str, pb.ParameterRange]:
    """Write what may be tried, by name."""
    return {name: _range_to_proto(wanted) for name, wanted in ranges.items()}


def _range_to_proto(wanted: ParameterRange) -> pb.ParameterRange:
    match wanted:
        case IntegerRange(minimum, maximum, step):
            return pb.ParameterRange(integer=pb.IntegerRange(min=minimum, max=maximum, step=step))
        case RealRange(minimum, maximum, step, log):
            return pb.ParameterRange(real=pb.RealRange(min=minimum, max=maximum, step=step, log=log))
        case ChoiceList(values):
            return pb.ParameterRange(choices=pb.ChoiceList(values=[value_to_proto(v) for v in values]))


def ranges_from_proto(
    ranges: Mapping[str, pb.ParameterRange], *, violations: Violations
) -> dict[str, ParameterRange]:
    """Read what may be tried, by name; a range that is not set is noted."""
    read: dict[str, ParameterRange] = {}
    for name in sorted(ranges):
        wanted = _range(ranges[name], field=f"param_ranges.{name}", violations=violations)
        if wanted is not None:
            read[name] = wanted
    return read


def _range(message: pb.ParameterRange, *, field: str, violations: Violations) -> ParameterRange | None:
    match message.WhichOneof("kind"):
        case "integer":
            whole = message.integer
            return IntegerRange(whole.min, whole.max, whole.step)
        case "real":
            real = message.real
            step = real.step if real.HasField("step") else None
            return RealRange(real.min, real.max, step, real.log)
        case "choices":
            values = [_value(value) for value in message.choices.values]
            if None in values:
                violations.add(f"{field}.choices", "REQUIRED", "each value needs its kind set")
                return None
            return ChoiceList(tuple(value for value in values if value is not None))
        case _:
            violations.add(field, "REQUIRED", "set one of integer, real and choices")
            return None
