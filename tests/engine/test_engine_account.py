"""The account of the kernels is the one that its terms describe, fill by fill, and plain vectorbt's.

vectorbt 1.2 can express a part of it. It does not, and runs are compared without:

- sizes: a short's share of the cash after a fixed fee (it takes the share of what the fee leaves), adding to
  shorts (it counts what was sold as debt), fixed amounts of shorts (it lends any amount);
- turns to the other side in two orders, each with its fixed fee (it turns in one);
- stops where fills are at the next open (it looks at no stop in the bar of an order), stops of a position
  that is added to (it places them anew from the last fill), a trailing stop beside a stop loss;
- targets that a bar opens beyond (it fills them at the open, better than their price);
- stops with slippage beside targets without;
- lots that no double holds exactly (its floor of a whole number of them may be one less);
- maker fees, impact, least values, carry, liquidation; closing where the fee is more than what is there.
"""

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace
from itertools import zip_longest
from typing import Any

import numpy as np
import pytest
from account_oracle import SMALLEST_SIZE, Figures, Wishes, drawdowns, measure, ratios, returns_of, run
from engine_samples import HOURS_A_YEAR, MINUTE, bars_of, random_bars
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stratopt_server.domain.market import Bars, from_microseconds
from stratopt_server.domain.metrics import ReturnMoments, RunStatus
from stratopt_server.domain.runs import (
    Carry,
    Costs,
    Direction,
    Fill,
    FundingRate,
    MarketRules,
    RunTerms,
    Sizing,
    SizingKind,
    Stops,
)
from stratopt_server.engine.kernels import columns as column
from stratopt_server.engine.kernels.book import Book
from stratopt_server.engine.kernels.orders import (
    LIQUIDATION,
    O_BAR,
    O_FEE,
    O_PRICE,
    O_REASON,
    O_SIZE,
    ORDER,
    SIGNAL,
    STOP_LOSS_HIT,
    TAKE_PROFIT_HIT,
    in_lots_nb,
)
from stratopt_server.engine.kernels.signals import (
    LONG_ENTRY,
    LONG_EXIT,
    SHORT_ENTRY,
    SHORT_EXIT,
    Signals,
    run_signals_nb,
)
from stratopt_server.engine.metrics import ABSOLUTE, RELATIVE, disagreements
from stratopt_server.engine.prepare import BLOCKS, market_of, terms_of
from stratopt_server.engine.ready_signals import ReadySignals, SignalSweeper
from stratopt_server.engine.totals import to_daily, to_metrics

ORDERS_A_BAR = 3
"""Most orders in a bar: a position closed, one opened the other way, and that one stopped."""
REASONS = [SIGNAL, STOP_LOSS_HIT, TAKE_PROFIT_HIT, LIQUIDATION]
"""The kernels' numbers of the oracle's reasons, in its order."""
TIE = 1e-12
"""Runs in which two numbers came nearer than this before one decision are left out."""
ROUNDING = 2e-11
"""Runs whose returns are so small or so alike that rounding moves their moments more are left out too."""
MOMENTS = 1e-9
"""How far apart moments may be that are near 0: they are numbers of about 1."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Ran:
    """What the kernels found."""

    orders: Floats
    """Bar, size, price, fee, reason: a row for each fill."""
    figures: Figures


Runner = Callable[[Bars, Wishes, RunTerms], Ran]


def run_kernel(bars: Bars, wishes: Wishes, terms: RunTerms) -> Ran:
    """Run a strategy's wishes through the kernels."""
    market = market_of(bars, terms.carry)
    book = Book(
        market,
        terms_of(terms),
        np.full(column.TOTALS, np.nan),
        np.full(market.day_ends.size, np.nan),
        np.full((BLOCKS, 2), np.nan),
        np.full((ORDERS_A_BAR * len(bars), ORDER), np.nan),
    )
    signals = Signals(
        codes=np.array(wishes.codes, dtype=np.uint8),
        sizes=np.array(wishes.sizes, dtype=float),
        stop_losses=np.array(wishes.stop_losses, dtype=float),
        take_profits=np.array(wishes.take_profits, dtype=float),
        adds=wishes.adds,
        of_initial=wishes.of_initial,
    )
    run_signals_nb(book, signals)
    rows = book.total[np.newaxis]
    figures = Figures(to_metrics(rows, len(bars), terms)[0], to_daily(rows)[0], book.blocks.tolist())
    orders = book.orders[: int(book.total[column.ORDERS])]
    return Ran(orders[:, [O_BAR, O_SIZE, O_PRICE, O_FEE, O_REASON]], figures)


