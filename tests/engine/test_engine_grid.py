"""The compiled grid against its definition, order by order, and the laws that no run may break."""

import importlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import pytest
from engine_samples import MARKET, MINUTE, market_files, read_bars
from grid_oracle import Bar, GridOracle, Model, Setup, Why
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from stratopt_server.domain.market import Bars
from stratopt_server.domain.runs import Carry, Costs, Fill, FillModel, MarketRules, RunTerms
from stratopt_server.engine.jit import njit
from stratopt_server.engine.kernels import columns as column
from stratopt_server.engine.kernels import orders as order
from stratopt_server.engine.kernels.bits import LANES
from stratopt_server.engine.kernels.book import Book, hold_nb, open_book_nb
from stratopt_server.engine.kernels.grid import BEYOND, SLOT, GridRule, run_grid_nb, work_grid_nb
from stratopt_server.engine.kernels.lanes import beyond_mask_nb, moments_nb, span_nb
from stratopt_server.engine.kernels.tables import no_tables
from stratopt_server.engine.kernels.terms import Floats2, Inputs, Terms, Totals
from stratopt_server.engine.prepare import market_of, terms_of

MODELS = {
    Model.TOUCH: FillModel.TOUCH,
    Model.THROUGH: FillModel.THROUGH,
    Model.VOLUME: FillModel.VOLUME,
    Model.TOUCH_PATH: FillModel.TOUCH_PATH,
}
REASONS = {Why.LINE: order.LINE, Why.STOP: order.STOP_LOSS_HIT}
BLOCKS = 4
RUNTIME: Any = importlib.import_module("numba.core.runtime")
NOISE = 1e-10
"""A fall of equity up to this is rounding."""
EQUAL = pytest.approx
"""Figures of both sides are equal to 1e-12 of what they are summed up from."""


# What both sides are given.


