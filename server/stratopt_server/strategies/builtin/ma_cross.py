"""Moving average cross: long while the fast average stands above the slow one.

Buys when SMA(fast) / SMA(slow) - 1 is above signal_threshold and sells when it is below its
negative; between the two the position stays.
"""

from stratopt_server.strategies.contract import Integer, Real, kernels

PARAMS = {
    "fast_period": Integer(
        default=5, minimum=1, maximum=100_000, description="Bars in the fast moving average."
    ),
    "slow_period": Integer(
        default=20, minimum=2, maximum=100_000, description="Bars in the slow moving average."
    ),
    "signal_threshold": Real(
        default=0.02,
        minimum=0.0,
        maximum=1.0,
        description="How far, as a fraction, the averages must part before it acts.",
    ),
}
CONSTRAINTS = ("fast_period < slow_period",)
KERNEL = kernels.ma_cross
TYPE = "momentum"
