"""Parameters and ranges: what callers write, what goes over the wire, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratopt.v1.parameter_pb2 import ChoiceList, IntegerRange, ParameterRange, ParameterValue, RealRange
from stratopt_client import InvalidInput, params_to_python
from stratopt_client._params import params_to_proto, range_to_proto, ranges_to_proto, value_to_proto
from stratopt_client._plain import _range
from stratopt_client._shape import Shape

INT64 = st.integers(-(2**63), 2**63 - 1)
REAL = st.floats(allow_nan=False, allow_infinity=False)
VALUE = st.one_of(INT64, REAL, st.text(), st.booleans())
CHOICES = st.one_of(
    *(st.lists(kind, min_size=1) for kind in (INT64, REAL, st.text(), st.booleans())),
)


def as_params(params: object) -> dict[str, ParameterValue]:
    """Convert, and refuse what is wrong."""
    shape = Shape()
    converted = params_to_proto(shape, "params", params)
    shape.refuse_if_any()
    return converted


def as_range(value: object) -> ParameterRange:
    """Convert, and refuse what is wrong."""
    shape = Shape()
    converted = range_to_proto(shape, "param_ranges.x", value)
    shape.refuse_if_any()
    return converted


def refused(convert, value: object) -> list[str]:
    """Return the fields that are named when the value is refused."""
    with pytest.raises(InvalidInput) as caught:
        convert(value)
    return [violation.field for violation in caught.value.violations]


@given(st.dictionaries(st.text(), VALUE))
def test_params_come_back_as_they_went(params: dict[str, object]) -> None:
    """Value and type survive: 20 stays a whole number, 20.0 a real one, True a flag."""
    back = params_to_python(as_params(params))
    assert back == params
    assert {name: type(value) for name, value in back.items()} == {
        name: type(value) for name, value in params.items()
    }


@given(st.dictionaries(st.text(), VALUE))
def test_params_of_a_message_can_be_given_again(params: dict[str, object]) -> None:
    """The best params of a search are the params of a backtest without a conversion between."""
    first = as_params(params)
    assert as_params(first) == first


@given(INT64, INT64)
def test_two_whole_numbers_are_a_whole_number_range(low: int, high: int) -> None:
    """[5, 50] is everything from 5 to 50."""
    assert as_range([low, high]) == ParameterRange(integer=IntegerRange(min=low, max=high))


@given(REAL, st.one_of(REAL, st.integers(-(2**53), 2**53)), st.booleans())
def test_two_numbers_with_a_real_one_are_a_real_range(low: float, high: float, swapped: bool) -> None:
    """[0.5, 2] is every real number between, whichever of the two is the real one."""
    ends = (high, low) if swapped else (low, high)
    assert as_range(ends) == ParameterRange(real=RealRange(min=ends[0], max=ends[1]))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"min": 5, "max": 50, "step": 1}, ParameterRange(integer=IntegerRange(min=5, max=50, step=1))),
        ({"min": 5, "max": 50}, ParameterRange(integer=IntegerRange(min=5, max=50))),
        ({"min": 5, "max": 50, "log": False}, ParameterRange(integer=IntegerRange(min=5, max=50))),
        ({"min": 1, "max": 50, "log": True}, ParameterRange(real=RealRange(min=1, max=50, log=True))),
        ({"min": 0, "max": 1, "step": 0.1}, ParameterRange(real=RealRange(min=0, max=1, step=0.1))),
        (
            {"min": 0.002, "max": 0.05, "log": True},
            ParameterRange(real=RealRange(min=0.002, max=0.05, log=True)),
        ),
    ],
)
def test_range_with_names_is_real_where_anything_is(written: object, meant: ParameterRange) -> None:
    """Whole numbers only make a whole-number range; `log` or a real number make it real."""
    assert as_range(written) == meant


@pytest.mark.parametrize(
    ("written", "values"),
    [
        (["a", "b"], ["a", "b"]),
        ([True, False], [True, False]),
        ([5, 20, 50], [5, 20, 50]),
        ([5], [5]),
        ([0, 0.005, 0.01], [0.0, 0.005, 0.01]),
        ({"choices": [5, 50]}, [5, 50]),
        ((1, 2, 3), [1, 2, 3]),
    ],
)
def test_other_lists_are_choices(written: object, values: list[object]) -> None:
    """Words, flags, and any count of numbers but two are tried as they stand; a list has one kind."""
    choices = [value_to_proto(Shape(), "x", value) for value in values]
    assert as_range(written) == ParameterRange(choices=ChoiceList(values=choices))


@given(
    st.one_of(
        st.builds(
            lambda low, high, step: ParameterRange(integer=IntegerRange(min=low, max=high, step=step)),
            INT64,
            INT64,
            st.integers(0, 99),
        ),
        st.builds(
            lambda low, high, step, log: ParameterRange(
                real=RealRange(min=low, max=high, step=step, log=log)
            ),
            REAL,
            REAL,
            st.none() | st.floats(0.001, 9),
            st.booleans(),
        ),
        CHOICES.map(lambda values: as_range({"choices": values})),
    )
)
def test_ranges_come_back_as_they_went(wanted: ParameterRange) -> None:
    """What to_dict shows of a range means the same range when it is given again."""
    assert as_range(_range(wanted)) == wanted
    assert as_range(wanted) == wanted


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        (5, ["param_ranges.x"]),
        ("5:50", ["param_ranges.x"]),
        ([], ["param_ranges.x"]),
        ([1, "a", 2], ["param_ranges.x"]),
        ([True, 1, 2], ["param_ranges.x"]),
        ([[1, 2], 3, 4], ["param_ranges.x[0]", "param_ranges.x"]),
        ({"choices": "abc"}, ["param_ranges.x"]),
        ({"min": 5}, ["param_ranges.x.max"]),
        ({}, ["param_ranges.x.min", "param_ranges.x.max"]),
        ({"min": 5, "max": 50, "stop": 1}, ["param_ranges.x.stop"]),
        ({"min": "5", "max": None}, ["param_ranges.x.max"]),
        ({"min": "5", "max": 6}, ["param_ranges.x.min"]),
        ({"min": 5, "max": 2**63}, ["param_ranges.x.max"]),
        ({"min": 0.5, "max": float("nan")}, ["param_ranges.x.max"]),
        ({"min": 5, "max": 50, "log": "yes"}, ["param_ranges.x.log"]),
    ],
)
def test_ranges_of_no_shape_are_refused(value: object, fields: list[str]) -> None:
    """The error names the field, as the caller wrote it."""
    assert refused(as_range, value) == fields


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        ([("a", 1)], ["params"]),
        ({1: 2}, ["params"]),
        ({"a": None, "b": [1], "c": 1}, ["params.a", "params.b"]),
        ({"a": 2**63}, ["params.a"]),
        ({"a": float("inf")}, ["params.a"]),
    ],
)
def test_params_of_no_shape_are_refused(value: object, fields: list[str]) -> None:
    """Every parameter that is wrong is named at once."""
    assert refused(as_params, value) == fields


def test_numbers_of_numpy_are_numbers() -> None:
    """Values read from an array need no conversion."""
    numpy = pytest.importorskip("numpy")
    back = params_to_python(as_params({"a": numpy.int64(5), "b": numpy.float64(0.5)}))
    assert back == {"a": 5, "b": 0.5}
    assert as_range([numpy.int32(1), numpy.int64(9)]).integer.max == 9


def test_many_ranges_are_converted_by_name() -> None:
    """Each keeps its name."""
    shape = Shape()
    assert set(ranges_to_proto(shape, "param_ranges", {"a": [1, 2], "b": ["x"]})) == {"a", "b"}
    shape.refuse_if_any()
