"""Every searcher proposes feasible points, none twice, the same for the same seed, and all there are."""

import math
import random
import time
import tracemalloc
from collections.abc import Iterable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratopt_server.domain.parameters import ChoiceList, IntegerRange, ParameterRange, RealRange
from stratopt_server.domain.runs import Algorithm
from stratopt_server.domain.space import CHUNK_POINTS, SearchSpace
from stratopt_server.optimizers import make_searcher as make
from stratopt_server.optimizers.searcher import Candidate, Losses, Searcher
from stratopt_server.optimizers.sequences import LISTED_POINTS_MAX

SEED = 2**64 - 1
ROUNDS_MAX = 10_000
QUICK_SECONDS = 10.0
"""Far more than any of these takes, far less than walking what is too large to walk."""

QUICK = (Algorithm.GRID, Algorithm.RANDOM, Algorithm.SOBOL, Algorithm.GENETIC, Algorithm.NSGA2)
"""Those that propose in microseconds; the others have tests of their own."""
algorithms = pytest.mark.parametrize("algorithm", QUICK)
OBJECTIVES = {Algorithm.NSGA2: 2}
BUDGET = 200

lattices = st.builds(
    lambda fast, slow, threshold, mode: {
        "fast": IntegerRange(1, fast),
        "slow": IntegerRange(2, slow, 3),
        "threshold": RealRange(0.0, threshold / 10, 0.1),
        "mode": ChoiceList(mode),
    },
    st.integers(1, 8),
    st.integers(2, 12),
    st.integers(0, 3),
    st.sampled_from([("a",), ("b", "a"), (True, False), (1.5, 1.0, 2.5)]),
)
slices = st.lists(st.integers(0, 9), min_size=1, max_size=6).filter(any)


def space_of(*constraints: str, **ranges: ParameterRange) -> SearchSpace:
    """A space of those ranges with one fixed parameter."""
    return SearchSpace.of(ranges, fixed={"fixed": 4}, constraints=constraints)


def square(side: int, *constraints: str) -> SearchSpace:
    """A space of two whole numbers."""
    return space_of(*constraints, x=IntegerRange(1, side), y=IntegerRange(1, side))


def make_searcher(algorithm: Algorithm, space: SearchSpace, *, seed: int) -> Searcher:
    """A searcher for a few hundred trials."""
    return make(algorithm, space, seed=seed, budget=BUDGET)


def losses_of(points: list[Candidate], objectives: int = 1) -> Losses:
    """A loss that depends on the point alone: a bowl, and another one beside it."""
    if not points:
        return np.empty((0, objectives))
    numbers = np.array([[float(len(str(value))) + hash_free(value) for value in p.values()] for p in points])
    centres = np.arange(1, objectives + 1) * 2.5
    return np.stack([((numbers - centre) ** 2).sum(axis=1) for centre in centres], axis=1)


def hash_free(value: object) -> float:
    """A number for any value, the same in every process."""
    return float(value) if isinstance(value, int | float) else float(sum(map(ord, str(value))) % 7)


def batches(searcher: Searcher, sizes: Iterable[int], objectives: int = 1) -> Iterator[list[Candidate]]:
    """Ask for batches of those sizes and tell them; stop behind an empty one."""
    for size in sizes:
        batch = searcher.ask(size)
        assert len(batch) <= size
        yield batch
        if size and not batch:
            return
        searcher.tell(batch, losses_of(batch, objectives))


def exhausted(searcher: Searcher, sizes: list[int]) -> list[Candidate]:
    """Ask for batches of those sizes, over and over, until there are no more."""
    found = [point for batch in batches(searcher, sizes * ROUNDS_MAX) for point in batch]
    assert searcher.ask(3) == [], "behind an empty batch there is none"
    return found


def frozen(points: Iterable[Candidate]) -> list[tuple[tuple[str, object], ...]]:
    """The points in a form that can be looked up and sorted."""
    return [tuple(point.items()) for point in points]


def feasible_set(space: SearchSpace) -> list[Candidate]:
    """Every feasible point, in order, found one by one."""
    points = [space.lattice_point(number) for number in range(space.size or 0)]
    return [space.params(point) for point in points if space.feasible(point)]