def run_ready(bars: Bars, wishes: Wishes, terms: RunTerms) -> Ran:
    """Run them as ready-made signals."""
    codes = np.array(wishes.codes)
    ready = ReadySignals(
        entries=codes & LONG_ENTRY > 0,
        exits=codes & LONG_EXIT > 0,
        short_entries=codes & SHORT_ENTRY > 0,
        short_exits=codes & SHORT_EXIT > 0,
        sizes=levels_of(wishes.sizes),
        stop_losses=levels_of(wishes.stop_losses),
        take_profits=levels_of(wishes.take_profits),
        adds=wishes.adds,
        of_initial=wishes.of_initial,
    )
    sweeper = SignalSweeper(bars, terms)
    measured, (orders, metrics) = sweeper.measure([ready]), sweeper.orders(ready)
    assert measured.metrics == [metrics]
    figures = Figures(metrics, measured.daily[0], measured.blocks[0].tolist())
    return Ran(orders[:, [O_BAR, O_SIZE, O_PRICE, O_FEE, O_REASON]], figures)


def levels_of(column: Sequence[float]) -> Floats | float | None:
    """Give a column as ready-made signals have it."""
    if len(column) == 1:
        return column[0]
    return np.array(column) if column else None


def differences(runner: Runner, bars: Bars, wishes: Wishes, terms: RunTerms) -> list[str]:
    """Name each fill and each figure on which what ran differs from the definition."""
    account = run(bars, wishes, terms)
    assume(account.nearest_tie > TIE)
    expected, found = measure(account, bars, BLOCKS), runner(bars, wishes, terms)
    assume(expected.rounding < ROUNDING)
    rows = [[o.bar, o.size, o.price, o.fee, REASONS[o.reason]] for o in account.orders]
    metrics, shape = found.figures.metrics, (expected.metrics.skewness, expected.metrics.kurtosis)
    same = replace(expected.metrics, skewness=metrics.skewness, kurtosis=metrics.kurtosis)
    return [
        *apart("order", found.orders.tolist(), rows),
        *disagreements(metrics, same),
        *apart("shape", [metrics.skewness, metrics.kurtosis], shape),
        *apart("daily", [found.figures.daily], [expected.daily]),
        *apart("block", found.figures.blocks, expected.blocks),
    ]


def apart(name: str, found: Sequence[Any], expected: Sequence[Any]) -> list[str]:
    """Name each place at which two rows of things differ."""
    pairs = enumerate(zip_longest(found, expected))
    return [f"{name} {i}: {mine} and {its}" for i, (mine, its) in pairs if not near(mine, its)]


def near(left: Any, right: Any) -> bool:
    """Tell whether moments, or rows of numbers, differ by rounding only."""
    if left is None or right is None:
        return left is right
    if isinstance(left, ReturnMoments):
        left, right = astuple(left), astuple(right)
    atol = ABSOLUTE if isinstance(left, list) else MOMENTS
    return np.shape(left) == np.shape(right) and np.allclose(left, right, rtol=RELATIVE, atol=atol)


# What runs are made of. The columns come from a seed, so that a shorter run is the beginning of a longer one.


