"""Finding the next bar at which anything may happen, 64 bars at a time."""

from stratopt_server.domain.market import FloatColumn
from stratopt_server.engine.jit import njit
from stratopt_server.engine.kernels.bits import BITS, lowest_bit_nb
from stratopt_server.engine.kernels.lanes import beyond_mask_nb, heeded_mask_nb
from stratopt_server.engine.kernels.terms import Codes


@njit(borrows=True, inlined=True)
def next_code_nb(codes: Codes, heeded: int, first: int) -> int:
    """Find the first code from `first` on that has one of the heeded bits; their number if none has."""
    count, bar = codes.size, first
    while bar + BITS <= count:
        found = heeded_mask_nb(codes, bar, heeded)
        if found != 0:
            return bar + int(lowest_bit_nb(found))
        bar += BITS
    while bar < count and not codes[bar] & heeded:
        bar += 1
    return bar


@njit(borrows=True, inlined=True)
def next_beyond_nb(
    low: FloatColumn, high: FloatColumn, bounds: tuple[float, float], span: tuple[int, int]
) -> int:
    """Find the first bar with low <= bounds[0] or high >= bounds[1]; span is (first, stop), stop if none."""
    bar, stop = span
    while bar < stop and bar + BITS <= low.size:
        found = beyond_mask_nb(low, high, bar, bounds)
        if found != 0:
            return min(bar + int(lowest_bit_nb(found)), stop)
        bar += BITS
    while bar < stop and low[bar] > bounds[0] and high[bar] < bounds[1]:
        bar += 1
    return min(bar, stop)
