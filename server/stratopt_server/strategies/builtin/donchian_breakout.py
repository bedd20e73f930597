"""Donchian breakout: with a close beyond the channel of the bars before, as the Turtles traded.

Buys when the close is above the highest high of the last entry_period bars, its own not counted, and sells
when it is below the lowest low of the last exit_period bars; short the other way about.
"""

from stratopt_server.strategies.contract import Integer, kernels

PARAMS = {
    "entry_period": Integer(
        default=20, minimum=1, maximum=100_000, description="Bars in the channel that is broken to enter."
    ),
    "exit_period": Integer(
        default=10, minimum=1, maximum=100_000, description="Bars in the channel that is broken to leave."
    ),
}
CONSTRAINTS = ()
KERNEL = kernels.donchian_breakout
TYPE = "breakout"
