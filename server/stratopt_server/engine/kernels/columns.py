"""A run's row of totals: what its kernel counts, and from what its metrics are computed."""

TOTALS = 64
"""Length of a row: a multiple of a cache line, so that no two rows share one between workers."""
(
    EQUITY,  # at the last close that was counted
    CASH,
    SIZE,  # units held; negative when short
    PEAK,  # highest equity so far, the initial cash included
    FALL,  # largest fall from a peak, as a fraction
    UNDER,  # bars in a row that ended below the peak, up to the last counted
    LONGEST,  # most of them
    SUM_RETURN,
    SUM_SQUARE,
    SUM_CUBE,
    SUM_FOURTH,
    SUM_LOSS,  # of min(r, 0)^2
    SUM_EQUITY,
    HELD,  # bars at whose close a position is held
    FEES,
    TRADED,  # value of all fills
    CARRY,  # borrow and funding paid
    TRADES,
    WINS,
    GAIN,  # profit of the winning round trips
    PAIN,  # loss of the losing ones, positive
    OPEN_TRADES,
    ORDERS,
    REFUSED_NOTIONAL,
    REFUSED_LOT,
    REFUSED_CASH,
    REFUSED_VOLUME,
    LIQUIDATED,
    DAYS,  # UTC days that have ended
    DAY_SUM,  # powers of the daily returns
    DAY_SQUARE,
    DAY_CUBE,
    DAY_FOURTH,
    VAR,
    CVAR,
    BLOCK,  # number of the block that is being filled; -1 before the first
    BLOCK_RETURN,
    BLOCK_SQUARE,
    FLOW,  # cash in and out since the open round trip began
    COST,  # value at its entry
    ENTRY,  # mean price of it, slippage included
    BEST,  # best price since, for the trailing stop
    STOP_LOSS,  # of the open position
    TAKE_PROFIT,
    NEXT,  # bar at which the kernel goes on
) = range(45)
