"""The tail of the daily returns: their lowest, found in place with a heap that has the highest on top."""

from stratopt_server.domain.market import FloatColumn
from stratopt_server.engine.jit import njit

TAIL = 0.05
"""Share of the days that value at risk lets be worse."""


@njit(borrows=True)
def _sink_nb(lows: FloatColumn, count: int, place: int, value: float) -> None:
    """Put a value at a place of the heap of the first `count`, and let it sink to where it belongs."""
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
def _lowest_first_nb(values: FloatColumn, count: int) -> None:
    """Bring the lowest `count` values to the front, the highest of them first; the others are lost."""
    for place in range(count // 2 - 1, -1, -1):
        _sink_nb(values, count, place, values[place])
    for place in range(count, values.size):
        if values[place] < values[0]:
            _sink_nb(values, count, 0, values[place])


@njit(borrows=True)
def tail_nb(returns: FloatColumn) -> tuple[float, float]:
    """Compute value at risk and the mean loss of the tail; the returns are lost over it."""
    place = TAIL * (returns.size - 1)
    whole = int(place)
    kept = min(whole + 2, returns.size)
    _lowest_first_nb(returns, kept)
    # The heap holds the tail and, on top, the one value above it, if there is one.
    first = kept - (whole + 1)
    quantile, total = returns[first], 0.0
    for i in range(first, kept):
        quantile = max(quantile, returns[i])
        total += returns[i]
    quantile += (place - whole) * (returns[0] - quantile)
    return 0.0 - quantile, 0.0 - total / (whole + 1)
