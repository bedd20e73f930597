"""RSI reversion: long once the price has fallen too far, short once it has risen too far.

Wilder's relative strength index below oversold buys and ends shorts; above overbought it ends longs and
sells short; between the two the position stays. Where nothing has moved there is no index and no signal.
"""

from stratopt_server.strategies.contract import Integer, Real, kernels

PARAMS = {
    "period": Integer(default=14, minimum=2, maximum=100_000, description="Bars in the mean gain and loss."),
    "oversold": Real(
        default=30.0, minimum=0.0, maximum=100.0, description="The index below which the price fell too far."
    ),
    "overbought": Real(
        default=70.0, minimum=0.0, maximum=100.0, description="The index above which the price rose too far."
    ),
}
CONSTRAINTS = ("oversold < overbought",)
KERNEL = kernels.rsi_reversion
TYPE = "mean_reversion"
