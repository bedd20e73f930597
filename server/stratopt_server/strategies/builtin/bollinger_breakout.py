"""Bollinger breakout: with a close beyond a band, until one on the other side of the middle.

Buys when the close is above the upper band and sells when it is below the middle; short the other way about.
The middle is the simple moving average, the bands lie width standard deviations from it. None of so many
closes is sqrt(period - 1) deviations from their mean, so a wider band is never broken.
"""

from stratopt_server.strategies.contract import Integer, Real, kernels

PARAMS = {
    "period": Integer(
        default=20, minimum=2, maximum=100_000, description="Bars in the moving average and the deviation."
    ),
    "width": Real(
        default=2.0,
        minimum=1e-6,
        maximum=10.0,
        description="Standard deviations from the middle to each band.",
    ),
}
CONSTRAINTS = ()
KERNEL = kernels.bollinger_breakout
TYPE = "breakout"