@algorithms
@settings(deadline=None, max_examples=40)
@given(ranges=lattices, sizes=slices)
def test_exhausts_the_feasible_set(
    algorithm: Algorithm, ranges: dict[str, ParameterRange], sizes: list[int]
) -> None:
    """Asked to the end, in whatever slices, a searcher proposes each feasible point exactly once."""
    space = space_of("fast < slow", "not (fast == fixed)", **ranges)
    found = exhausted(make_searcher(algorithm, space, seed=SEED), sizes)
    assert sorted(frozen(found)) == sorted(frozen(feasible_set(space)))


@pytest.mark.parametrize("algorithm", [Algorithm.GRID, Algorithm.RANDOM, Algorithm.SOBOL])
@settings(deadline=None, max_examples=40)
@given(ranges=lattices, sizes=slices, seed=st.integers(0, SEED))
def test_slices_change_nothing(
    algorithm: Algorithm, ranges: dict[str, ParameterRange], sizes: list[int], seed: int
) -> None:
    """What a searcher that does not learn proposes does not depend on how many are asked for at a time."""
    space = space_of("fast < slow", **ranges)
    one_by_one = exhausted(make_searcher(algorithm, space, seed=seed), [1])
    assert exhausted(make_searcher(algorithm, space, seed=seed), sizes) == one_by_one


@algorithms
@settings(deadline=None, max_examples=30)
@given(
    space=st.deferred(lambda: st.sampled_from(list(SPACES.values()))),
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=8),
    seed=st.integers(0, SEED),
    strangers=st.integers(0, 3),
)
def test_asking_is_a_function_of_what_was_told(
    algorithm: Algorithm, space: SearchSpace, sizes: list[int], seed: int, strangers: int
) -> None:
    """Asking changes nothing, and a new searcher that is told the same batches goes on in the same way."""
    if algorithm is Algorithm.GRID and space.size is None:
        return
    objectives = OBJECTIVES.get(algorithm, 1)
    searcher = make_searcher(algorithm, space, seed=seed)
    # Points that another searcher proposed are told first, as those of an earlier trial may be.
    foreign = make_searcher(Algorithm.RANDOM, space, seed=seed ^ 1).ask(strangers)
    journal = [foreign] if foreign else []
    for batch in journal:
        searcher.tell(batch, losses_of(batch, objectives))
    for size in sizes:
        searcher.ask(size + 3)
        batch = searcher.ask(size)
        assert searcher.ask(size) == batch
        assert not set(frozen(batch)) & {key for told in journal for key in frozen(told)}
        if batch:
            searcher.tell(batch, losses_of(batch, objectives))
            journal.append(batch)
    again = make_searcher(algorithm, space, seed=seed)
    for batch in journal:
        again.tell(batch, losses_of(batch, objectives))
    assert again.ask(25) == searcher.ask(25)


@algorithms
def test_known_sets_come_first(algorithm: Algorithm) -> None:
    """Sets to begin with are proposed first, each once, and never again."""
    space = square(12, "x < y")
    known = [space.params({"x": 3, "y": 9}), space.params({"x": 1, "y": 2})]
    searcher = make(algorithm, space, seed=3, budget=BUDGET, initial=known)
    assert searcher.ask(1) == known[:1]
    found = exhausted(searcher, [7])
    assert found[:2] == known
    assert sorted(frozen(found)) == sorted(frozen(feasible_set(space)))


def test_grid_in_order() -> None:
    """A grid search goes through the lattice in order, its last axis fastest."""
    space = square(30, "x < y")
    assert exhausted(make_searcher(Algorithm.GRID, space, seed=0), [7]) == feasible_set(space)


def test_grid_over_chunks() -> None:
    """A grid larger than one chunk of numbers loses no point between chunks."""
    side = math.isqrt(CHUNK_POINTS) + 40
    space = square(side, "x != y + 7")
    found = exhausted(make_searcher(Algorithm.GRID, space, seed=0), [1_000])
    expected = [(x, y) for x in range(1, side + 1) for y in range(1, side + 1) if x != y + 7]
    assert [(point["x"], point["y"]) for point in found] == expected


@algorithms
def test_candidates_are_complete(algorithm: Algorithm) -> None:
    """A candidate has every parameter of the strategy, in order of name and in its own kind."""
    space = space_of(z=IntegerRange(1, 2), a=RealRange(1.0, 2.0, 1.0), m=ChoiceList((True,)))
    for point in exhausted(make_searcher(algorithm, space, seed=1), [2]):
        assert list(point) == ["a", "fixed", "m", "z"]
        assert [type(value) for value in point.values()] == [float, int, bool, int]


