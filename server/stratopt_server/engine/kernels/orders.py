"""Orders: what is bought and sold, at what price and cost, and what the exchange refuses.

A closing order is never refused for its size: exchanges take what reduces a position.
"""

import math

import numpy as np

from stratopt_server.engine.jit import njit
from stratopt_server.engine.kernels.book import Book, end_trade_nb
from stratopt_server.engine.kernels.columns import (
    BEST,
    CASH,
    COST,
    ENTRY,
    FEES,
    FLOW,
    LIQUIDATED,
    ORDERS,
    REFUSED_CASH,
    REFUSED_LOT,
    REFUSED_NOTIONAL,
    REFUSED_VOLUME,
    SIZE,
    TRADED,
)
from stratopt_server.engine.kernels.terms import FIXED, FRACTION

TINY = 1e-12
"""An amount that counts as none: so little cash is lost, so small a difference of sizes is not seen."""
SMALLEST_SIZE = 1e-8
"""Least that is bought, in units of the base currency. A ruined account stops trading here; the value, and
TINY, are vectorbt's, so that ruin too is equal on both paths."""
LOT_ROUNDING = 1e-12
"""A quantity this near below a whole number of lots, as a share, is that number: it is rounding."""
LOTS_MAX = 2.0**53
"""From here on doubles are themselves coarser than lots: there is nothing to round."""
SLIPPAGE_MAX = 0.99
"""Most that a closing order slips, however large it is against the bar's volume."""

ORDER = 6
"""Length of the row of a fill."""
O_BAR, O_SIZE, O_PRICE, O_FEE, O_SLOT, O_REASON = range(ORDER)
"""Its columns: the bar, the quantity (negative when sold), the price with slippage, the fee, the slot of a
grid, and why."""
SIGNAL, STOP_LOSS_HIT, TAKE_PROFIT_HIT, LIQUIDATION, LINE = range(5)
"""Why an order was filled; LINE is a grid's."""


@njit(borrows=True)
def in_lots_nb(size: float, lot_size: float) -> float:
    """Round a quantity down to whole lots, where there are lots; never up."""
    if lot_size <= 0.0:
        return size
    # Not math.floor: compiled, it is a whole number of 64 bits, and more lots than those hold turn negative.
    lots = np.floor(size / lot_size * (1.0 + LOT_ROUNDING))
    return size if lots >= LOTS_MAX else float(min(lots * lot_size, size))


@njit(borrows=True, inlined=True)
def fill_nb(book: Book, bar: int, fill: tuple[float, float, float], why: tuple[int, int]) -> float:
    """Book a fill: (size, below 0 when sold; price; fee rate), (slot, reason). Return the cash it brought."""
    total = book.total
    size, price, fee_rate = fill
    slot, reason = why
    value = abs(size) * price
    fee = value * fee_rate + (book.terms.fixed_fee if reason != LIQUIDATION else 0.0)
    if size < 0.0 and total[SIZE] > 0.0:
        fee = min(fee, value + max(total[CASH], 0.0))  # dust is worth less than a fixed fee
    flow = -size * price - fee
    cash = total[CASH] + flow
    total[CASH] = 0.0 if abs(cash) <= TINY or abs(cash) <= TINY * value else cash
    total[SIZE] += size
    total[FEES] += fee
    total[TRADED] += value
    place = int(total[ORDERS])
    total[ORDERS] += 1.0
    if place < book.orders.shape[0]:
        order = book.orders[place]
        order[O_BAR], order[O_SIZE], order[O_PRICE] = bar, size, price
        order[O_FEE], order[O_SLOT], order[O_REASON] = fee, slot, reason
    return flow


@njit(borrows=True, inlined=True)
def _wanted_nb(book: Book, price: float, filled: float, budget: float) -> float:
    """Size an opening order: as wanted, and as far as the budget goes; below 0 it is what the terms say."""
    terms, cash = book.terms, book.total[CASH]
    wanted = math.inf
    if budget < 0.0:
        budget = terms.amount * cash if terms.sizing == FRACTION else cash
        wanted = terms.amount / price if terms.sizing == FIXED else wanted
    return min(wanted, (budget - terms.fixed_fee) / (filled * (1.0 + terms.fee)))


