"""Whatever ranges a request may name can be searched, and what is found can be run."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratopt_server.domain.errors import Violations
from stratopt_server.domain.parameters import (
    Choice,
    ChoiceList,
    Flag,
    Integer,
    IntegerRange,
    ParameterRange,
    Real,
    RealRange,
)
from stratopt_server.domain.runs import Algorithm
from stratopt_server.domain.space import SearchSpace
from stratopt_server.domain.strategy import StrategyContract
from stratopt_server.optimizers import make_searcher
from stratopt_server.usecases.params import check_params, check_ranges

CONTRACT = StrategyContract(
    params={
        "period": Integer(default=5, minimum=1, maximum=100_000),
        "threshold": Real(default=0.02, minimum=0.0, maximum=1.0),
        "mode": Choice(default="fast", values=("fast", "slow")),
        "on": Flag(default=False),
    },
    constraints=(),
    kernel="none",
    strategy_type="momentum",
)
DEFAULTS = {name: spec.default for name, spec in CONTRACT.params.items()}

reals = st.floats(-0.5, 1.5) | st.sampled_from([0.0, 1.0, 5e-324, 1e-300, 1 - 2**-53])
integers = st.integers(-3, 100_003)
real_ranges = st.builds(RealRange, reals, reals, st.none() | st.floats(), st.booleans())
integer_ranges = st.builds(IntegerRange, integers, integers, st.integers(-2, 2**63 - 1))
lists = st.lists(
    st.one_of(reals, integers, st.booleans(), st.sampled_from(["fast", "slow"])), max_size=3
).map(lambda values: ChoiceList(tuple(values)))
requests = st.dictionaries(
    st.sampled_from(list(CONTRACT.params)), st.one_of(real_ranges, integer_ranges, lists), min_size=1
)


def check_search(ranges: dict[str, ParameterRange]) -> bool:
    """Search the ranges as a request would; every point must be one that a backtest accepts.

    False if the request is refused.
    """
    violations = Violations()
    checked = check_ranges(ranges, CONTRACT, violations=violations)
    if violations.has("param_ranges"):
        return False
    fixed = {name: value for name, value in DEFAULTS.items() if name not in checked}
    space = SearchSpace.of(checked, fixed=fixed, constraints=CONTRACT.constraints)
    last = {axis.name: axis.at(1) if axis.size is None else axis.value(axis.size - 1) for axis in space.axes}
    found = make_searcher(Algorithm.RANDOM, space, seed=1, budget=100).ask(5)
    assert found
    for point in [*found, space.params(last)]:
        again = check_params(point, CONTRACT, DEFAULTS, at="params", violations=violations)
        assert not violations.has("params"), point
        assert again == point
    return True


@settings(deadline=None, max_examples=150)
@given(requests)
def test_arbitrary_ranges(ranges: dict[str, ParameterRange]) -> None:
    """Arbitrary ranges are refused, or searched to points that a backtest accepts."""
    check_search(ranges)


@pytest.mark.parametrize(
    "wanted",
    [
        RealRange(0.116, 1.0, 0.017),
        RealRange(0.1, 1.0, 0.1),
        RealRange(0.0, 1.0),
        RealRange(1e-6, 1.0, None, log=True),
        RealRange(1e-320, 1.0, None, log=True),
        IntegerRange(0, 1),
        ChoiceList((0, 0.5, 1)),
    ],
    ids=repr,
)
def test_ranges_to_the_bound(wanted: ParameterRange) -> None:
    """A range may reach to the bounds of its parameter."""
    assert check_search({"threshold": wanted})


@pytest.mark.parametrize("step", [5e-324, 1e-300, 1e-20])
def test_steps_too_fine(step: float) -> None:
    """A step that cuts a range finer than can be counted is refused or searched, and breaks nothing."""
    check_search({"threshold": RealRange(0.0, 1.0, step)})


@pytest.mark.parametrize("step", [0, -1, 2**63 - 1])
def test_odd_integer_steps(step: int) -> None:
    """A step back is refused, 0 stands for 1, and one beyond the range leaves its first point."""
    assert check_search({"period": IntegerRange(1, 10, step)}) == (step >= 0)
