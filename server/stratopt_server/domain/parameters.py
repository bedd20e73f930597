"""Parameters of strategies: their values, what a strategy declares of them, what a search may try."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

ParameterValue = int | float | str | bool
"""One value; the type is the kind: whole number, real number, choice, flag."""

Params = Mapping[str, ParameterValue]
"""Values by parameter name."""


def is_integer(value: object) -> bool:
    """Tell a whole number from a flag, which Python counts as one."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_real(value: object) -> bool:
    """Tell whether the value is a finite number."""
    return is_integer(value) or (isinstance(value, float) and math.isfinite(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Integer:
    """A whole-number parameter, `minimum <= value <= maximum`."""

    default: int
    minimum: int
    maximum: int
    description: str = ""

    @property
    def allowed(self) -> str:
        """What a caller may give, in words."""
        return f"a whole number from {self.minimum} to {self.maximum}"

    def accepts(self, value: object) -> bool:
        """Tell whether the value is of the kind and inside the bounds."""
        return isinstance(value, int) and is_integer(value) and self.minimum <= value <= self.maximum


@dataclass(frozen=True, slots=True, kw_only=True)
class Real:
    """A real parameter, `minimum <= value <= maximum`; whole numbers are taken as real ones."""

    default: float
    minimum: float
    maximum: float
    description: str = ""

    @property
    def allowed(self) -> str:
        """What a caller may give, in words."""
        return f"a number from {self.minimum:g} to {self.maximum:g}"

    def accepts(self, value: object) -> bool:
        """Tell whether the value is a finite number inside the bounds."""
        return isinstance(value, int | float) and is_real(value) and self.minimum <= value <= self.maximum


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A parameter that is one of several words."""

    default: str
    values: tuple[str, ...]
    description: str = ""

    @property
    def allowed(self) -> str:
        """What a caller may give, in words."""
        return "one of " + ", ".join(self.values)

    def accepts(self, value: object) -> bool:
        """Tell whether the value is one of the words."""
        return isinstance(value, str) and value in self.values


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """A parameter that is on or off."""

    default: bool
    description: str = ""

    @property
    def allowed(self) -> str:
        """What a caller may give, in words."""
        return "true or false"

    def accepts(self, value: object) -> bool:
        """Tell whether the value is a flag."""
        return isinstance(value, bool)


ParameterSpec = Integer | Real | Choice | Flag
"""What a strategy declares about one parameter."""


@dataclass(frozen=True, slots=True)
class IntegerRange:
    """minimum, minimum + step, ... up to maximum."""

    minimum: int
    maximum: int
    step: int = 1
    """0 in a request: 1 or, where the parameter is real, every number between."""


@dataclass(frozen=True, slots=True)
class RealRange:
    """minimum + k * step up to maximum, or everything between where `step` is None."""

    minimum: float
    maximum: float
    step: float | None = None
    log: bool = False
    """Draw evenly in the logarithm; needs minimum > 0 and no step."""


@dataclass(frozen=True, slots=True)
class ChoiceList:
    """Values tried as they stand, in this order."""

    values: tuple[ParameterValue, ...]


ParameterRange = IntegerRange | RealRange | ChoiceList
"""What a search may try of one parameter."""


def typed(spec: ParameterSpec, value: ParameterValue) -> ParameterValue:
    """Return the value in the parameter's own type: a whole number given for a real one is real."""
    return float(value) if isinstance(spec, Real) else value
