"""Momentum: long after a rise, short after a fall.

A close more than threshold above the close lookback bars earlier buys and ends shorts; one more than
threshold below it ends longs and sells short; between the two the position stays.
"""

from stratopt_server.strategies.contract import Integer, Real, kernels

PARAMS = {
    "lookback": Integer(
        default=90, minimum=1, maximum=100_000, description="Bars over which the change is measured."
    ),
    "threshold": Real(
        default=0.0,
        minimum=0.0,
        maximum=10.0,
        description="How far, as a fraction, the price must have moved before it acts.",
    ),
}
CONSTRAINTS = ()
KERNEL = kernels.momentum
TYPE = "momentum"