def bars_of(bars: list[Bar], minutes: int = 60) -> Bars:
    """Lay bars out as columns."""
    time = np.arange(len(bars), dtype=np.int64) * minutes * MINUTE
    rows = [(bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars]
    return Bars(time, *np.array(rows, dtype=np.float64).T.copy())


def list_of(bars: Bars) -> list[Bar]:
    """Take columns apart into bars."""
    columns = (bars.open, bars.high, bars.low, bars.close, bars.volume)
    return [Bar(*row) for row in zip(*(part.tolist() for part in columns), strict=True)]


def terms_for(setup: Setup) -> Terms:
    """Write what trading costs and allows as kernels read it."""
    return terms_of(
        RunTerms(
            costs=Costs(taker_fee=setup.taker_fee, slippage=setup.slippage, maker_fee=setup.maker_fee),
            initial_cash=setup.cash,
            fill=Fill.NEXT_OPEN,
            bars_per_year=8766.0,
            rules=MarketRules(
                min_notional=setup.min_notional, lot_size=setup.lot_size, tick_size=setup.tick_size
            ),
            fill_model=MODELS[setup.model],
            participation=setup.participation,
        )
    )


@dataclass(frozen=True)
class Ran:
    """What the kernel makes of one parameter set."""

    total: np.ndarray
    blocks: Floats2
    orders: Floats2


def run_kernel(setup: Setup, bars: Bars) -> Ran:
    """Run the kernel, and keep every order."""
    market = market_of(bars, Carry(), BLOCKS)
    orders = np.empty((2 * setup.count * (2 * len(bars) + 1), order.ORDER))
    days = np.empty(market.day_ends.size)
    book = Book(market, terms_for(setup), np.empty(column.TOTALS), days, np.empty((BLOCKS, 2)), orders)
    rule = GridRule(setup.count, setup.profit_ratio, setup.stop_loss)
    run_grid_nb(book, rule, np.full((setup.count + 1, SLOT), np.nan))
    filled = int(book.total[column.ORDERS])
    assert filled <= len(orders)
    return Ran(book.total, book.blocks, orders[:filled])


# Bars and setups that hypothesis draws.


@st.composite
def setups(draw: st.DrawFn, price: float) -> Setup:
    """Draw parameters from tight to wide, costs from none to absurd, and rules around what a slot buys."""
    count = draw(st.integers(1, 8))
    cash = draw(st.sampled_from([50.0, 10_000.0]))
    amount = cash / count
    lots = st.sampled_from([0.0, 0.0, 0.0, 1e-3, 0.3, 0.7, 1.1])
    notionals = st.one_of(st.just(0.0), st.just(0.0), st.just(1.0), st.floats(0.8, 1.1))
    return Setup(
        count=count,
        profit_ratio=draw(st.one_of(st.sampled_from([0.001, 0.01, 0.25, 1.0]), st.floats(0.0005, 0.1))),
        stop_loss=draw(st.one_of(st.sampled_from([5e-5, 0.01, 0.5]), st.floats(0.001, 0.9))),
        model=draw(st.sampled_from(Model)),
        maker_fee=draw(st.sampled_from([0.0, 0.0002, 0.02, 0.3])),
        taker_fee=draw(st.sampled_from([0.0, 0.001, 0.05, 0.5])),
        slippage=draw(st.sampled_from([0.0, 0.0005, 0.05, 0.5])),
        lot_size=draw(lots) * amount / price,
        min_notional=draw(notionals) * amount,
        tick_size=draw(st.sampled_from([0.0, 0.0, 1e-4, 3e-3])) * price,
        participation=draw(st.sampled_from([0.1, 1.0])),
        cash=cash,
    )


def telling_prices(setup: Setup, anchor: float) -> list[float]:
    """List the prices at which something just happens or just does not, for the grid at an anchor."""
    growth = 1.0 + setup.profit_ratio
    lines = [anchor * math.pow(growth, -k) for k in range(setup.count + 1)]
    beyond = [setup.tick_size or BEYOND * line for line in lines]
    low = [line - step for line, step in zip(lines, beyond, strict=True)]
    high = [line + step for line, step in zip(lines, beyond, strict=True)]
    stop = lines[-1] * (1.0 - setup.stop_loss)
    found = [*lines, *low, *high, stop, anchor * growth, anchor * growth * (1.0 + 1e-15)]
    return [price for price in found if price > 0.0]


@st.composite
def cases(draw: st.DrawFn) -> tuple[Setup, list[Bar]]:
    """Draw a setup, and bars that jump between prices that tell, wherever the grid has moved by then."""
    anchor = 10.0 ** draw(st.integers(-2, 4)) * draw(st.floats(0.5, 2.0))
    setup = draw(setups(anchor))
    grid, bars = GridOracle(setup), [Bar(anchor, anchor, anchor, anchor, 0.0)]
    grid.step(bars[0])
    places = st.one_of(st.integers(0, 40), st.integers(0, 40), st.floats(-0.2, 0.2))
    volumes = st.sampled_from([0.0, 0.7, 1.0, 1.5, 2.5, 100.0])
    calms = st.sampled_from([0] * 12 + [1, 62, 63, 130])
    drawn = st.tuples(places, places, places, places, volumes, calms)
    for *where, plenty, calm in draw(st.lists(drawn, min_size=draw(st.integers(0, 25)), max_size=50)):
        telling, close = telling_prices(setup, grid.anchor), bars[-1].close
        prices = [telling[at % len(telling)] if isinstance(at, int) else close * math.exp(at) for at in where]
        volume = plenty * setup.cash / setup.count / grid.anchor / setup.participation
        following = [Bar(prices[0], max(prices), min(prices), prices[1], volume)]
        following += [Bar(prices[1], prices[1], prices[1], prices[1], 0.0)] * calm
        grid.run(following)
        bars += following
    return setup, bars


def walk(count: int, seed: int, step: float = 0.004) -> list[Bar]:
    """Make a random walk with wicks, gaps and volumes from none to plenty."""
    random = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(random.normal(0.0, step, count)))
    opened = np.concatenate(([100.0], close[:-1])) * np.exp(random.normal(0.0, step / 4, count))
    high = np.maximum(opened, close) * np.exp(np.abs(random.normal(0.0, step / 2, count)))
    low = np.minimum(opened, close) * np.exp(-np.abs(random.normal(0.0, step / 2, count)))
    volume = random.choice([0.0, 5.0, 100.0, 1e6], count)
    return [Bar(*row) for row in np.stack([opened, high, low, close, volume], axis=1).tolist()]


