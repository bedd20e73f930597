"""The grid: buy orders on lines below an anchor, each bought amount sold one line higher.

Between two bars in which an order fills nothing happens but that the close moves, and most bars are such.
So the next bar that reaches the highest resting buy or the lowest resting sell is looked for 64 bars at a
time, and what lies before it is counted in one stretch. Lines are ordered: inside a bar only those between
the first order and the price are looked at, never all of them.
"""

import math
from typing import NamedTuple

import numpy as np

from stratopt_server.engine.jit import njit
from stratopt_server.engine.kernels.book import Book, close_book_nb, end_trade_nb, hold_nb, open_book_nb
from stratopt_server.engine.kernels.columns import (
    CASH,
    OPEN_TRADES,
    REFUSED_CASH,
    REFUSED_LOT,
    REFUSED_NOTIONAL,
    SIZE,
)
from stratopt_server.engine.kernels.orders import (
    LINE,
    SMALLEST_SIZE,
    STOP_LOSS_HIT,
    TINY,
    fill_nb,
    in_lots_nb,
)
from stratopt_server.engine.kernels.seek import next_beyond_nb
from stratopt_server.engine.kernels.terms import TOUCH, TOUCH_PATH, VOLUME, Floats2, Inputs, Totals

BEYOND = 1e-4
"""How far through its line the price must go where the tick size is not known, as a share of the line."""
ROUNDING = 1e-9
"""More than rounding can make of a quantity or a value, as a share of it."""

SLOT = 8
"""Length of a slot's row: a cache line."""
RATIO, QUANTITY, PAID, BOUGHT = range(4)
"""Columns of a slot's row: line k over the anchor; what it holds, 0 while its buy rests, below 0 where that
was refused; what was paid for it, fee included; the bar it was bought in."""
ANCHOR, AMOUNT, TOP, BOTTOM, HOLDING, SOME_REFUSED = range(1, 7)
"""Further columns of row 0, which is the grid's own: the anchor; what each slot may spend; the first slot
whose buy rests, count + 1 if none does; the last that holds something, 0 if none does; how many do; and
whether some buy was refused."""


class GridRule(NamedTuple):
    """One parameter set."""

    slot_count: int
    profit_ratio: float
    stop_loss: float


@njit(borrows=True, inlined=True)
def _lay_lines_nb(rule: GridRule, slots: Floats2) -> None:
    """Compute where the lines stand below an anchor of 1, once for all anchors."""
    slots[: rule.slot_count + 1] = 0.0
    for k in range(rule.slot_count + 1):
        slots[k, RATIO] = math.pow(1.0 + rule.profit_ratio, -float(k))


@njit(borrows=True, inlined=True)
def _beyond_nb(book: Book, line: float) -> float:
    """How far the price must go through a line for its order to fill."""
    terms = book.terms
    if terms.fill_model in (TOUCH, TOUCH_PATH):
        return 0.0
    return terms.tick_size if terms.tick_size > 0.0 else BEYOND * line


@njit(borrows=True, inlined=True)
def _buy_level_nb(book: Book, slots: Floats2, slot: int) -> float:
    """How low the price must go for a slot's buy to fill."""
    line = slots[0, ANCHOR] * slots[slot, RATIO]
    return float(line - _beyond_nb(book, line))


@njit(borrows=True, inlined=True)
def _sell_level_nb(book: Book, slots: Floats2, slot: int) -> float:
    """How high the price must go for a slot's sell to fill."""
    line = slots[0, ANCHOR] * slots[slot - 1, RATIO]
    return float(line + _beyond_nb(book, line))


@njit(borrows=True, inlined=True)
def _stop_nb(rule: GridRule, slots: Floats2) -> float:
    """The price at which everything is given up."""
    return float(slots[0, ANCHOR] * slots[rule.slot_count, RATIO] * (1.0 - rule.stop_loss))


@njit(borrows=True, inlined=True)
def _quantity_nb(book: Book, line: float, amount: float) -> float:
    """What a slot orders at its line, before lots."""
    return amount / (line * (1.0 + book.terms.maker_fee))