@njit(borrows=True, inlined=True)
def open_position_nb(book: Book, bar: int, price: float, side: int, budget: float) -> bool:
    """Buy (side 1) or sell short (-1) at the market, or add to what is held; tell whether it was filled.

    `budget` is the cash that the strategy wants to spend, below 0 where the terms decide.
    """
    terms, total = book.terms, book.total
    slippage, filled = terms.slippage, price * (1.0 + side * terms.slippage)
    size = _wanted_nb(book, price, filled, budget)
    if terms.impact > 0.0:
        volume = book.market.volume[bar]
        if volume > 0.0:
            slippage += terms.impact * max(size, 0.0) / volume
        if volume <= 0.0 or slippage >= 1.0:
            total[REFUSED_VOLUME] += 1.0
            return False
        filled = price * (1.0 + side * slippage)
        size = min(size, _wanted_nb(book, price, filled, budget))
    if total[CASH] <= TINY or size < SMALLEST_SIZE - TINY:
        total[REFUSED_CASH] += 1.0
        return False
    size = in_lots_nb(size, terms.lot_size)
    if size <= 0.0:
        total[REFUSED_LOT] += 1.0
        return False
    if size * filled < terms.min_notional:
        total[REFUSED_NOTIONAL] += 1.0
        return False
    _enter_nb(book, bar, side * size, filled)
    return True


@njit(borrows=True, inlined=True)
def _enter_nb(book: Book, bar: int, size: float, price: float) -> None:
    """Book the fill of an opening order, and what the open round trip needs to know."""
    total = book.total
    if total[SIZE] == 0.0:
        total[FLOW] = total[COST] = 0.0
        total[BEST] = price
    total[FLOW] += fill_nb(book, bar, (size, price, book.terms.fee), (-1, SIGNAL))
    total[COST] += abs(size) * price
    total[ENTRY] = total[COST] / abs(total[SIZE])
    total[BEST] = max(total[BEST], price) if size > 0.0 else min(total[BEST], price)


@njit(borrows=True, inlined=True)
def _market_price_nb(book: Book, bar: int, price: float, size: float) -> float:
    """Move the price of a closing order against us; NaN in a bar whose volume should say how far and is 0."""
    slippage = book.terms.slippage
    if book.terms.impact > 0.0:
        volume = book.market.volume[bar]
        if volume <= 0.0:
            return math.nan
        slippage = min(slippage + book.terms.impact * abs(size) / volume, SLIPPAGE_MAX)
    return price * (1.0 + slippage) if size < 0.0 else price * (1.0 - slippage)


@njit(borrows=True, inlined=True)
def close_position_nb(book: Book, bar: int, price: float, reason: int) -> bool:
    """Close all that is held, at the market unless it is a target or a liquidation; tell whether it was.

    An account never owes: one that closing would leave below 0 is liquidated at the price that leaves it 0.
    """
    terms, total = book.terms, book.total
    size, cash = total[SIZE], total[CASH]
    fee = terms.maker_fee if reason == TAKE_PROFIT_HIT else terms.fee
    if reason not in (TAKE_PROFIT_HIT, LIQUIDATION):
        price = _market_price_nb(book, bar, price, size)
        if math.isnan(price):
            total[REFUSED_VOLUME] += 1.0
            return False
    left = cash + size * price - abs(size) * price * fee - terms.fixed_fee
    if left < 0.0 and cash / size < 0.0:
        price, reason = -cash / size, LIQUIDATION
    if reason == LIQUIDATION:
        fee = 0.0
        total[LIQUIDATED] = 1.0
    total[FLOW] += fill_nb(book, bar, (-size, price, fee), (-1, reason))
    total[SIZE] = 0.0
    if reason == LIQUIDATION:
        total[CASH] = 0.0
    end_trade_nb(total, total[FLOW], total[COST])
    return True
