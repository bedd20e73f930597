"""How many bars a built-in strategy needs before it can decide anything."""

from collections.abc import Callable, Mapping

from stratopt_server.domain.parameters import Params

_BARS: Mapping[str, Callable[[dict[str, int]], int]] = {
    "ma_cross": lambda p: p["slow_period"],
    "grid": lambda _: 1,
    "rsi_reversion": lambda p: p["period"] + 1,
    "bollinger_breakout": lambda p: p["period"],
    "bollinger_reversion": lambda p: p["period"],
    "macd": lambda p: max(p["fast_period"], p["slow_period"]) + p["signal_period"] - 1,
    "donchian_breakout": lambda p: p["entry_period"] + 1,
    "momentum": lambda p: p["lookback"] + 1,
    "dca": lambda _: 1,
}


def look_back(kernel: str, params: Params) -> int:
    """Count the bars up to the first that the strategy can decide on, that one included.

    Before it nothing is bought or sold, whatever the bars. KeyError for an unknown kernel.
    """
    whole = {name: int(value) for name, value in params.items() if isinstance(value, int | float)}
    return _BARS[kernel](whole)