@njit(borrows=True, inlined=True)
def _none_refused_nb(book: Book, slots: Floats2) -> bool:
    """Tell whether it is certain that no buy will be refused: the first slot's is the smallest of all."""
    line = slots[0, ANCHOR] * slots[1, RATIO]
    whole = _quantity_nb(book, line, slots[0, AMOUNT])
    least = whole * (1.0 - ROUNDING) - max(book.terms.lot_size, 0.0)
    return least > SMALLEST_SIZE and least * line > book.terms.min_notional + ROUNDING * slots[0, AMOUNT]


@njit(borrows=True, inlined=True)
def _accepted_nb(book: Book, line: float, amount: float) -> bool:
    """Tell whether a buy may rest at a line; a refusal is counted."""
    terms, total = book.terms, book.total
    whole = _quantity_nb(book, line, amount)
    quantity = in_lots_nb(whole, terms.lot_size)
    if whole < SMALLEST_SIZE - TINY:
        total[REFUSED_CASH] += 1.0
    elif quantity <= 0.0:
        total[REFUSED_LOT] += 1.0
    elif quantity * line < terms.min_notional:
        total[REFUSED_NOTIONAL] += 1.0
    else:
        return True
    return False


@njit(borrows=True, inlined=True)
def _place_grid_nb(book: Book, rule: GridRule, slots: Floats2, bar: int) -> None:
    """Anchor at the bar's close, where nothing is held: put a buy on each line."""
    grid, total = slots[0], book.total
    grid[ANCHOR], grid[AMOUNT] = book.market.close[bar], total[CASH] / rule.slot_count
    grid[TOP], grid[BOTTOM], grid[HOLDING] = 1.0, 0.0, 0.0
    if grid[SOME_REFUSED] == 0.0 and _none_refused_nb(book, slots):
        return
    grid[SOME_REFUSED] = 0.0
    grid[TOP] = rule.slot_count + 1
    for slot in range(rule.slot_count, 0, -1):
        if _accepted_nb(book, grid[ANCHOR] * slots[slot, RATIO], grid[AMOUNT]):
            slots[slot, QUANTITY] = 0.0
            grid[TOP] = slot
        else:
            slots[slot, QUANTITY] = -1.0
            grid[SOME_REFUSED] = 1.0


@njit(borrows=True, inlined=True)
def _buy_down_nb(book: Book, rule: GridRule, slots: Floats2, bar: int, reached: float) -> float:
    """Fill the buys that a price of `reached` fills, from the highest line down; return how much that is."""
    grid, terms = slots[0], book.terms
    room = terms.participation * book.market.volume[bar] if terms.fill_model == VOLUME else math.inf
    filled = 0.0
    slot = int(grid[TOP])
    while slot <= rule.slot_count:
        if slots[slot, QUANTITY] == 0.0:
            if reached > _buy_level_nb(book, slots, slot):
                break
            line = grid[ANCHOR] * slots[slot, RATIO]
            quantity = in_lots_nb(_quantity_nb(book, line, grid[AMOUNT]), terms.lot_size)
            if filled + quantity > room:
                break  # lower lines buy no less: they do not fit either
            filled += quantity
            slots[slot, PAID] = -fill_nb(book, bar, (quantity, line, terms.maker_fee), (slot, LINE))
            slots[slot, QUANTITY], slots[slot, BOUGHT] = quantity, bar
            grid[HOLDING] += 1.0
            grid[BOTTOM] = max(grid[BOTTOM], slot)
        slot += 1
    grid[TOP] = slot
    return filled