@algorithms
def test_candidates_are_copies(algorithm: Algorithm) -> None:
    """Changing a candidate changes no later one."""
    space = square(3)
    searcher = make_searcher(algorithm, space, seed=1)
    expected = make_searcher(algorithm, space, seed=1).ask(4)
    for point in searcher.ask(4):
        point.clear()
    assert searcher.ask(4) == expected
    assert sorted(frozen(exhausted(make_searcher(algorithm, space, seed=1), [9]))) == sorted(
        frozen(feasible_set(space))
    )


@algorithms
def test_nothing_feasible(algorithm: Algorithm) -> None:
    """Where no point is feasible, none is proposed."""
    assert exhausted(make_searcher(algorithm, square(100, "x > 1000"), seed=1), [5]) == []


SPACES = {
    "listed lattice": square(200, "x < y"),
    "large lattice": square(10**6, "x < y"),
    "continuous": space_of("x < y", x=RealRange(0.0, 1.0), y=RealRange(0.0, 1.0)),
    "log": space_of(
        "x * 2 > y", x=RealRange(1e-6, 1.0, None, log=True), y=RealRange(1e-3, 1e3, None, log=True)
    ),
    "mixed": space_of(
        "x < y",
        x=RealRange(0.0, 9.0),
        y=IntegerRange(1, 9),
        mode=ChoiceList(("slow", "fast")),
        on=ChoiceList((True,)),
    ),
}


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
@pytest.mark.parametrize("algorithm", [one for one in QUICK if one is not Algorithm.GRID])
class TestEverySpace:
    """Searchers that draw, on every kind of space."""

    def ask(self, algorithm: Algorithm, space: SearchSpace, *, seed: int = SEED) -> list[Candidate]:
        """Ask for ten batches of twenty."""
        searcher = make_searcher(algorithm, space, seed=seed)
        objectives = OBJECTIVES.get(algorithm, 1)
        return [point for batch in batches(searcher, [20] * 10, objectives) for point in batch]

    def test_feasible_and_inside(self, algorithm: Algorithm, space: SearchSpace) -> None:
        """Every candidate satisfies the constraints and lies inside the ranges."""
        found = self.ask(algorithm, space)
        assert len(found) == 200
        for point in found:
            assert space.feasible(point)
            for axis in space.axes:
                match axis.range:
                    case ChoiceList(values):
                        assert point[axis.name] in values
                    case wanted:
                        assert wanted.minimum <= point[axis.name] <= wanted.maximum

    def test_none_twice(self, algorithm: Algorithm, space: SearchSpace) -> None:
        """No candidate comes twice, in whatever batch."""
        found = frozen(self.ask(algorithm, space))
        assert len(set(found)) == len(found)

    def test_seed_decides(self, algorithm: Algorithm, space: SearchSpace) -> None:
        """The same seed gives the same candidates in the same order; another gives others."""
        found = self.ask(algorithm, space)
        assert self.ask(algorithm, space) == found
        assert self.ask(algorithm, space, seed=0) != found
        assert self.ask(algorithm, space, seed=SEED - 1) != found

    def test_order_of_ranges(self, algorithm: Algorithm, space: SearchSpace) -> None:
        """The order of a request's ranges changes no candidate."""
        ranges = {axis.name: axis.range for axis in reversed(space.axes)}
        turned = SearchSpace.of(ranges, fixed=space.fixed, constraints=space.constraints)
        assert self.ask(algorithm, turned) == self.ask(algorithm, space)

    def test_no_global_randomness(self, algorithm: Algorithm, space: SearchSpace) -> None:
        """Drawing moves no generator that others share."""
        before = random.getstate()
        self.ask(algorithm, space)
        assert random.getstate() == before
        np.random.seed(7)  # noqa: NPY002 - the shared generator is what this is about
        after_seed = np.random.random()  # noqa: NPY002
        np.random.seed(7)  # noqa: NPY002
        self.ask(algorithm, space)
        assert np.random.random() == after_seed  # noqa: NPY002


