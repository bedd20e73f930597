"""Values, declarations and ranges of parameters keep their kind, both ways."""

import pytest
from domain_arbitrary import param_ranges, params, specs, values
from domain_samples import exact
from hypothesis import given
from hypothesis import strategies as st
from proto_fields import sent, unset

from stratopt.v1 import backtest_service_pb2, optimization_service_pb2, parameter_pb2, strategy_pb2
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
from stratopt_server.wire.parameters import (
    params_from_proto,
    params_to_proto,
    ranges_from_proto,
    ranges_to_proto,
    specs_to_proto,
    value_to_proto,
)

KINDS = {bool: "flag", int: "integer", float: "real", str: "choice"}


def faults(violations: Violations) -> list[tuple[str, str]]:
    """The field and reason of each fault."""
    return [(found.field, found.reason) for found in violations._found]


@given(values)
def test_value_has_its_kind(value: ParameterValue) -> None:
    """20, 20.0, True and "20" are sent as the kinds that they are."""
    message = value_to_proto(value)
    assert message.WhichOneof("kind") == KINDS[type(value)]
    assert exact(getattr(sent(message), KINDS[type(value)])) == exact(value)


@given(params)
def test_params_come_back(given_params: dict[str, ParameterValue]) -> None:
    """Parameters come back in kind and bits, in order of name."""
    request = sent(backtest_service_pb2.StartBacktestRequest(params=params_to_proto(given_params)))
    violations = Violations()
    read = params_from_proto(request.params, field="params", violations=violations)
    assert exact(read) == exact(dict(sorted(given_params.items())))
    violations.refuse_if_any()


@given(param_ranges)
def test_ranges_come_back(ranges: dict[str, ParameterRange]) -> None:
    """Ranges come back in kind and bits, in order of name; a continuous one stays so."""
    request = sent(optimization_service_pb2.StartOptimizationRequest(param_ranges=ranges_to_proto(ranges)))
    violations = Violations()
    read = ranges_from_proto(request.param_ranges, violations=violations)
    assert exact(read) == exact(dict(sorted(ranges.items())))
    violations.refuse_if_any()


def test_step_left_out() -> None:
    """Whole numbers without a step go by the parameter's own; real ones without a step are continuous."""
    ranges = {
        "n": parameter_pb2.ParameterRange(integer=parameter_pb2.IntegerRange(min=1, max=3)),
        "x": parameter_pb2.ParameterRange(real=parameter_pb2.RealRange(min=1, max=3)),
        "zero": parameter_pb2.ParameterRange(real=parameter_pb2.RealRange(min=1, max=3, step=0)),
    }
    read = ranges_from_proto(ranges, violations=Violations())
    assert read == {"n": IntegerRange(1, 3, 0), "x": RealRange(1, 3, None), "zero": RealRange(1, 3, 0.0)}


def test_unset_value() -> None:
    """A value without a kind is noted by its field, and each of several is."""
    violations = Violations()
    nothing = parameter_pb2.ParameterValue()
    given_params = {"b": nothing, "a": nothing, "c": value_to_proto(1)}
    assert params_from_proto(given_params, field="fixed_params", violations=violations) == {"c": 1}
    assert faults(violations) == [("fixed_params.a", "REQUIRED"), ("fixed_params.b", "REQUIRED")]


def test_unset_range() -> None:
    """A range without a kind, or a list with a value without one, is noted by its field."""
    violations = Violations()
    listed = parameter_pb2.ChoiceList(values=[value_to_proto(0), parameter_pb2.ParameterValue()])
    ranges = {
        "a": parameter_pb2.ParameterRange(),
        "b": parameter_pb2.ParameterRange(choices=listed),
        "c": parameter_pb2.ParameterRange(choices=parameter_pb2.ChoiceList(values=[value_to_proto(False)])),  # noqa: FBT003 - a value
    }
    assert ranges_from_proto(ranges, violations=violations) == {"c": ChoiceList((False,))}
    assert faults(violations) == [("param_ranges.a", "REQUIRED"), ("param_ranges.b.choices", "REQUIRED")]


@given(specs)
def test_specs_are_told(declared: dict[str, ParameterSpec]) -> None:
    """What a strategy declares is told in its own order, each with kind, bounds and default."""
    told = sent(strategy_pb2.Strategy(parameters=specs_to_proto(declared))).parameters
    assert [message.name for message in told] == list(declared)
    for message, spec in zip(told, declared.values(), strict=True):
        assert message.description == spec.description
        assert exact(getattr(message.default_value, KINDS[type(spec.default)])) == exact(spec.default)
        domain = getattr(message, message.WhichOneof("domain"))
        match spec:
            case Integer() | Real():
                assert exact((domain.min, domain.max)) == exact((spec.minimum, spec.maximum))
            case Choice():
                assert tuple(domain.values) == spec.values
            case Flag():
                assert domain == parameter_pb2.FlagDomain()


@pytest.mark.parametrize(
    ("spec", "domain"),
    [
        (Integer(default=1, minimum=1, maximum=2, description="d"), "integer"),
        (Real(default=0.5, minimum=0.25, maximum=1.0, description="d"), "real"),
        (Choice(default="a", values=("a", "b"), description="d"), "choice"),
        (Flag(default=True, description="d"), "flag"),
    ],
)
def test_spec_is_complete(spec: ParameterSpec, domain: str) -> None:
    """Every field of a declaration is told, under its own kind."""
    [message] = specs_to_proto({"p": spec})
    assert message.WhichOneof("domain") == domain
    assert list(unset(message)) == []


@given(st.floats())
def test_figures_that_are_none(figure: float) -> None:
    """Not a number and infinity come through as they are: the checks behind refuse them by name."""
    read = params_from_proto({"x": value_to_proto(figure)}, field="params", violations=Violations())
    assert exact(read) == exact({"x": figure})
