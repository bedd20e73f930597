"""The search space: the points a search may try, as a lattice with, perhaps, continuous axes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stratopt_server.domain.constraints import holds
from stratopt_server.domain.parameters import (
    ChoiceList,
    IntegerRange,
    ParameterRange,
    ParameterValue,
    RealRange,
)

Vectors = NDArray[np.float64]
"""Points as numbers, shape (points, axes)."""

CHUNK_POINTS = 65_536
"""Lattice points looked at together when feasible ones are counted or listed."""
STEP_SLACK = 1e-9
"""A real maximum counts as a point if the last step misses it by no more than this share of a step."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One searched parameter. Lattice points are `value(0)` .. `value(size - 1)`."""

    name: str
    range: ParameterRange

    @property
    def size(self) -> int | None:
        """Number of lattice points; None for a continuous axis."""
        match self.range:
            case IntegerRange(minimum, maximum, step):
                return (maximum - minimum) // step + 1
            case RealRange(step=None):
                return None
            case RealRange(minimum, maximum, float() as step):
                return math.floor((maximum - minimum) / step + STEP_SLACK) + 1
            case ChoiceList(values):
                return len(values)
        raise AssertionError(self.range)

    def value(self, index: int) -> ParameterValue:
        """The lattice point of that index: `minimum + index * step`, computed here only."""
        match self.range:
            case IntegerRange(minimum, _, step):
                return minimum + index * step
            case RealRange(minimum, maximum, float() as step):
                return min(minimum + index * step, maximum)
            case ChoiceList(values):
                return values[index]
        raise AssertionError(self.range)

    def index(self, value: ParameterValue) -> int:
        """The index of a lattice point."""
        match self.range:
            case IntegerRange(minimum, _, step):
                return (int(value) - minimum) // step
            case RealRange(minimum, _, float() as step):
                return round((float(value) - minimum) / step)
            case ChoiceList(values):
                return next(
                    place for place, own in enumerate(values) if own == value and type(own) is type(value)
                )
        raise AssertionError(self.range)

    def share(self, value: ParameterValue) -> float:
        """How far along a continuous axis the value lies, from 0 to 1."""
        assert isinstance(self.range, RealRange)
        low, high, point = self.range.minimum, self.range.maximum, float(value)
        if low == high:
            return 0.0
        if self.range.log:
            return (math.log(point) - math.log(low)) / (math.log(high) - math.log(low))
        return (point - low) / (high - low)

    def at(self, share: float) -> float:
        """The point that far along a continuous axis, `0 <= share <= 1`."""
        assert isinstance(self.range, RealRange)
        low, high = self.range.minimum, self.range.maximum
        if self.range.log:
            logarithm = math.log(low) + share * (math.log(high) - math.log(low))
            return min(max(math.exp(logarithm), low), high)
        return low + share * (high - low)