# What must be equal.


def assert_equal_orders(ran: Ran, wanted: GridOracle) -> None:
    """Compare the fills one by one."""
    places = [order.O_BAR, order.O_SLOT, order.O_REASON]
    found = [tuple(int(number) for number in row) for row in ran.orders[:, places]]
    assert found == [(fill.bar, fill.slot, REASONS[fill.why]) for fill in wanted.fills]
    numbers = np.array([(fill.size, fill.price, fill.fee) for fill in wanted.fills]).reshape(-1, 3)
    np.testing.assert_allclose(
        ran.orders[:, [order.O_SIZE, order.O_PRICE, order.O_FEE]], numbers, rtol=1e-12, atol=0.0
    )


def assert_equal_counts(ran: Ran, wanted: GridOracle) -> None:
    """Compare what is counted of orders and round trips."""
    profits = [trade.profit for trade in wanted.trades if abs(trade.profit) > 1e-12 * trade.cost]
    traded = math.fsum(abs(fill.size) * fill.price for fill in wanted.fills)
    size = 1e-12 * (traded + wanted.setup.cash)
    expected = {
        column.ORDERS: len(wanted.fills),
        column.TRADES: len(wanted.trades),
        column.WINS: sum(profit > 0.0 for profit in profits),
        column.GAIN: math.fsum(profit for profit in profits if profit > 0.0),
        column.PAIN: -math.fsum(profit for profit in profits if profit < 0.0),
        column.FEES: math.fsum(fill.fee for fill in wanted.fills),
        column.TRADED: traded,
        column.OPEN_TRADES: len(wanted.open_slots),
        column.SIZE: wanted.quantity,
        column.CASH: wanted.cash,
        column.HELD: sum(wanted.held),
        column.REFUSED_CASH: wanted.refused_cash,
        column.REFUSED_LOT: wanted.refused_lot,
        column.REFUSED_NOTIONAL: wanted.refused_notional,
    }
    found = {name: float(ran.total[name]) for name in expected}
    assert found == EQUAL(expected, rel=1e-12, abs=size)


def falls_of(equity: list[float], cash: float) -> tuple[float, int]:
    """Find the largest fall from a peak, and the most bars in a row that ended below one."""
    peaks = list(accumulate([cash, *equity], max))[1:]
    under = accumulate(
        (value < peak * (1.0 - NOISE) for value, peak in zip(equity, peaks, strict=True)),
        lambda bars, below: bars + 1 if below else 0,
        initial=0,
    )
    fall = max((peak - value) / peak for value, peak in zip(equity, peaks, strict=True))
    return fall, max(under)


