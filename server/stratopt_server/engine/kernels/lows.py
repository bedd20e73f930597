"""The lowest of many numbers, kept as they come: a heap with the highest of them on top."""

from stratopt_server.domain.market import FloatColumn
from stratopt_server.engine.jit import njit

TAIL = 0.05
"""Share of the days that value at risk lets be worse."""


@njit(borrows=True)
def lows_kept_nb(days: int) -> int:
    """How many of the lowest daily returns value at risk is computed from."""
    return min(int(TAIL * (days - 1)) + 2, days)


@njit(borrows=True)
def _sink_nb(lows: FloatColumn, count: int, value: float) -> None:
    """Put a value in the place of the top, and let it sink to where it belongs."""
    place = 0
    while True:
        child = 2 * place + 1
        if child >= count:
            break
        if child + 1 < count and lows[child + 1] > lows[child]:
            child += 1
        if lows[child] <= value:
            break
        lows[place] = lows[child]
        place = child
    lows[place] = value


@njit(borrows=True)
def keep_low_nb(lows: FloatColumn, count: int, value: float) -> int:
    """Take one more number; return how many of the lowest are kept."""
    if count == lows.size:
        if value < lows[0]:
            _sink_nb(lows, count, value)
        return count
    place = count
    while place > 0:
        parent = (place - 1) // 2
        if lows[parent] >= value:
            break
        lows[place] = lows[parent]
        place = parent
    lows[place] = value
    return count + 1


@njit(borrows=True)
def tail_nb(lows: FloatColumn, days: int) -> tuple[float, float]:
    """Compute value at risk and the mean loss of the tail from the lowest of `days` returns; sorts them."""
    for last in range(lows.size - 1, 0, -1):
        top = lows[0]
        _sink_nb(lows, last, lows[last])
        lows[last] = top
    place = TAIL * (days - 1)
    whole = int(place)
    quantile, total = lows[whole], 0.0
    if whole + 1 < lows.size:
        quantile += (place - whole) * (lows[whole + 1] - quantile)
    for i in range(whole + 1):
        total += lows[i]
    return 0.0 - quantile, 0.0 - total / (whole + 1)