@njit(borrows=True, inlined=True)
def _leave_nb(book: Book, slots: Floats2, bar: int, slot: int, how: tuple[int, float]) -> None:
    """Sell what a slot holds, for a reason and at a price, and count its round trip."""
    grid, terms, total = slots[0], book.terms, book.total
    reason, price = how
    quantity = slots[slot, QUANTITY]
    fee_rate = terms.maker_fee if reason == LINE else terms.fee
    brought = fill_nb(book, bar, (-quantity, price, fee_rate), (slot, reason))
    cost = quantity * (grid[ANCHOR] * slots[slot, RATIO])
    end_trade_nb(total, brought - slots[slot, PAID], cost)
    slots[slot, QUANTITY] = 0.0
    grid[HOLDING] -= 1.0
    grid[TOP] = min(grid[TOP], slot)
    if grid[HOLDING] == 0.0:
        total[SIZE] = 0.0  # what rounding left of many sums


@njit(borrows=True, inlined=True)
def _sell_up_nb(book: Book, slots: Floats2, bar: int, reached: float, filled: float) -> None:
    """Fill the sells that a price of `reached` fills, from the lowest line up; `filled` the bar has."""
    grid, terms = slots[0], book.terms
    room = terms.participation * book.market.volume[bar] if terms.fill_model == VOLUME else math.inf
    at_once = terms.fill_model == TOUCH_PATH
    left, slot = 0, int(grid[BOTTOM])
    while slot > 0:
        quantity = slots[slot, QUANTITY]
        if quantity > 0.0:
            if reached < _sell_level_nb(book, slots, slot):
                break
            if (at_once or slots[slot, BOUGHT] < bar) and filled + quantity <= room:
                filled += quantity
                _leave_nb(book, slots, bar, slot, (LINE, grid[ANCHOR] * slots[slot - 1, RATIO]))
            else:
                left = max(left, slot)
        slot -= 1
    grid[BOTTOM] = max(left, slot)


@njit(borrows=True, inlined=True)
def _give_up_nb(book: Book, rule: GridRule, slots: Floats2, bar: int, price: float) -> None:
    """Close all that is held at the market, and anchor anew at the bar's close."""
    filled = price * (1.0 - book.terms.slippage)
    for slot in range(1, int(slots[0, BOTTOM]) + 1):
        if slots[slot, QUANTITY] > 0.0:
            _leave_nb(book, slots, bar, slot, (STOP_LOSS_HIT, filled))
    _place_grid_nb(book, rule, slots, bar)


@njit(borrows=True, inlined=True)
def _see_nb(book: Book, rule: GridRule, slots: Floats2, bar: int) -> bool:
    """Fill what a bar fills of which only four prices are known; tell whether the stop was hit."""
    market = book.market
    stop = _stop_nb(rule, slots)
    filled = _buy_down_nb(book, rule, slots, bar, market.low[bar])
    if market.low[bar] <= stop:
        _give_up_nb(book, rule, slots, bar, min(stop, market.open[bar]))
        return True
    _sell_up_nb(book, slots, bar, market.high[bar], filled)
    return False


@njit(borrows=True, inlined=True)
def _fall_nb(book: Book, rule: GridRule, slots: Floats2, bar: int, reached: float) -> bool:
    """Walk down a leg of a bar's path; tell whether the stop was hit."""
    _buy_down_nb(book, rule, slots, bar, reached)
    stop = _stop_nb(rule, slots)
    if reached > stop:
        return False
    _give_up_nb(book, rule, slots, bar, min(stop, book.market.open[bar]))
    return True


@njit(borrows=True, inlined=True)
def _walk_nb(book: Book, rule: GridRule, slots: Floats2, bar: int) -> bool:
    """Fill what a bar fills on its assumed path; tell whether the stop was hit.

    No sell stands between the open and a buy that the open fills, so a leg needs no upper end: whatever
    it could fill beyond has been filled.
    """
    market = book.market
    opened, close = market.open[bar], market.close[bar]
    if _fall_nb(book, rule, slots, bar, opened):
        return True
    _sell_up_nb(book, slots, bar, opened, 0.0)
    if close < opened:
        _sell_up_nb(book, slots, bar, market.high[bar], 0.0)
    if _fall_nb(book, rule, slots, bar, market.low[bar]):
        return True
    if close < opened:
        _sell_up_nb(book, slots, bar, close, 0.0)
        return False
    _sell_up_nb(book, slots, bar, market.high[bar], 0.0)
    return bool(_fall_nb(book, rule, slots, bar, close))