def assert_equal_curve(ran: Ran, wanted: GridOracle, minutes: int = 60) -> None:
    """Compare what is summed up of the equity of every bar."""
    cash, equity = wanted.setup.cash, wanted.equity
    curve = np.array([cash, *equity])
    change = np.diff(curve) / curve[:-1]
    fall, longest = falls_of(equity, cash)
    ends = [i for i in range(len(equity)) if i + 1 == len(equity) or (i + 1) * minutes % 1440 == 0]
    days = np.array([after / before - 1.0 for before, after in pairwise([cash, *(equity[i] for i in ends)])])
    quantile = np.quantile(days, 0.05)
    tail = np.sort(days)[: int(0.05 * (len(days) - 1)) + 1]
    expected = {
        column.EQUITY: (equity[-1], max(curve)),
        column.PEAK: (max(curve), max(curve)),
        column.FALL: (fall, 1.0),
        column.LONGEST: (longest, 0.0),
        column.SUM_RETURN: (change.sum(), np.abs(change).sum()),
        column.SUM_SQUARE: ((change**2).sum(), (change**2).sum()),
        column.SUM_CUBE: ((change**3).sum(), (np.abs(change) ** 3).sum()),
        column.SUM_FOURTH: ((change**4).sum(), (change**4).sum()),
        column.SUM_LOSS: ((np.minimum(change, 0.0) ** 2).sum(), (change**2).sum()),
        column.SUM_EQUITY: (math.fsum(equity), math.fsum(equity)),
        column.DAYS: (len(days), 0.0),
        column.DAY_SUM: (days.sum(), np.abs(days).sum()),
        column.DAY_SQUARE: ((days**2).sum(), (days**2).sum()),
        column.DAY_CUBE: ((days**3).sum(), (np.abs(days) ** 3).sum()),
        column.DAY_FOURTH: ((days**4).sum(), (days**4).sum()),
        column.VAR: (-quantile, np.abs(days).max()),
        column.CVAR: (-tail.mean(), np.abs(days).max()),
    }
    slack = cash / min(curve)
    for name, (value, size) in expected.items():
        assert ran.total[name] == EQUAL(value, rel=0.0, abs=1e-12 * slack * (size + 1e-3)), name
    size = len(equity) // BLOCKS
    parts = change[len(equity) - BLOCKS * size :].reshape(BLOCKS, size)
    sums = np.stack([parts.sum(axis=1), (parts**2).sum(axis=1)], axis=1)
    np.testing.assert_allclose(
        ran.blocks, sums, rtol=1e-12, atol=1e-12 * slack * (1.0 + np.abs(change).sum())
    )


def assert_agree(setup: Setup, bars: list[Bar]) -> GridOracle:
    """Run both sides and compare everything; returns the definition's run."""
    wanted = GridOracle(setup).run(bars)
    ran = run_kernel(setup, bars_of(bars))
    assert_equal_orders(ran, wanted)
    assert_equal_counts(ran, wanted)
    if min(wanted.equity) > 1e-6 * setup.cash:  # returns of a ruined account mean nothing
        assert_equal_curve(ran, wanted)
    return wanted


@settings(max_examples=600, deadline=None)
@given(cases())
def test_kernel_and_definition_agree_order_by_order(case: tuple[Setup, list[Bar]]) -> None:
    """Whatever the bars, costs and rules: the same fills, in the same order, and the same totals."""
    assert_agree(*case)


@pytest.mark.parametrize("model", Model)
@pytest.mark.parametrize("ratio", [0.001, 0.01])
@pytest.mark.parametrize("count", [1, 5, 40])
def test_long_walks_agree(model: Model, ratio: float, count: int) -> None:
    """So they do on some thousand bars, where fills are many and what rounding leaves adds up."""
    setup = Setup(count, ratio, 0.02, model, maker_fee=0.0002, taker_fee=0.001, slippage=0.0005)
    for seed in range(3):
        bars = walk(3_000, seed)
        wanted = assert_agree(replace(setup, lot_size=0.003 if seed else 0.0), bars)
        assert len(wanted.fills) > 10


@pytest.mark.skipif(not MARKET.exists(), reason="the folder shared with real bars is not beside the project")
@pytest.mark.parametrize("model", Model)
def test_real_bars_agree(model: Model) -> None:
    """And on real bars, hourly and by the minute, whose prices are multiples of a tick."""
    names = ("binance_BTC-USDT_1m", "binance_SOL-USDT_5m", "binance_XRP-USDT_1h", "kucoin_RNDR-USDT_1m")
    files = [path for path in market_files() if path.stem in names]
    assert files
    for path in files:
        bars = list_of(read_bars(path).slice(0, 4_000))
        setup = Setup(12, 0.004, 0.03, model, 0.0002, 0.001, 0.0005, lot_size=1e-3, min_notional=5.0)
        assert assert_agree(setup, bars).fills


# The definition itself, by hand.


def by_hand(model: Model = Model.TOUCH) -> Setup:
    """Two slots: lines at 121, 110 and 100, the stop at 90."""
    return Setup(2, 0.1, 0.1, model, maker_fee=0.0, taker_fee=0.01, slippage=0.1, cash=2_200.0)