@dataclass(frozen=True)
class SearchSpace:
    """Axes, the parameters that are fixed, and the relations a point must satisfy to be feasible."""

    axes: tuple[Axis, ...]
    fixed: Mapping[str, ParameterValue]
    constraints: tuple[str, ...]

    @classmethod
    def of(
        cls,
        ranges: Mapping[str, ParameterRange],
        *,
        fixed: Mapping[str, ParameterValue],
        constraints: tuple[str, ...],
    ) -> "SearchSpace":
        """Build it with its axes in order of name, so that a request's order changes nothing."""
        axes = tuple(Axis(name, ranges[name]) for name in sorted(ranges))
        return cls(axes, dict(fixed), constraints)

    @property
    def size(self) -> int | None:
        """Number of lattice points, feasible or not; None with a continuous axis."""
        sizes = [axis.size for axis in self.axes]
        return None if None in sizes else math.prod(size for size in sizes if size is not None)

    def params(self, point: Mapping[str, ParameterValue]) -> dict[str, ParameterValue]:
        """Every parameter of the strategy at that point, in order of name."""
        return dict(sorted({**self.fixed, **point}.items()))

    def lattice_point(self, number: int) -> dict[str, ParameterValue]:
        """The lattice point of that number; the last axis varies fastest."""
        point: dict[str, ParameterValue] = {}
        for axis in reversed(self.axes):
            size = axis.size
            assert size is not None, "a continuous axis has no lattice"
            number, index = divmod(number, size)
            point[axis.name] = axis.value(index)
        return point

    def encode(self, candidates: Sequence[Mapping[str, ParameterValue]]) -> Vectors:
        """Write points as numbers, shape (points, axes): lattice indices, shares on continuous axes."""
        vectors = np.empty((len(candidates), len(self.axes)))
        for column, axis in enumerate(self.axes):
            place = axis.share if axis.size is None else axis.index
            vectors[:, column] = [place(candidate[axis.name]) for candidate in candidates]
        return vectors

    def decode(self, vectors: Vectors) -> list[dict[str, ParameterValue]]:
        """Turn numbers back into points, every parameter given; they lie on the axes."""
        columns = [self._column(axis, vectors[:, place]) for place, axis in enumerate(self.axes)]
        names = [axis.name for axis in self.axes]
        return [self.params(dict(zip(names, values, strict=True))) for values in zip(*columns, strict=True)]

    @staticmethod
    def _column(axis: Axis, column: NDArray[np.float64]) -> list[ParameterValue]:
        if axis.size is None:
            return [axis.at(share) for share in column.tolist()]
        return [axis.value(index) for index in column.astype(np.int64).tolist()]

    def draw(self, count: int, rng: np.random.Generator) -> Vectors:
        """Draw vectors evenly, whether their points are feasible or not."""
        vectors = np.empty((count, len(self.axes)))
        for column, axis in enumerate(self.axes):
            size = axis.size
            vectors[:, column] = rng.random(count) if size is None else rng.integers(size, size=count)
        return vectors

    def scaled(self, vectors: Vectors) -> Vectors:
        """Bring every axis to 0 .. 1."""
        spans = np.array([max((axis.size or 2) - 1, 1) for axis in self.axes], dtype=np.float64)
        scaled: Vectors = vectors / spans
        return scaled

    def feasible_mask(self, vectors: Vectors) -> NDArray[np.bool_]:
        """Tell which vectors' points satisfy every constraint."""
        allowed = np.ones(len(vectors), dtype=np.bool_)
        if not self.constraints:
            return allowed
        values: dict[str, object] = dict(self.fixed)
        for place, axis in enumerate(self.axes):
            values[axis.name] = np.array(self._column(axis, vectors[:, place]))
        for constraint in self.constraints:
            allowed &= np.asarray(holds(constraint, values), dtype=np.bool_)
        return allowed

    def feasible(self, point: Mapping[str, ParameterValue]) -> bool:
        """Tell whether the point satisfies every constraint."""
        values = {**self.fixed, **point}
        return all(bool(holds(constraint, values)) for constraint in self.constraints)

    def feasible_numbers(self, first: int, stop: int) -> NDArray[np.int64]:
        """Numbers of the feasible lattice points in `first <= number < stop`."""
        numbers = np.arange(first, stop, dtype=np.int64)
        if not self.constraints:
            return numbers
        values: dict[str, object] = dict(self.fixed)
        rest = numbers
        for axis in reversed(self.axes):
            size = axis.size
            assert size is not None, "a continuous axis has no lattice"
            rest, index = np.divmod(rest, size)
            values[axis.name] = self._values(axis, index)
        allowed = np.ones(len(numbers), dtype=np.bool_)
        for constraint in self.constraints:
            allowed &= np.asarray(holds(constraint, values), dtype=np.bool_)
        return numbers[allowed]

    def count_feasible(self, *, at_most: int) -> int:
        """Count feasible lattice points, giving up once there are more than `at_most`."""
        size = self.size
        assert size is not None, "a continuous axis has no lattice"
        count = 0
        for first in range(0, size, CHUNK_POINTS):
            count += len(self.feasible_numbers(first, min(first + CHUNK_POINTS, size)))
            if count > at_most:
                break
        return count

    @staticmethod
    def _values(axis: Axis, index: NDArray[np.int64]) -> NDArray[np.generic]:
        match axis.range:
            case IntegerRange(minimum, _, step):
                return minimum + index * step
            case RealRange(minimum, maximum, float() as step):
                points: NDArray[np.float64] = np.minimum(minimum + index * step, maximum)
                return points
            case ChoiceList(values):
                return np.array(values)[index]
        raise AssertionError(axis.range)
