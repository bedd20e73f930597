"""What the source of a strategy may use to declare itself.

A strategy is Python source that defines `PARAMS` (its parameters, with default and range),
optionally `CONSTRAINTS` (relations between them), and `KERNEL = kernels.<name>`, a strategy that is
compiled into the engine. `TYPE` says what kind of strategy it is, e.g. momentum or grid.
"""

from dataclasses import dataclass

from stratopt_server.domain.parameters import Choice, Flag, Integer, Real

__all__ = ["Choice", "Flag", "Integer", "Kernel", "Real", "kernels"]


@dataclass(frozen=True, slots=True)
class Kernel:
    """Names a compiled strategy; the engine alone knows the code behind the name."""

    name: str


class kernels:  # noqa: N801 - strategies read `kernels.grid`, as a module of names would
    """The compiled strategies there are."""

    bollinger_breakout = Kernel("bollinger_breakout")
    bollinger_reversion = Kernel("bollinger_reversion")
    dca = Kernel("dca")
    donchian_breakout = Kernel("donchian_breakout")
    grid = Kernel("grid")
    ma_cross = Kernel("ma_cross")
    macd = Kernel("macd")
    momentum = Kernel("momentum")
    rsi_reversion = Kernel("rsi_reversion")