START = Bar(121.0, 121.0, 121.0, 121.0, 0.0)
HAND = [
    # Both buys rest from bar 1 on: 10 units at 110, 11 at 100.
    (Model.TOUCH, [Bar(115.0, 121.0, 110.0, 115.0, 0.0)], [(1, 1, 10.0, 110.0)]),
    # A sell rests from the bar after its buy, a buy from the bar after its sell.
    (
        Model.TOUCH,
        [Bar(115.0, 130.0, 105.0, 115.0, 0.0), Bar(115.0, 121.0, 105.0, 115.0, 0.0)],
        [(1, 1, 10.0, 110.0), (2, 1, -10.0, 121.0)],
    ),
    # Through: a touch is not enough.
    (Model.THROUGH, [Bar(115.0, 121.0, 110.0, 115.0, 0.0)], []),
    (Model.THROUGH, [Bar(115.0, 121.0, 109.9, 115.0, 0.0)], [(1, 1, 10.0, 110.0)]),
    # Volume: of 150 units a tenth may fill, which is one of the two.
    (Model.VOLUME, [Bar(115.0, 121.0, 99.0, 115.0, 150.0)], [(1, 1, 10.0, 110.0)]),
    (Model.VOLUME, [Bar(115.0, 121.0, 99.0, 115.0, 99.0)], []),
    # A fall through everything: both buy at their lines, the stop sells at 90 less a tenth; new lines.
    (
        Model.TOUCH,
        [Bar(115.0, 121.0, 80.0, 85.0, 0.0)],
        [(1, 1, 10.0, 110.0), (1, 2, 11.0, 100.0), (1, 1, -10.0, 81.0), (1, 2, -11.0, 81.0)],
    ),
    # Opened below the stop: sold at the open.
    (
        Model.TOUCH,
        [Bar(80.0, 85.0, 70.0, 85.0, 0.0)],
        [(1, 1, 10.0, 110.0), (1, 2, 11.0, 100.0), (1, 1, -10.0, 72.0), (1, 2, -11.0, 72.0)],
    ),
    # Along the path a slot trades again: down to 105, up to 125, down to 110.
    (
        Model.TOUCH_PATH,
        [Bar(109.0, 125.0, 105.0, 110.0, 0.0)],
        [(1, 1, 10.0, 110.0), (1, 1, -10.0, 121.0), (1, 1, 10.0, 110.0)],
    ),
    # Down last: the sell rests too late.
    (Model.TOUCH_PATH, [Bar(111.0, 125.0, 105.0, 110.0, 0.0)], [(1, 1, 10.0, 110.0)]),
    # A rising market is followed: lines at 145.2, 132 and 120.
    (
        Model.TOUCH,
        [Bar(121.0, 146.0, 121.0, 145.2, 0.0), Bar(145.0, 146.0, 131.9, 140.0, 0.0)],
        [(2, 1, 1100.0 / 132.0, 132.0)],
    ),
]


@pytest.mark.parametrize(("model", "bars", "fills"), HAND)
def test_worked_examples(model: Model, bars: list[Bar], fills: list[tuple[int, int, float, float]]) -> None:
    """Both sides give what a person works out from the definition."""
    wanted = assert_agree(by_hand(model), [START, *bars])
    assert [(fill.bar, fill.slot) for fill in wanted.fills] == [(bar, slot) for bar, slot, _, _ in fills]
    numbers = [number for fill in wanted.fills for number in (fill.size, fill.price)]
    assert numbers == EQUAL([number for *_, size, price in fills for number in (size, price)], rel=1e-12)


# Laws.


def fills_by_bar(setup: Setup, bars: Bars) -> dict[int, set[tuple[int, bool]]]:
    """Run the kernel; say for each bar which slots bought and sold."""
    found: dict[int, set[tuple[int, bool]]] = {}
    for row in run_kernel(setup, bars).orders:
        found.setdefault(int(row[order.O_BAR]), set()).add((int(row[order.O_SLOT]), row[order.O_SIZE] > 0.0))
    return found