@st.composite
def made_up_bars(draw: st.DrawFn) -> Bars:
    """Draw up to 150 hours or days: gaps, jumps, wicks, repeats, bars without volume, bars left out."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    count = draw(st.integers(1, 150))
    size, gap, wick = draw(st.tuples(*[st.sampled_from([0.0, 0.001, 0.02, 0.15])] * 3))
    jumps, idle = draw(st.sampled_from([0.0, 0.05])), draw(st.sampled_from([0.0, 0.1, 0.7]))
    rows = random.normal(size=(count, 4)) * [size, gap, wick, wick]
    chance = random.random((count, 4))
    moves = rows[:, 0] + np.where(chance[:, 0] < jumps, np.log(random.choice([0.05, 0.5, 3.0], count)), 0.0)
    close = 10.0 ** draw(st.integers(-3, 5)) * np.exp(np.cumsum(np.where(chance[:, 1] < 0.1, 0.0, moves)))
    opened = np.concatenate((close[:1], close[:-1])) * np.exp(rows[:, 1])
    high = np.maximum(opened, close) * np.exp(np.abs(rows[:, 2]))
    low = np.minimum(opened, close) * np.exp(-np.abs(rows[:, 3]))
    step = draw(st.sampled_from([60, 1440])) * MINUTE
    time = np.cumsum(np.where(chance[:, 3] < draw(st.sampled_from([0.0, 0.1])), 30 * step, step))
    volume = np.where(chance[:, 2] < idle, 0.0, 1000.0 / close * np.exp(random.normal(size=count)))
    return Bars(time, opened, high, low, close, volume)


def rarely(usual: list[Any], rare: list[Any]) -> st.SearchStrategy[Any]:
    """Draw from the rare values one time in eight."""
    return st.sampled_from([False] * 7 + [True]).flatmap(lambda odd: st.sampled_from(rare if odd else usual))


SHARES = rarely([0.05, 0.3, 1.0], [0.001])
COSTS = rarely([0.0, 0.001, 0.02], [0.5, 0.9])
STOP = st.one_of(st.none(), st.none(), st.sampled_from([0.0031, 0.0312, 0.211, 0.93]))


@st.composite
def made_up_wishes(draw: st.DrawFn, count: int) -> Wishes:
    """Draw a code for each bar, dense or rare, some contradicting themselves, and perhaps own stops."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    bits = random.random((count, 4)) < draw(st.sampled_from([0.03, 0.2, 0.5]))

    def column_of(values: list[float]) -> list[float]:
        length = draw(st.sampled_from([0, 0, 0, 1, count]))
        return [float(value) for value in random.choice(values, length)]

    return Wishes(
        codes=[int(code) for code in bits @ [1, 2, 4, 8]],
        sizes=column_of([0.011, 0.1, 0.5, 1.0]),
        stop_losses=column_of([0.013, 0.057, 0.31, np.inf]),
        take_profits=column_of([0.011, 0.047, 0.53, np.inf]),
        adds=draw(st.booleans()),
        of_initial=draw(st.booleans()),
    )


@st.composite
def made_up_costs(draw: st.DrawFn, cash: float) -> Costs:
    """Draw what trading costs, from nothing to the absurd."""
    return Costs(
        taker_fee=draw(COSTS),
        slippage=draw(COSTS),
        maker_fee=draw(rarely([None, 0.0, 0.0004], [0.7])),
        fixed_fee=cash * draw(rarely([0.0, 0.0, 1e-5], [0.01, 0.4])),
        impact=draw(rarely([0.0, 0.0, 0.1], [5.0])) / cash**0.5,
    )


