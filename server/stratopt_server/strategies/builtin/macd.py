"""MACD: long while the difference of two averages stands above its own average, the signal line.

The difference is EMA(fast) - EMA(slow), the signal line its EMA. Above it buys and ends shorts, below it
ends longs and sells short.
"""

from stratopt_server.strategies.contract import Integer, kernels

PARAMS = {
    "fast_period": Integer(
        default=12, minimum=1, maximum=100_000, description="Bars in the fast exponential average."
    ),
    "slow_period": Integer(
        default=26, minimum=2, maximum=100_000, description="Bars in the slow exponential average."
    ),
    "signal_period": Integer(default=9, minimum=2, maximum=100_000, description="Bars in the signal line."),
}
CONSTRAINTS = ("fast_period < slow_period",)
KERNEL = kernels.macd
TYPE = "momentum"