@njit(borrows=True, inlined=True)
def _fill_bar_nb(book: Book, rule: GridRule, slots: Floats2, bar: int) -> None:
    """Do everything that happens in one bar, in its order."""
    walked = book.terms.fill_model == TOUCH_PATH
    if _walk_nb(book, rule, slots, bar) if walked else _see_nb(book, rule, slots, bar):
        return
    follows = book.market.close[bar] > slots[0, ANCHOR] * (1.0 + rule.profit_ratio)
    if slots[0, HOLDING] == 0.0 and follows:
        _place_grid_nb(book, rule, slots, bar)


@njit(borrows=True, inlined=True)
def _too_thin_nb(book: Book, slots: Floats2, bar: int, stop: float) -> bool:
    """Tell whether a bar's volume lets nothing fill: the first slot's order is the least."""
    market, terms, grid = book.market, book.terms, slots[0]
    if terms.fill_model != VOLUME or grid[HOLDING] == 0.0 or market.low[bar] <= stop:
        return False
    line = grid[ANCHOR] * slots[1, RATIO]
    least = in_lots_nb(_quantity_nb(book, line, grid[AMOUNT]), terms.lot_size)
    return bool(terms.participation * market.volume[bar] < least)


@njit(borrows=True, inlined=True)
def _next_event_nb(book: Book, rule: GridRule, slots: Floats2, first: int) -> int:
    """Find the first bar from `first` on in which the grid may trade or move; the number of bars if none."""
    market, grid, count = book.market, slots[0], book.market.close.size
    stop, highs, above = _stop_nb(rule, slots), market.close, grid[ANCHOR] * (1.0 + rule.profit_ratio)
    below = stop
    if grid[TOP] <= rule.slot_count:
        below = max(below, _buy_level_nb(book, slots, int(grid[TOP])))
    if grid[HOLDING] > 0.0:
        highs, above = market.high, _sell_level_nb(book, slots, int(grid[BOTTOM]))
    bar = next_beyond_nb(market.low, highs, (below, above), (first, count))
    while bar < count and _too_thin_nb(book, slots, bar, stop):
        bar = next_beyond_nb(market.low, highs, (below, above), (bar + 1, count))
    return int(bar)


@njit(borrows=True, inlined=True)
def run_grid_nb(book: Book, rule: GridRule, slots: Floats2) -> None:
    """Run one parameter set over the bars. `slots` is room to work in, of at least count + 1 rows of SLOT."""
    open_book_nb(book)
    _lay_lines_nb(rule, slots)
    _place_grid_nb(book, rule, slots, 0)
    count = book.market.close.size
    counted, checked = 0, 1
    while counted < count:
        bar = _next_event_nb(book, rule, slots, checked)
        hold_nb(book, counted, bar - 1)
        if bar < count:
            _fill_bar_nb(book, rule, slots, bar)
        counted, checked = bar, bar + 1
    close_book_nb(book)
    book.total[OPEN_TRADES] = slots[0, HOLDING]  # each slot is a trade of its own


@njit()
def work_grid_nb(inputs: Inputs, rules: Floats2, totals: Totals, hand: tuple[int, int]) -> None:
    """Run one worker's hand of parameter sets (count, profit ratio, stop loss): from which number on, and
    every how many. What it needs in between is as large as the largest grid, however many sets there are.
    """
    market, terms = inputs.market, inputs.terms
    days = np.empty(market.day_ends.size)
    slots = np.empty((int(rules[:, 0].max()) + 1, SLOT))
    for number in range(hand[0], rules.shape[0], hand[1]):
        rule = GridRule(int(rules[number, 0]), rules[number, 1], rules[number, 2])
        book = Book(market, terms, totals.rows[number], days, totals.blocks[number], totals.orders)
        run_grid_nb(book, rule, slots)
