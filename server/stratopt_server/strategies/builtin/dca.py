"""Dollar cost averaging: buys for the same amount every so many bars, and sells all at a profit.

The first order is decided on the first bar. Everything is sold at take_profit above the mean entry price;
the orders go on at their bars.
"""

from stratopt_server.strategies.contract import Integer, Real, kernels

PARAMS = {
    "interval": Integer(
        default=24, minimum=1, maximum=100_000, description="Bars from one order to the next."
    ),
    "order_share": Real(
        default=0.05,
        minimum=1e-6,
        maximum=1.0,
        description="What each order spends, a fraction of the initial cash.",
    ),
    "take_profit": Real(
        default=0.1,
        minimum=1e-6,
        maximum=1_000.0,
        description="How far above the mean entry price everything is sold, a fraction.",
    ),
}
CONSTRAINTS = ()
KERNEL = kernels.dca
TYPE = "dca"