@settings(max_examples=150, deadline=None)
@given(cases(), st.sampled_from([(Model.TOUCH, Model.THROUGH), (Model.THROUGH, Model.VOLUME)]))
def test_a_stricter_model_fills_no_more(case: tuple[Setup, list[Bar]], models: tuple[Model, Model]) -> None:
    """Where two models first differ, the stricter one filled fewer of the same orders."""
    setup, bars = case[0], bars_of(case[1])
    loose, strict = (fills_by_bar(replace(setup, model=model), bars) for model in models)
    for bar in range(len(bars)):
        if loose.get(bar, set()) != strict.get(bar, set()):
            assert strict.get(bar, set()) < loose[bar]
            return


@settings(max_examples=150, deadline=None)
@given(cases())
def test_cash_is_never_owed(case: tuple[Setup, list[Bar]]) -> None:
    """Where a round trip between two lines earns its fees, orders never ask for more cash than there is."""
    setup, bars = case
    assume((1.0 + setup.profit_ratio) * (1.0 - setup.maker_fee) >= 1.0 + setup.maker_fee)
    orders = run_kernel(setup, bars_of(bars)).orders
    flows = -orders[:, order.O_SIZE] * orders[:, order.O_PRICE] - orders[:, order.O_FEE]
    cash = setup.cash + np.cumsum(flows)
    assert np.all(cash >= -1e-12 * np.maximum.accumulate(np.abs(cash)) - 1e-9)


@settings(max_examples=100, deadline=None)
@given(cases())
def test_orders_obey_the_exchange(case: tuple[Setup, list[Bar]]) -> None:
    """Every buy is whole lots and worth the least value; under `volume` no bar fills more than its share."""
    setup, bars = case
    orders = run_kernel(setup, bars_of(bars)).orders
    bought = orders[orders[:, order.O_SIZE] > 0.0]
    assert np.all(bought[:, order.O_SIZE] * bought[:, order.O_PRICE] >= setup.min_notional)
    if setup.lot_size > 0.0:
        lots = bought[:, order.O_SIZE] / setup.lot_size
        np.testing.assert_allclose(lots, np.round(lots), rtol=1e-12)
    if setup.model is Model.VOLUME:
        lined = orders[orders[:, order.O_REASON] == order.LINE]
        sums = np.bincount(lined[:, order.O_BAR].astype(int), np.abs(lined[:, order.O_SIZE]), len(bars))
        assert np.all(sums <= setup.participation * np.array([bar.volume for bar in bars]) * (1.0 + 1e-12))


# Many sets.


def sweep(sets: Floats2, hands: int = 1) -> Totals:
    """Sweep parameter sets over a walk, dealt out to so many hands."""
    market = market_of(bars_of(walk(2_000, 7)), Carry(), BLOCKS)
    inputs = Inputs(market, no_tables(), terms_for(Setup(1, 0.1, 0.1)))
    totals = Totals(
        np.empty((len(sets), column.TOTALS)), np.empty((len(sets), BLOCKS, 2)), np.empty((0, order.ORDER))
    )
    for first in range(hands):
        work_grid_nb(inputs, sets, totals, (first, hands))
    return totals


def some_sets(count: int) -> Floats2:
    """Make parameter sets of grids small and large."""
    random = np.random.default_rng(count)
    sets = [
        random.integers(1, 60, count),
        random.uniform(0.001, 0.02, count),
        random.uniform(0.01, 0.3, count),
    ]
    return np.stack(sets, axis=1).astype(np.float64)


def test_a_set_does_not_know_its_company() -> None:
    """A set's totals are the same to the last bit alone, among others, and however the sets are dealt out."""
    sets = some_sets(23)
    together, dealt = sweep(sets), sweep(sets, hands=3)
    assert np.array_equal(together.rows, dealt.rows)
    assert np.array_equal(together.blocks, dealt.blocks)
    for number in (0, 11, 22):
        assert np.array_equal(sweep(sets[number : number + 1]).rows[0], together.rows[number])


@pytest.fixture
def counted_allocations() -> Iterator[None]:
    """Let numba count the arrays that kernels make."""
    RUNTIME._nrt_python.memsys_enable_stats()
    yield
    RUNTIME._nrt_python.memsys_disable_stats()


