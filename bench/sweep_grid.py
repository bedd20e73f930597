"""How fast the sweep of grids is, against vectorbt at its best: 500 parameter sets on 100,000 bars.

Both sides start from the same bars of a minute, fill the same orders (fill model touch, stops, maker and
taker fees, slippage), and compute Sharpe ratio, return and drawdown of every set; both are compiled
beforehand. vectorbt runs an order function that keeps its place among the lines, as ours does, in the column
chunk that suits it best. The chunk is chosen on a part of the sets; the time is that of all of them.
"""

from bench.harness import best_seconds, peak_mb  # isort: skip - sets up numba before it is imported

from functools import cache, partial
from itertools import product
from typing import Any

import numba
import numpy as np

from bench.figures import largest_difference, our_figures, peer_figures
from stratopt_server.domain.market import Bars
from stratopt_server.domain.parameters import Params
from stratopt_server.domain.runs import Costs, Fill, FillModel, RunTerms
from stratopt_server.engine.sweep import Sweeper

NAME = "sweep_grid"
BARS = 100_000
COUNTS = (5, 10, 20, 40, 80)
RATIOS = np.linspace(0.003, 0.03, 20).round(5).tolist()
STOPS = (0.02, 0.05, 0.1, 0.2, 0.3)
CHUNKS = (5, 20, 50, 100)
PART = 100
"""Sets on which vectorbt's chunk is chosen."""
MAKER, TAKER, SLIPPAGE, CASH, MINUTES = 0.0002, 0.001, 0.0005, 10_000.0, 60 * 24 * 365
STEP = 1e-3
"""Standard deviation of a bar's return: 3.8 % a day."""
DENSE = 5.0
"""Times as much, and orders fill in every few bars: what our side costs then is measured too."""

ANCHOR, AMOUNT, TOP, BOTTOM, HOLDING, PHASE, CURSOR, LEFT = range(8)
"""What vectorbt's side remembers of a grid."""
BUYING, GIVING_UP, SELLING = range(3)


def bars(step: float = STEP) -> Bars:
    """Make the seeded random walk, with wicks."""
    random = np.random.default_rng(20240101)
    close = 100.0 * np.exp(np.cumsum(random.normal(0.0, step, BARS)))
    opened = np.concatenate(([100.0], close[:-1]))
    wicks = np.exp(np.abs(random.normal(0.0, step / 2, (2, BARS))))
    high, low = np.maximum(opened, close) * wicks[0], np.minimum(opened, close) / wicks[1]
    return Bars(np.arange(BARS) * 60_000_000, opened, high, low, close, np.ones(BARS))


def param_sets() -> list[Params]:
    """Make the five hundred parameter sets, so mixed that a part of them is like the whole."""
    sets: list[Params] = [
        {"grid_num": count, "profit_ratio": ratio, "stop_loss": stop}
        for count, ratio, stop in product(COUNTS, RATIOS, STOPS)
    ]
    order = np.random.default_rng(1).permutation(len(sets))
    return [sets[place] for place in order]


def ours(sample: Bars, sets: list[Params]) -> np.ndarray:
    """Sweep the sets: a row of Sharpe ratio, return and drawdown each."""
    terms = RunTerms(
        costs=Costs(taker_fee=TAKER, slippage=SLIPPAGE, maker_fee=MAKER),
        initial_cash=CASH,
        fill=Fill.NEXT_OPEN,
        bars_per_year=MINUTES,
        fill_model=FillModel.TOUCH,
    )
    found = Sweeper("grid", sample, terms).evaluate(sets)
    return our_figures(found)


@numba.njit
def place(state: np.ndarray, price: float, cash: float, count: float) -> None:
    """Anchor vectorbt's grid at a price."""
    state[ANCHOR], state[AMOUNT] = price, cash / count
    state[TOP], state[BOTTOM], state[HOLDING] = 1, 0, 0


