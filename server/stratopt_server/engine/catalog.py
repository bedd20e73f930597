"""The compiled strategies there are, and how each reads its parameters."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stratopt_server.domain.parameters import Params, is_integer, is_real
from stratopt_server.engine.kernels import ma_cross
from stratopt_server.engine.kernels.account import Terms
from stratopt_server.engine.kernels.tables import Floats2, Tables


@dataclass(frozen=True, slots=True)
class Kernel:
    """One compiled strategy."""

    encode: Callable[[Sequence[Params]], Floats2]
    """Parameter sets as the strategy's own numbers, a row each; ValueError if one cannot be run."""
    sweep: Callable[[Tables, Floats2, Terms, Floats2, int], None]
    """Run the encoded sets on the tables and terms into rows of totals, with so many workers."""
    signals: Callable[[Tables, Floats2], NDArray[np.int8]]
    """Each bar's signal of the first encoded set, decided on its close: 1 buys, -1 sells, 0 neither."""


def encode_ma_cross(param_sets: Sequence[Params]) -> Floats2:
    """Encode parameter sets of `ma_cross`: fast_period, slow_period, signal_threshold."""
    rows = np.empty((len(param_sets), 3))
    for number, params in enumerate(param_sets):
        fast, slow, threshold = (params.get(n) for n in ("fast_period", "slow_period", "signal_threshold"))
        if not (is_integer(fast) and is_integer(slow) and is_real(threshold)):
            raise ValueError(
                f"ma_cross needs whole fast_period, slow_period and a signal_threshold: {params}"
            )
        rows[number] = fast, slow, threshold
    fast_column, slow_column, threshold_column = rows.T
    if not np.all((fast_column >= 1) & (fast_column < slow_column) & (threshold_column >= 0)):
        raise ValueError("ma_cross needs 1 <= fast_period < slow_period and signal_threshold >= 0")
    return rows


KERNELS: Mapping[str, Kernel] = {
    "ma_cross": Kernel(encode_ma_cross, ma_cross.sweep_nb, ma_cross.signals_nb),
}
"""The compiled strategies by name."""


def kernel_named(name: str) -> Kernel:
    """Find a compiled strategy; KeyError names those there are."""
    if name not in KERNELS:
        raise KeyError(f"there is no kernel {name!r}; there are: {', '.join(sorted(KERNELS))}")
    return KERNELS[name]