@st.composite
def made_up_carry(draw: st.DrawFn, bars: Bars) -> Carry:
    """Draw what holding costs: funding at any moments in and around the bars."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    count = draw(st.sampled_from([0, 0, 3, 100]))
    first, last = int(bars.time[0]), int(bars.time[-1])
    times = np.sort(random.integers(first - 120 * MINUTE, last + 2880 * MINUTE, count))
    rates = random.normal(0.0, draw(rarely([1e-4, 0.01], [0.4])), count)
    points = zip(times.tolist(), rates.tolist(), strict=True)
    return Carry(
        borrow_rate=draw(rarely([0.0, 0.0, 1e-4, 0.03], [0.9])),
        funding=tuple(FundingRate(time=from_microseconds(time), rate=rate) for time, rate in points),
    )


@st.composite
def made_up_terms(draw: st.DrawFn, bars: Bars) -> RunTerms:
    """Draw every term, each left out often enough that runs live."""
    cash = draw(st.sampled_from([1.0, 100.0, 10_000.0, 1e7]))
    level = float(bars.close[0])
    kind = draw(st.sampled_from(SizingKind))
    share = draw(SHARES)
    return RunTerms(
        costs=draw(made_up_costs(cash)),
        initial_cash=cash,
        fill=draw(st.sampled_from(Fill)),
        bars_per_year=draw(st.sampled_from([252.0, HOURS_A_YEAR])),
        direction=draw(st.sampled_from(Direction)),
        sizing=Sizing(kind=kind, amount=share * cash if kind is SizingKind.FIXED else share),
        stops=Stops(stop_loss=draw(STOP), take_profit=draw(STOP), trailing_stop=draw(STOP)),
        rules=MarketRules(
            min_notional=cash * draw(rarely([0.0, 0.0, 0.01], [0.4])),
            lot_size=cash / level * draw(rarely([0.0, 0.0, 1e-4, 0.033], [0.7])),
        ),
        carry=draw(made_up_carry(bars)),
    )


@st.composite
def made_up_runs(draw: st.DrawFn) -> tuple[Bars, Wishes, RunTerms]:
    """Draw bars, and what a strategy may wish for on them at what terms."""
    bars = draw(made_up_bars())
    return bars, draw(made_up_wishes(len(bars))), draw(made_up_terms(bars))


@pytest.mark.parametrize(
    ("size", "lot", "expected"),
    [
        (1e12, 1e-8, 1e12),
        (1e10, 1e-8, 1e10),
        (0.3, 0.1, 0.3),
        (0.29, 0.1, 0.2),
        (0.05, 0.1, 0.0),
        (5.0, 0.0, 5.0),
    ],
)
def test_lots_round_down_however_many(size: float, lot: float, expected: float) -> None:
    """A quantity is never rounded up, nor turned negative by more lots than a whole number holds."""
    found = in_lots_nb(size, lot)
    assert found == pytest.approx(expected, rel=1e-12)
    assert 0.0 <= found <= size


@settings(max_examples=1000, deadline=None)
@given(made_up_runs())
def test_kernels_keep_the_account_that_is_described(made_up: tuple[Bars, Wishes, RunTerms]) -> None:
    """Whatever the bars, the signals and the terms, each fill and each figure is the definition's."""
    assert differences(run_kernel, *made_up) == []


@settings(max_examples=300, deadline=None)
@given(made_up_runs())
def test_ready_made_signals_keep_it_too(made_up: tuple[Bars, Wishes, RunTerms]) -> None:
    """Booleans, sizes and stops, of each bar or of all, are run as the definition runs their codes."""
    assert differences(run_ready, *made_up) == []


SHORT = RunTerms(
    costs=Costs(taker_fee=0.0, slippage=0.0),
    initial_cash=1000.0,
    fill=Fill.CLOSE,
    bars_per_year=HOURS_A_YEAR,
    direction=Direction.SHORT,
)
"""Ten units are sold at 100: at 200 nothing is left."""
FLAT = bars_of([100.0] * 6)
RISE = bars_of([100.0, 100.0, 100.0, 150.0, 150.0])
SPIKE = replace(bars_of([100.0] * 3), high=np.array([100.0, 250.0, 100.0]), volume=np.array([1.0, 0.0, 1.0]))


