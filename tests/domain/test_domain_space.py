"""The search space: its points lie where they should, and all ways of counting them agree."""

import itertools
from decimal import Decimal

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from stratopt_server.domain.parameters import (
    ChoiceList,
    IntegerRange,
    ParameterRange,
    ParameterValue,
    RealRange,
)
from stratopt_server.domain.space import CHUNK_POINTS, Axis, SearchSpace

whole = st.builds(
    lambda low, width, step: IntegerRange(low, low + width, step),
    st.integers(-20, 20),
    st.integers(0, 9),
    st.integers(1, 4),
)
steps = st.builds(
    lambda low, size, step: RealRange(low / 10, low / 10 + (size - 1) * step, step),
    st.integers(-20, 20),
    st.integers(1, 5),
    st.sampled_from([0.1, 0.25, 0.3, 1.0]),
)
choices = st.lists(st.integers(-9, 9), min_size=1, max_size=4, unique=True).map(
    lambda values: ChoiceList(tuple(values))
)
lattices = st.dictionaries(st.sampled_from(["p", "q", "r"]), whole | steps | choices, min_size=1, max_size=3)
constraints = st.lists(
    st.sampled_from(["p < q", "q <= r + fixed", "p * 2 != r", "p > 100", "not (p == q or r > 0)"]), max_size=2
).map(tuple)


def space_of(ranges: dict[str, ParameterRange], *, constraints: tuple[str, ...] = ()) -> SearchSpace:
    """A space of those ranges in which every name that is not searched is fixed."""
    fixed = {name: 3 for name in ("p", "q", "r", "fixed") if name not in ranges}
    return SearchSpace.of(ranges, fixed=fixed, constraints=constraints)


def points_of(axis: Axis) -> list[ParameterValue]:
    """Every lattice point of an axis."""
    assert axis.size is not None
    return [axis.value(index) for index in range(axis.size)]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (IntegerRange(5, 5), [5]),
        (IntegerRange(2, 10, 4), [2, 6, 10]),
        (IntegerRange(2, 9, 4), [2, 6]),
        (IntegerRange(-3, 0, 3), [-3, 0]),
        (IntegerRange(0, 2, 2**62), [0]),
        (RealRange(0.5, 0.5, 0.1), [0.5]),
        (RealRange(0.0, 1.0, 0.5), [0.0, 0.5, 1.0]),
        (RealRange(0.0, 0.9, 0.5), [0.0, 0.5]),
        (ChoiceList(("b", "a")), ["b", "a"]),
        (ChoiceList((True, False)), [True, False]),
    ],
)
def test_points(wanted: ParameterRange, expected: list[ParameterValue]) -> None:
    """Points go from the minimum in steps; the maximum is one if a step lands on it."""
    points = points_of(Axis("p", wanted))
    assert points == expected
    assert [type(point) for point in points] == [type(value) for value in expected]


@pytest.mark.parametrize("low", ["0", "0.1", "0.2", "-0.3", "1.1"])
@pytest.mark.parametrize("step", ["0.1", "0.2", "0.05", "0.01", "0.003", "0.7"])
@pytest.mark.parametrize("count", [1, 2, 3, 10, 101])
def test_decimal_steps(low: str, step: str, count: int) -> None:
    """Steps that people write in decimals hit the end they were meant to hit."""
    high = Decimal(low) + (count - 1) * Decimal(step)
    axis = Axis("p", RealRange(float(low), float(high), float(step)))
    assert axis.size == count
    assert axis.value(count - 1) == pytest.approx(float(high), rel=1e-12, abs=1e-12)


@settings(deadline=None)
@given(low=st.integers(0, 1_000), high=st.integers(0, 1_000), step=st.integers(1, 400))
@example(low=100, high=300, step=100)
@example(low=116, high=1_000, step=17)
def test_inside_the_range(low: int, high: int, step: int) -> None:
    """No point of an axis is above its maximum, by however little: the strategy may not allow it."""
    assume(low <= high)
    wanted = RealRange(low / 1_000, high / 1_000, step / 1_000)
    points = points_of(Axis("p", wanted))
    assert wanted.minimum == points[0]
    assert max(points) <= wanted.maximum


@settings(deadline=None)
@given(
    low=st.floats(-1e6, 1e6),
    high=st.floats(-1e6, 1e6),
    share=st.floats(0, 1, exclude_max=True),
    log=st.booleans(),
)
@example(low=-0.1, high=0.7, share=1 - 2**-53, log=False)
def test_continuous(low: float, high: float, share: float, log: bool) -> None:
    """A continuous axis has no size, and every share of it lies inside its bounds."""
    low, high = sorted((low, high))
    if log:
        low, high = abs(low) + 1e-12, abs(low) + 1e-12 + (high - low)
    axis = Axis("p", RealRange(low, high, None, log))
    assert axis.size is None
    assert low <= axis.at(share) <= high