@numba.njit
def buy(i: int, low: float, count: float, state: np.ndarray, slots: np.ndarray) -> tuple[float, float]:
    """Find the next buy that bar i fills: its size and price; 0 if there is none left."""
    k = int(state[TOP])
    while k <= count and slots[k, 1] > 0.0:
        k += 1
    state[TOP] = k
    line = state[ANCHOR] * slots[k, 0]
    if k > count or low > line:
        return 0.0, 0.0
    slots[k, 1], slots[k, 2] = state[AMOUNT] / (line * (1.0 + MAKER)), i
    state[TOP], state[BOTTOM] = k + 1, max(state[BOTTOM], k)
    state[HOLDING] += 1
    return slots[k, 1], line


@numba.njit
def sell(i: int, high: float, state: np.ndarray, slots: np.ndarray) -> tuple[float, float]:
    """Find the next sell that bar i fills: its size and price; 0 if there is none left."""
    k = int(state[CURSOR])
    while k > 0:
        line = state[ANCHOR] * slots[k - 1, 0]
        if slots[k, 1] > 0.0:
            if high < line:
                break
            if slots[k, 2] < i:
                size, slots[k, 1] = slots[k, 1], 0.0
                state[CURSOR], state[TOP] = k - 1, min(state[TOP], k)
                state[HOLDING] -= 1
                return -size, line
            state[LEFT] = max(state[LEFT], k)
        k -= 1
    state[BOTTOM] = max(state[LEFT], k)
    return 0.0, 0.0


@numba.njit
def give_up(state: np.ndarray, slots: np.ndarray) -> float:
    """Take what the last slot that holds something sells at the stop; 0 if none does."""
    k = int(state[BOTTOM])
    while k > 0 and slots[k, 1] == 0.0:
        k -= 1
    state[BOTTOM] = k
    size, slots[k, 1] = slots[k, 1], 0.0
    return float(-size)


@numba.njit
def next_order(
    at: tuple[int, int, float], bar: np.ndarray, rule: np.ndarray, state: np.ndarray, slots: np.ndarray
) -> tuple[float, float, float, float]:
    """Find the next order of a bar: its size, price, fee and slippage; size 0 if there is none left.

    `at` is the bar, how often it was asked before, and the cash.
    """
    i, asked, cash = at
    stop = state[ANCHOR] * slots[int(rule[0]), 0] * (1.0 - rule[2])
    if asked == 0:
        state[PHASE] = BUYING
    if state[PHASE] == BUYING:
        size, price = buy(i, bar[2], rule[0], state, slots)
        if size > 0.0:
            return size, price, MAKER, 0.0
        state[PHASE] = GIVING_UP if bar[2] <= stop else SELLING
        state[CURSOR], state[LEFT] = state[BOTTOM], 0
    if state[PHASE] == GIVING_UP:
        size = give_up(state, slots)
        if size == 0.0:
            place(state, bar[3], cash, rule[0])
        return size, min(stop, bar[0]), TAKER, SLIPPAGE
    size, price = sell(i, bar[1], state, slots)
    if size == 0.0 and state[HOLDING] == 0 and bar[3] > state[ANCHOR] * (1.0 + rule[1]):
        place(state, bar[3], cash, rule[0])
    return size, price, MAKER, 0.0


@cache
def order_function() -> Any:
    """Write the grid as vectorbt wants it: called for a bar until it has no order left."""
    from vectorbt.portfolio import nb  # noqa: PLC0415 - the memory of our own side is measured without it
    from vectorbt.portfolio.enums import Direction, SizeType  # noqa: PLC0415

    amount, long_only, order_nb, nothing_nb = (
        int(SizeType.Amount),
        int(Direction.LongOnly),
        nb.order_nb,
        nb.order_nothing_nb,
    )

    @numba.njit
    def order(c: Any, market: np.ndarray, rules: np.ndarray, states: np.ndarray, slots: np.ndarray) -> Any:
        column, i = c.from_col, c.i
        cash = c.last_cash[column]
        if i == 0:
            place(states[column], market[0, 3], cash, rules[column, 0])
            return -1, nothing_nb()
        at = (i, c.call_idx, cash)
        size, price, fee, slippage = next_order(at, market[i], rules[column], states[column], slots[column])
        if size == 0.0:
            return -1, nothing_nb()
        return column, order_nb(size, price, amount, long_only, fee, 0.0, slippage)

    return order