@pytest.mark.parametrize(
    ("bars", "terms", "bar", "price", "carry"),
    [
        pytest.param(
            FLAT, replace(SHORT, costs=Costs(taker_fee=0.0, slippage=0.9)), 0, 20.0, 0.0, id="costs"
        ),
        pytest.param(FLAT, replace(SHORT, carry=Carry(borrow_rate=0.3)), 3, 100.0, 1000.0, id="borrow"),
        pytest.param(
            RISE, replace(SHORT, carry=Carry(borrow_rate=0.2)), 3, 140.0, 600.0, id="borrow and a rise"
        ),
        pytest.param(
            SPIKE,
            replace(SHORT, costs=Costs(taker_fee=0.0, slippage=0.0, impact=1e-9), stops=Stops(stop_loss=0.1)),
            1,
            200.0,
            0.0,
            id="no volume for the stop",
        ),
    ],
)
def test_an_account_never_owes(bars: Bars, terms: RunTerms, bar: int, price: float, carry: float) -> None:
    """Whatever takes the last of it, the account is liquidated there, with 0 left, and trades no more."""
    ran = run_kernel(bars, Wishes([4] * len(bars)), terms)
    assert ran.orders.shape[0] == 2
    assert ran.orders[1, [0, 4]].tolist() == [bar, LIQUIDATION]
    assert ran.orders[1, 2] == pytest.approx(price, rel=1e-6)
    metrics = ran.figures.metrics
    assert (metrics.run_status, metrics.final_equity) == (RunStatus.LIQUIDATED, 0.0)
    assert (metrics.total_return, metrics.max_drawdown) == (-1.0, 1.0)
    assert metrics.carry_paid == pytest.approx(carry)


def portfolio_of(bars: Bars, wishes: Wishes, terms: RunTerms) -> Any:
    """Give a run that vectorbt can express to it, as its documentation shows."""
    import vectorbt as vbt

    costs, stops, delay = terms.costs, terms.stops, int(terms.fill is Fill.NEXT_OPEN)
    long = terms.direction is Direction.LONG
    codes = np.concatenate((np.zeros(delay, dtype=int), wishes.codes))[: len(bars)] >> (0 if long else 2)
    price = bars.open if delay else bars.close
    sizes: dict[SizingKind, Any] = {
        SizingKind.ALL_IN: np.inf,
        SizingKind.FRACTION: terms.sizing.amount,
        SizingKind.FIXED: terms.sizing.amount / price,
    }
    trails = stops.trailing_stop is not None
    return vbt.Portfolio.from_signals(
        bars.close,
        entries=codes & 1 > 0,
        exits=codes & 2 > 0,
        direction="longonly" if long else "shortonly",
        price=price,
        size=np.broadcast_to(sizes[terms.sizing.kind], price.shape),
        size_type="percent" if terms.sizing.kind is SizingKind.FRACTION else "amount",
        accumulate="addonly" if wishes.adds else "disabled",
        fees=costs.taker_fee,
        fixed_fees=costs.fixed_fee,
        slippage=costs.slippage,
        min_size=SMALLEST_SIZE,
        size_granularity=terms.rules.lot_size or np.nan,
        open=bars.open,
        high=bars.high,
        low=bars.low,
        sl_stop=stops.trailing_stop or stops.stop_loss or np.nan,
        sl_trail=trails,
        tp_stop=stops.take_profit or np.nan,
        stop_entry_price="fillprice",
        stop_exit_price="stopmarket" if trails or stops.stop_loss else "stoplimit",
        init_cash=terms.initial_cash,
        freq="1h",
        engine="numba",
    )


STOPS = st.sampled_from(
    [
        Stops(),
        Stops(stop_loss=0.0031),
        Stops(stop_loss=0.0312),
        Stops(trailing_stop=0.0211),
        Stops(take_profit=0.0112),
        Stops(stop_loss=0.0212, take_profit=0.0411),
    ]
)