@pytest.mark.usefixtures("counted_allocations")
def test_memory_does_not_grow_with_the_sets() -> None:
    """A sweep makes as many arrays for 400 sets as for 4, each as large as its largest grid needs."""
    made = []
    for count in (4, 400):
        sweep(some_sets(count))
        before = RUNTIME.rtsys.get_allocation_stats().alloc
        sweep(some_sets(count))
        made.append(RUNTIME.rtsys.get_allocation_stats().alloc - before)
    assert made[0] == made[1]


# What the kernel stands on.


@njit(borrows=True)
def moments(close: np.ndarray, first: int, count: int, cash: float, size: float) -> tuple[float, ...]:
    """Call the vector loop from Python."""
    found: tuple[float, ...] = moments_nb(close, first, count, (cash, size))
    return found


@njit(borrows=True)
def span(values: np.ndarray, first: int, count: int) -> tuple[float, float]:
    """Call the vector loop from Python."""
    found: tuple[float, float] = span_nb(values, first, count)
    return found


@njit(borrows=True)
def beyond_mask(low: np.ndarray, high: np.ndarray, start: int, bounds: tuple[float, float]) -> int:
    """Call the vector comparison from Python."""
    return int(beyond_mask_nb(low, high, start, bounds))


@pytest.mark.parametrize("vectors", [1, 2, 9])
@pytest.mark.parametrize("first", [1, 2, 7])
def test_vector_loops_are_plain_loops(vectors: int, first: int) -> None:
    """The vector loops give what loops over single bars give, wherever they begin."""
    random = np.random.default_rng(vectors)
    count = vectors * LANES
    close = random.uniform(1.0, 2.0, first + count)
    equity = 3.0 + 0.5 * close[first - 1 :]
    change = np.diff(equity) / equity[:-1]
    sums = [np.sum(change**power) for power in (1, 2, 3, 4)]
    wanted = [*sums, np.sum(np.minimum(change, 0.0) ** 2), equity[1:].sum()]
    wanted += [close[first:].min(), close[first:].max()]
    assert moments(close, first, count, 3.0, 0.5) == EQUAL(tuple(wanted), rel=1e-13, abs=1e-15)
    assert span(close, first, count) == (close[first:].min(), close[first:].max())


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
@example(0, 1 << 63)
def test_masks_have_a_bit_for_each_bar(under: int, over: int) -> None:
    """A bit is set for each bar at or below the lower bound or at or above the upper one, and no other."""
    bits = np.arange(64, dtype=np.uint64)
    low = np.where((np.uint64(under) >> bits) & np.uint64(1), 1.0, 1.0 + 2.0**-52)
    high = np.where((np.uint64(over) >> bits) & np.uint64(1), 2.0, 2.0 - 2.0**-52)
    padded = np.concatenate(([0.0], low)), np.concatenate(([9.0], high))
    assert beyond_mask(*padded, 1, (1.0, 2.0)) == under | over


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 400), st.integers(0, 10**6), st.sampled_from([0.0, 3.0, 40.0, -2.0]))
def test_a_stretch_is_the_sum_of_its_bars(count: int, seed: int, size: float) -> None:
    """To hold over a stretch of bars is to hold bar after bar, long, short or flat."""
    bars = bars_of(walk(count, seed, step=0.01))
    market = market_of(bars, Carry(), BLOCKS)
    terms, orders = terms_for(Setup(1, 0.1, 0.1)), np.empty((0, order.ORDER))
    days, blocks = np.empty((2, market.day_ends.size)), np.empty((2, BLOCKS, 2))
    books = [Book(market, terms, np.empty(column.TOTALS), days[i], blocks[i], orders) for i in (0, 1)]
    for book in books:
        open_book_nb(book)
        book.total[column.SIZE] = size
        book.total[column.CASH] -= size * market.open[0]
    hold_nb(books[0], 0, count - 1)
    for bar in range(count):
        hold_nb(books[1], bar, bar)
    np.testing.assert_allclose(books[0].total, books[1].total, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(blocks[0], blocks[1], rtol=1e-11, atol=1e-14)
    assert np.array_equal(days[0], days[1])