def peers(sample: Bars, sets: list[Params], chunk: int) -> np.ndarray:
    """Do the same with vectorbt, so many columns at a time."""
    rows = [_portfolio(sample, sets[first : first + chunk]) for first in range(0, len(sets), chunk)]
    return np.concatenate(rows)


def _portfolio(sample: Bars, sets: list[Params]) -> np.ndarray:
    """Simulate a chunk of columns and read the three figures off it."""
    import vectorbt as vbt  # noqa: PLC0415

    rules = np.array([[float(value) for value in params.values()] for params in sets])
    market = np.stack([sample.open, sample.high, sample.low, sample.close], axis=1)
    slots = np.zeros((len(sets), max(COUNTS) + 2, 3))
    slots[:, :, 0] = (1.0 + rules[:, 1:2]) ** -np.arange(max(COUNTS) + 2.0)
    portfolio = vbt.Portfolio.from_order_func(
        np.broadcast_to(sample.close[:, None], (len(sample), len(sets))),
        order_function(),
        market,
        rules,
        np.zeros((len(sets), 8)),
        slots,
        flexible=True,
        init_cash=CASH,
        update_value=False,
        fill_pos_record=False,
        ffill_val_price=False,
        max_orders=len(sample) * len(sets) // 4,
        freq="1min",
    )
    return peer_figures(portfolio)


def our_side() -> None:
    """Do our side once, alone: for its memory."""
    ours(bars(), param_sets())


def our_side_doubled() -> None:
    """Do our side once, alone, with twice the sets: it should need no more."""
    ours(bars(), param_sets() * 2)


def peer_side() -> None:
    """Do vectorbt's side once, alone, at the chunk that needs least and on the part: for its memory."""
    peers(bars(), param_sets()[:PART], CHUNKS[0])


def run() -> dict[str, object]:
    """Time both sides and compare their figures."""
    sample, dense, sets = bars(), bars(STEP * DENSE), param_sets()
    part = sets[:PART]
    ours(sample, sets)
    peers(sample.slice(0, 1_000), part, CHUNKS[0])
    our_seconds = best_seconds(partial(ours, sample, sets), repeats=20)
    dense_seconds = best_seconds(partial(ours, dense, sets), repeats=5)
    one_thread = _on_one_thread(sample, sets)
    by_chunk = {chunk: best_seconds(partial(peers, sample, part, chunk), repeats=2) for chunk in CHUNKS}
    peer_chunk = min(by_chunk, key=lambda chunk: by_chunk[chunk])
    kept: list[np.ndarray] = []
    peer_seconds = best_seconds(lambda: kept.append(peers(sample, sets, peer_chunk)), repeats=1)
    left, right = ours(sample, sets), kept[0]
    return {
        "name": NAME,
        "ratio": peer_seconds / our_seconds,
        "max_rel_diff": largest_difference(left, right),
        "peak_mb": peak_mb("bench.sweep_grid", "our_side"),
        "peak_mb_with_twice_the_sets": peak_mb("bench.sweep_grid", "our_side_doubled"),
        "peer_peak_mb": peak_mb("bench.sweep_grid", "peer_side"),
        "bars": BARS,
        "sets": len(sets),
        "threads": numba.get_num_threads(),
        "our_seconds": our_seconds,
        "peer_seconds": peer_seconds,
        "peer_chunk": peer_chunk,
        # On PART sets, to choose the chunk; peer_seconds is measured on all sets, not scaled.
        "peer_seconds_on_part_by_chunk": {str(chunk): seconds for chunk, seconds in by_chunk.items()},
        "peer_sets_on_part": PART,
        "ns_per_bar_and_set": our_seconds / BARS / len(sets) * 1e9,
        "one_thread_ns_per_bar_and_set": one_thread / BARS / len(sets) * 1e9,
        # The same sweep where the price moves five times as much and orders fill in every few bars.
        "dense_ns_per_bar_and_set": dense_seconds / BARS / len(sets) * 1e9,
    }


def _on_one_thread(sample: Bars, sets: list[Params]) -> float:
    """Time our side on one thread."""
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    seconds = best_seconds(partial(ours, sample, sets), repeats=10)
    numba.set_num_threads(threads)
    return seconds