@st.composite
def runs_for_vectorbt(draw: st.DrawFn) -> tuple[Bars, Wishes, RunTerms]:
    """Draw a run that vectorbt can express: see the exceptions above."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    stops, direction = draw(STOPS), draw(st.sampled_from([Direction.LONG, Direction.SHORT]))
    long, stopped = direction is Direction.LONG, stops != Stops()
    kind = draw(st.sampled_from(SizingKind if long else [SizingKind.ALL_IN, SizingKind.FRACTION]))
    amounts = {SizingKind.ALL_IN: 1.0, SizingKind.FRACTION: draw(SHARES), SizingKind.FIXED: 3_333.0}
    share_of_short = kind is SizingKind.FRACTION and not long
    both = stops.stop_loss is not None and stops.take_profit is not None
    costs = Costs(
        taker_fee=draw(st.sampled_from([0.0, 0.001, 0.01])),
        slippage=0.0 if both else draw(st.sampled_from([0.0, 0.0005, 0.01])),
        fixed_fee=0.0 if share_of_short else draw(st.sampled_from([0.0, 1.5])),
    )
    terms = RunTerms(
        costs=costs,
        initial_cash=10_000.0,
        fill=Fill.CLOSE if stopped else draw(st.sampled_from(Fill)),
        bars_per_year=HOURS_A_YEAR,
        direction=direction,
        sizing=Sizing(kind=kind, amount=amounts[kind]),
        stops=stops,
        rules=MarketRules(lot_size=draw(st.sampled_from([0.0, 2.0**-6, 2.0]))),
    )
    bars = random_bars(200, seed=int(random.integers(2**32)), step=draw(st.sampled_from([0.001, 0.02])))
    if stops.take_profit is not None:
        opened = np.concatenate((bars.open[:1], bars.close[:-1]))
        bars = bars_of(bars.close, opened)
    wick = np.exp(np.abs(random.normal(0.0, 0.01, (2, 200))))
    bars = replace(bars, high=bars.high * wick[0], low=bars.low / wick[1])
    bits = random.random((200, 4)) < draw(st.sampled_from([0.03, 0.2, 0.5]))
    adds = long and not stopped and draw(st.booleans())
    return bars, Wishes([int(code) for code in bits @ [1, 2, 4, 8]], adds=adds), terms


@settings(max_examples=150, deadline=None)
@given(runs_for_vectorbt())
def test_kernels_keep_the_account_of_vectorbt(made_up: tuple[Bars, Wishes, RunTerms]) -> None:
    """Plain vectorbt fills the same orders and finds the same figures wherever it can express the run."""
    terms = made_up[2]
    ran, portfolio = run_ready(*made_up), portfolio_of(*made_up)
    metrics = ran.figures.metrics
    assume(metrics.run_status is not RunStatus.LIQUIDATED)
    records = portfolio.orders.values
    sizes = np.where(records["side"] == 0, records["size"], -records["size"])
    expected = np.column_stack((records["idx"], sizes, records["price"], records["fees"]))
    assert ran.orders.shape[0] == expected.shape[0]
    np.testing.assert_allclose(ran.orders[:, :4], expected, rtol=1e-9, atol=1e-12)
    equity, profits = portfolio.value().tolist(), portfolio.trades.closed.pnl.values
    returns = returns_of(equity, terms.initial_cash)
    fall, longest = drawdowns(equity, terms.initial_cash)
    figures = {
        "final_equity": equity[-1],
        "max_drawdown": fall,
        "longest_drawdown_bars": longest,
        "trade_count": len(profits),
        "expectancy": profits.mean() if len(profits) else None,
        **ratios(returns, terms.bars_per_year),
    }
    assert disagreements(metrics, replace(metrics, **figures)) == []