def test_log_axis() -> None:
    """On a log axis equal shares are equal ratios."""
    axis = Axis("p", RealRange(1e-6, 1.0, None, log=True))
    shares = [axis.at(part / 6) for part in range(7)]
    assert shares == pytest.approx([10**-6, 10**-5, 10**-4, 10**-3, 10**-2, 10**-1, 1], rel=1e-12)


def test_log_axis_from_almost_nothing() -> None:
    """A log axis may begin at a number as small as the checks allow."""
    axis = Axis("p", RealRange(1e-320, 1.0, None, log=True))
    assert axis.at(0) == pytest.approx(1e-320, rel=0.01, abs=0)
    assert axis.at(0.5) == pytest.approx(1e-160, rel=0.01, abs=0)


@settings(deadline=None)
@given(lattices)
def test_lattice(ranges: dict[str, ParameterRange]) -> None:
    """Lattice points are numbered as nested loops over the axes, in order of name, would meet them."""
    space = space_of(ranges)
    names = sorted(ranges)
    loops = itertools.product(*(points_of(Axis(name, ranges[name])) for name in names))
    met = [dict(zip(names, point, strict=True)) for point in loops]
    assert space.size == len(met)
    assert [space.lattice_point(number) for number in range(len(met))] == met


@settings(deadline=None)
@given(lattices, constraints, st.data())
def test_feasible(
    ranges: dict[str, ParameterRange], given_constraints: tuple[str, ...], data: st.DataObject
) -> None:
    """Feasible points are the same, one by one and many at a time, and as many as are counted."""
    space = space_of(ranges, constraints=given_constraints)
    size = space.size
    one_by_one = [number for number in range(size) if space.feasible(space.lattice_point(number))]
    assert space.feasible_numbers(0, size).tolist() == one_by_one
    cut = data.draw(st.integers(0, size))
    parts = (space.feasible_numbers(0, cut), space.feasible_numbers(cut, size))
    assert [number for part in parts for number in part.tolist()] == one_by_one
    assert space.count_feasible(at_most=size) == len(one_by_one)


def test_count_gives_up() -> None:
    """Counting stops soon after there are more than asked about; up to there it is exact."""
    space = space_of({"p": IntegerRange(0, 10**9), "q": IntegerRange(0, 10**9)})
    assert 10 < space.count_feasible(at_most=10) <= CHUNK_POINTS
    halves = space_of({"p": IntegerRange(1, 400), "q": IntegerRange(1, 400)}, constraints=("p < q",))
    assert halves.count_feasible(at_most=79_800) == 79_800
    assert halves.count_feasible(at_most=79_799) > 79_799


def test_order_of_ranges() -> None:
    """The order in which a request names its ranges changes nothing."""
    ranges = {"q": IntegerRange(1, 4), "p": ChoiceList((2, 1)), "r": RealRange(0.0, 1.0, 0.5)}
    turned = dict(reversed(ranges.items()))
    one, other = (space_of(order, constraints=("p <= q",)) for order in (ranges, turned))
    assert one == other
    assert [axis.name for axis in one.axes] == ["p", "q", "r"]


def test_params_of_a_point() -> None:
    """A point's parameters are all there are, fixed ones too, in order of name."""
    space = SearchSpace.of({"m": IntegerRange(1, 2)}, fixed={"z": "slow", "a": True}, constraints=())
    assert list(space.params({"m": 2}).items()) == [("a", True), ("m", 2), ("z", "slow")]


def test_fixed_values_are_kept() -> None:
    """Changing the fixed values that were given does not change the space."""
    fixed: dict[str, ParameterValue] = {"z": 1}
    space = SearchSpace.of({"m": IntegerRange(1, 2)}, fixed=fixed, constraints=())
    fixed["z"] = 2
    assert space.params({"m": 1})["z"] == 1


def test_sizes() -> None:
    """Sizes multiply without limit; one continuous axis leaves none."""
    axes: dict[str, ParameterRange] = {f"p{n}": IntegerRange(1, 10**6) for n in range(5)}
    assert SearchSpace.of(axes, fixed={}, constraints=()).size == 10**30
    axes["p0"] = RealRange(0.0, 1.0)
    assert SearchSpace.of(axes, fixed={}, constraints=()).size is None


def test_huge_lattice() -> None:
    """Points of a huge lattice are found by number, without the ones before them."""
    space = space_of({"p": IntegerRange(1, 10**9), "q": IntegerRange(1, 10**9)}, constraints=("p < q",))
    assert space.lattice_point(10**18 - 1) == {"p": 10**9, "q": 10**9}
    assert space.feasible_numbers(10**17, 10**17 + 5).tolist() == []
    assert len(space.feasible_numbers(10**17 + 10**9 // 2, 10**17 + 10**9 // 2 + 5)) == 5
