"""The compiled strategies there are, and how each reads its parameters."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stratopt_server.domain.parameters import Params, is_integer, is_real
from stratopt_server.engine.kernels.rules import (
    BOLLINGER_BREAKOUT,
    BOLLINGER_REVERSION,
    DCA,
    DONCHIAN_BREAKOUT,
    MA_CROSS,
    MACD,
    MOMENTUM,
    RSI_REVERSION,
)
from stratopt_server.engine.kernels.terms import Floats2


@dataclass(frozen=True, slots=True)
class Kernel:
    """One compiled strategy: what its parameters are, in the order in which kernels read them."""

    name: str
    params: tuple[str, ...]
    whole: frozenset[str]
    """Those of them that are whole numbers."""
    wanted: str
    """What parameters must satisfy, in words."""
    holds: Callable[..., "np.bool_ | np.ndarray"]
    """Whether they do, given their columns."""
    number: int
    """By which the dispatcher of `kernels.rules` knows it; GRID is none of its strategies."""

    def encode(self, param_sets: Sequence[Params]) -> Floats2:
        """Write parameter sets as numbers, a row each; ValueError if one cannot be run."""
        rows = np.empty((len(param_sets), len(self.params)))
        for row, params in zip(rows, param_sets, strict=True):
            for place, name in enumerate(self.params):
                value = params.get(name)
                if not (is_integer(value) if name in self.whole else is_real(value)):
                    raise ValueError(f"{self.name} needs {self._kinds()}: {params}")
                row[place] = value
        if not np.all(self.holds(*rows.T)):
            raise ValueError(f"{self.name} needs {self.wanted}")
        return rows

    def _kinds(self) -> str:
        return ", ".join(f"a whole {name}" if name in self.whole else f"a {name}" for name in self.params)


GRID = -1


def _kernel(
    name: str, params: str, wanted: str, holds: Callable[..., "np.bool_ | np.ndarray"], number: int
) -> Kernel:
    """Make a kernel; a * behind a parameter's name says that it is a whole number."""
    names = params.split()
    return Kernel(
        name=name,
        params=tuple(name.rstrip("*") for name in names),
        whole=frozenset(name.rstrip("*") for name in names if name.endswith("*")),
        wanted=wanted,
        holds=holds,
        number=number,
    )


_ALL = (
    _kernel(
        "ma_cross",
        "fast_period* slow_period* signal_threshold",
        "1 <= fast_period < slow_period and signal_threshold >= 0",
        lambda fast, slow, threshold: (fast >= 1) & (fast < slow) & (threshold >= 0),
        MA_CROSS,
    ),
    _kernel(
        "grid",
        "grid_num* profit_ratio stop_loss",
        "grid_num >= 1, profit_ratio > 0 and stop_loss between 0 and 1",
        lambda count, ratio, stop: (count >= 1) & (ratio > 0) & (stop > 0) & (stop < 1),
        GRID,
    ),
    _kernel(
        "rsi_reversion",
        "period* oversold overbought",
        "period >= 1 and oversold < overbought",
        lambda period, low, high: (period >= 1) & (low < high),
        RSI_REVERSION,
    ),
    _kernel(
        "bollinger_breakout",
        "period* width",
        "period >= 2 and width > 0",
        lambda period, width: (period >= 2) & (width > 0),
        BOLLINGER_BREAKOUT,
    ),
    _kernel(
        "bollinger_reversion",
        "period* width",
        "period >= 2 and width > 0",
        lambda period, width: (period >= 2) & (width > 0),
        BOLLINGER_REVERSION,
    ),
    _kernel(
        "macd",
        "fast_period* slow_period* signal_period*",
        "1 <= fast_period < slow_period and signal_period >= 1",
        lambda fast, slow, signal: (fast >= 1) & (fast < slow) & (signal >= 1),
        MACD,
    ),
    _kernel(
        "donchian_breakout",
        "entry_period* exit_period*",
        "entry_period >= 1 and exit_period >= 1",
        lambda entry, leave: (entry >= 1) & (leave >= 1),
        DONCHIAN_BREAKOUT,
    ),
    _kernel(
        "momentum",
        "lookback* threshold",
        "lookback >= 1 and threshold >= 0",
        lambda lookback, threshold: (lookback >= 1) & (threshold >= 0),
        MOMENTUM,
    ),
    _kernel(
        "dca",
        "interval* order_share take_profit",
        "interval >= 1, order_share in (0, 1] and take_profit > 0",
        lambda interval, share, target: (interval >= 1) & (share > 0) & (share <= 1) & (target > 0),
        DCA,
    ),
)

KERNELS: Mapping[str, Kernel] = {kernel.name: kernel for kernel in _ALL}
"""The compiled strategies by name."""


def kernel_named(name: str) -> Kernel:
    """Find a compiled strategy; KeyError names those there are."""
    if name not in KERNELS:
        raise KeyError(f"there is no kernel {name!r}; there are: {', '.join(sorted(KERNELS))}")
    return KERNELS[name]