def test_none_twice_of_many() -> None:
    """No candidate comes twice, though of so many draws some hit the same point."""
    space = space_of(x=IntegerRange(1, LISTED_POINTS_MAX // 1_000 + 1), y=IntegerRange(1, 1_000))
    searcher = make_searcher(Algorithm.RANDOM, space, seed=4)
    found = frozen(point for batch in batches(searcher, [1_000] * 5) for point in batch)
    assert len(set(found)) == len(found) == 5_000


def test_even_draws() -> None:
    """Random points fall evenly: each third of an axis gets about a third, of a log axis by ratio."""
    space = space_of(x=RealRange(0.0, 3.0), y=RealRange(1e-3, 1.0, None, log=True))
    points = make_searcher(Algorithm.RANDOM, space, seed=5).ask(3_000)
    for name, cuts in (("x", (1.0, 2.0)), ("y", (1e-2, 1e-1))):
        places = [sum(point[name] > cut for cut in cuts) for point in points]
        assert all(850 < places.count(third) < 1_150 for third in range(3))


def test_lattice_as_large_as_is_listed() -> None:
    """The largest listed lattice and the one just above it both search at once and repeat themselves."""
    for count in (LISTED_POINTS_MAX, LISTED_POINTS_MAX + 1):
        space = space_of(x=IntegerRange(1, count))
        first, again = (make_searcher(Algorithm.RANDOM, space, seed=9).ask(50) for _ in range(2))
        assert first == again
        assert len(set(frozen(first))) == 50


@algorithms
def test_trillion_points(algorithm: Algorithm) -> None:
    """A lattice of 10^12 points is searched without walking or listing it."""
    space = square(10**6, "x + y > 1000")
    assert space.size == 10**12
    began = time.monotonic()
    tracemalloc.start()
    searcher = make_searcher(algorithm, space, seed=3)
    objectives = OBJECTIVES.get(algorithm, 1)
    found = [p for batch in batches(searcher, [100] * 10, objectives) for p in batch]
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(set(frozen(found))) == 1_000
    assert peak_bytes < 50_000_000
    assert time.monotonic() - began < QUICK_SECONDS


@pytest.mark.parametrize(
    "space",
    [
        square(10**6, "x > y + 1000000"),
        space_of("x > 2", x=RealRange(0.0, 1.0)),
        space_of("x > 2", x=RealRange(1e-9, 1.0, None, log=True), y=IntegerRange(1, 10**9)),
    ],
    ids=["lattice", "continuous", "log"],
)
def test_infeasible_rest_ends(space: SearchSpace) -> None:
    """A random search of a space without a feasible point gives up in good time."""
    began = time.monotonic()
    assert make_searcher(Algorithm.RANDOM, space, seed=1).ask(10) == []
    assert time.monotonic() - began < QUICK_SECONDS


def test_used_up_large_space() -> None:
    """A large space with few feasible points ends once they are used up, and stays ended."""
    space = space_of("x == 5", "y < 3", x=IntegerRange(1, 50), y=IntegerRange(0, 40_000))
    found = exhausted(make_searcher(Algorithm.RANDOM, space, seed=2), [10])
    assert len(set(frozen(found))) == len(found) <= 3


def test_rare_points_are_found() -> None:
    """A continuous space of which a thousandth is feasible yields as many points as are asked for."""
    space = space_of("x < 0.001", x=RealRange(0.0, 1.0))
    for algorithm in (Algorithm.RANDOM, Algorithm.SOBOL, Algorithm.GENETIC):
        found = [p for batch in batches(make_searcher(algorithm, space, seed=2), [20] * 5) for p in batch]
        assert len(found) == 100
        assert all(point["x"] < 0.001 for point in found)


@pytest.mark.parametrize("seed", range(3))
def test_genetic_finds_the_bottom_of_a_bowl(seed: int) -> None:
    """Within 400 trials of a million points a smooth loss is nearly as low as it can be."""
    space = square(1_000)
    searcher = make(Algorithm.GENETIC, space, seed=seed, budget=400)
    lowest = np.inf
    for _ in range(20):
        batch = searcher.ask(20)
        losses = np.array([[((p["x"] - 700) / 1e3) ** 2 + ((p["y"] - 123) / 1e3) ** 2] for p in batch])
        searcher.tell(batch, losses)
        lowest = min(lowest, float(losses.min()))
    assert lowest < 1e-4, "a random search comes to about 8e-4"


def test_grid_needs_a_lattice() -> None:
    """A grid search of a continuous axis is a mistake of ours: requests for one are refused."""
    with pytest.raises(AssertionError, match="lattice"):
        make_searcher(Algorithm.GRID, space_of(x=RealRange(0.0, 1.0)), seed=0)
