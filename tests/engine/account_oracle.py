"""An account written down as its terms read: slow, obvious, one bar after the other.

It knows nothing of the kernels. Where two computations could differ by rounding alone, because a price stands
on a stop or a size on a whole lot, `nearest_tie` says how near it came.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np

from stratopt_server.domain.market import Bars, to_microseconds
from stratopt_server.domain.metrics import Metrics, ReturnMoments, RunStatus
from stratopt_server.domain.runs import Direction, Fill, RunTerms, SizingKind

LONG_ENTRY, LONG_EXIT, SHORT_ENTRY, SHORT_EXIT = 1, 2, 4, 8
HEEDED = {
    Direction.LONG: LONG_ENTRY | LONG_EXIT,
    Direction.SHORT: SHORT_ENTRY | SHORT_EXIT,
    Direction.BOTH: LONG_ENTRY | LONG_EXIT | SHORT_ENTRY | SHORT_EXIT,
}
CONTRADICTIONS = (LONG_ENTRY | LONG_EXIT, SHORT_ENTRY | SHORT_EXIT, LONG_ENTRY | SHORT_ENTRY)

NO_CASH = 1e-12
SMALLEST_SIZE = 1e-8
LOT_ROUNDING = 1e-12
SLIPPAGE_MAX = 0.99
BREAK_EVEN = 1e-12
NOISE = 1e-10
LITTLE = 1e-8
"""A sum that is 1e-4 of its terms is counted as near a tie as 1e-12."""
DAY = 86_400_000_000
EPSILON = 2.0**-52


class Reason(IntEnum):
    """Why an order was filled."""

    SIGNAL = 0
    STOP_LOSS = 1
    TAKE_PROFIT = 2
    LIQUIDATION = 3


@dataclass(frozen=True)
class Order:
    """One order filled; the size is negative when sold."""

    bar: int
    size: float
    price: float
    fee: float
    reason: Reason


@dataclass(frozen=True)
class Wishes:
    """What a strategy decided on each bar's close.

    Sizes and stops are of each bar, or one for all of them, or none: then the terms decide.
    """

    codes: Sequence[int]
    sizes: Sequence[float] = ()
    stop_losses: Sequence[float] = ()
    take_profits: Sequence[float] = ()
    adds: bool = False
    of_initial: bool = False


@dataclass(frozen=True)
class Bar:
    """One bar: its number, its prices, and what longs pay shorts at its close."""

    number: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    funding: float


@dataclass
class Trade:
    """The round trip that is open."""

    side: int
    """1 long, -1 short."""
    size: float = 0.0
    """Units held, never negative."""
    entry_value: float = 0.0
    """Sum of size times price of all entries."""
    profit: list[float] = field(default_factory=list)
    """Cash that came in and went out."""
    best: float = 0.0
    stop_loss: float = math.inf
    take_profit: float = math.inf

    @property
    def entry(self) -> float:
        """Mean price of the entries."""
        return self.entry_value / self.size

    def worse(self, price: float, other: float) -> bool:
        """Tell whether a price is worse for the position than another."""
        return price < other if self.side > 0 else price > other


@dataclass
class Account:
    """Cash, a position, and what has happened so far."""

    terms: RunTerms
    wishes: Wishes
    cash: float
    trade: Trade | None = None
    orders: list[Order] = field(default_factory=list)
    equity: list[float] = field(default_factory=list)
    held: list[bool] = field(default_factory=list)
    profits: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    carry: list[float] = field(default_factory=list)
    liquidated: bool = False
    nearest_tie: float = math.inf
    """Least relative distance of two numbers whose order decided something."""

    def less(self, a: float, b: float) -> bool:
        """Compare two numbers, and note how near they are."""
        if math.isfinite(a) and math.isfinite(b):
            self.nearest_tie = min(self.nearest_tie, abs(a - b) / max(abs(a), abs(b), 1e-300))
        return a < b

    def sum_of(self, a: float, b: float) -> float:
        """Add two numbers, and note how little is left: the less, the more weighs the rounding of both."""
        if a and b:
            # Where orders do not shrink with the cash, the rounding of the first ones does not either.
            scale = max(abs(a) + abs(b), self.terms.initial_cash if self.steps() else 0.0)
            self.nearest_tie = min(self.nearest_tie, abs(a + b) / scale * LITTLE)
        return a + b

    def steps(self) -> bool:
        """Tell whether anything of an order does not shrink with the cash."""
        terms, of_initial = self.terms, self.wishes.sizes and self.wishes.of_initial
        fixed = terms.sizing.kind is SizingKind.FIXED or terms.costs.fixed_fee > 0
        return bool(fixed or of_initial or terms.rules.lot_size > 0)

    def reaches(self, price: float, level: float, side: int) -> bool:
        """Tell whether a price is at a level or beyond it: above for side 1, below for -1."""
        return not self.less(side * price, side * level)

    def own(self, column: Sequence[float], decided: int) -> float | None:
        """Read what the strategy says for the bar it decided on; None where it says nothing."""
        if not column:
            return None
        return column[0] if len(column) == 1 else column[decided]

    # What a signal does

    def act(self, bar: Bar, price: float, decided: int) -> bool:
        """Do what was decided on a bar's close; tell whether a position was opened."""
        code = self.wishes.codes[decided] & HEEDED[self.terms.direction]
        for pair in CONTRADICTIONS:
            if code & pair == pair:
                code &= ~pair
        wanted = 1 if code & LONG_ENTRY else -1 if code & SHORT_ENTRY else 0
        held = self.trade.side if self.trade else 0
        leave = code & {1: LONG_EXIT, -1: SHORT_EXIT, 0: 0}[held]
        if held and (leave or wanted == -held) and not self.close(bar, price, Reason.SIGNAL):
            return False
        if not wanted or self.liquidated or (self.trade and not self.wishes.adds):
            return False
        return self.enter(bar, price, wanted, decided) and held != wanted

    def enter(self, bar: Bar, price: float, side: int, decided: int) -> bool:
        """Open a position or add to it, if the exchange takes the order; tell whether it did."""
        costs = self.terms.costs
        if costs.impact > 0 and bar.volume == 0:
            return self.refuse("volume")
        wanted, budget = self.wanted(price, decided)
        slippage = costs.slippage
        size = min(wanted, self.affordable(price * (1 + side * slippage), budget))
        if costs.impact > 0 and size > 0:
            slippage += costs.impact * size / bar.volume
            if not self.less(slippage, 1.0):
                return self.refuse("volume")
            size = min(size, self.affordable(price * (1 + side * slippage), budget))
        if not self.less(NO_CASH, self.cash) or self.less(size, SMALLEST_SIZE - NO_CASH):
            return self.refuse("cash")
        size = self.in_lots(size)
        if size == 0:
            return self.refuse("lot")
        filled = price * (1 + side * slippage)
        if self.less(size * filled, self.terms.rules.min_notional):
            return self.refuse("notional")
        opens = self.trade is None
        self.hold(bar, side, size, filled)
        if opens:
            self.place_stops(decided)
        return True

    def wanted(self, price: float, decided: int) -> tuple[float, float]:
        """Find how many units an entry wants, and how much cash it may take."""
        share, sizing = self.own(self.wishes.sizes, decided), self.terms.sizing
        if share is not None:
            whole = self.terms.initial_cash if self.wishes.of_initial else self.cash
            return math.inf, min(share * whole, self.cash)
        if sizing.kind is SizingKind.FRACTION:
            return math.inf, sizing.amount * self.cash
        if sizing.kind is SizingKind.FIXED:
            return sizing.amount / price, self.cash
        return math.inf, self.cash

    def affordable(self, filled: float, budget: float) -> float:
        """Find how many units a budget pays at a price, fees included; none at a price of 0 or below."""
        costs = self.terms.costs
        return (budget - costs.fixed_fee) / (filled * (1 + costs.taker_fee)) if filled > 0 else 0.0

    def in_lots(self, size: float) -> float:
        """Round down to whole lots, but for rounding."""
        lot = self.terms.rules.lot_size
        if lot == 0:
            return size
        count = size / lot * (1 + LOT_ROUNDING)
        self.less(count, max(1.0, round(count)))
        return math.floor(count) * lot

    def refuse(self, why: str) -> bool:
        """Count an order that was refused."""
        self.refused[why] += 1
        return False

    def hold(self, bar: Bar, side: int, size: float, price: float) -> None:
        """Book the fill of an entry."""
        trade = self.trade or Trade(side, best=price)
        trade.size += size
        trade.entry_value += size * price
        if trade.worse(trade.best, price):
            trade.best = price
        fee = size * price * self.terms.costs.taker_fee + self.terms.costs.fixed_fee
        self.trade = trade
        self.book(bar, Order(bar.number, side * size, price, fee, Reason.SIGNAL))

    def place_stops(self, decided: int) -> None:
        """Set the stops of the position, the strategy's before those of the terms."""
        assert self.trade
        for name, column, general in (
            ("stop_loss", self.wishes.stop_losses, self.terms.stops.stop_loss),
            ("take_profit", self.wishes.take_profits, self.terms.stops.take_profit),
        ):
            own = self.own(column, decided)
            found = general if own is None else own
            setattr(self.trade, name, math.inf if found is None else found)

    # What ends a position

    def close(self, bar: Bar, price: float, reason: Reason) -> bool:
        """Close all that is held, at the market unless it is a target; tell whether it was."""
        assert self.trade
        costs, side, size = self.terms.costs, self.trade.side, self.trade.size
        slippage, rate = costs.slippage, costs.taker_fee
        if reason is Reason.TAKE_PROFIT:
            slippage, rate = 0.0, costs.resting_fee
        elif costs.impact > 0:
            if bar.volume == 0:
                return self.refuse("volume")
            slippage = min(SLIPPAGE_MAX, slippage + costs.impact * size / bar.volume)
        filled = price * (1 - side * slippage)
        fee = size * filled * rate + costs.fixed_fee
        if side > 0 and self.cash >= 0:
            fee = min(fee, self.cash + size * filled)
        elif self.owes(size * filled, fee):
            return self.liquidate(bar)
        self.book(bar, Order(bar.number, -side * size, filled, fee, reason))
        self.end_trade()
        return True

    def owes(self, value: float, fee: float) -> bool:
        """Tell whether closing at that value would leave less than nothing."""
        assert self.trade
        # Cash and what is sold on one side, what is owed and bought back on the other: each is above 0.
        if self.trade.side > 0:
            return self.less(value, fee - self.cash)
        return self.less(self.cash, value + fee)

    def liquidate(self, bar: Bar) -> bool:
        """Close all that is held at the price that leaves nothing."""
        assert self.trade
        size = -self.trade.side * self.trade.size
        self.book(bar, Order(bar.number, size, self.cash / size, 0.0, Reason.LIQUIDATION))
        self.cash, self.liquidated = 0.0, True
        self.end_trade()
        return True

    def end_trade(self) -> None:
        """Count the round trip that has ended."""
        assert self.trade
        profit = math.fsum(self.trade.profit)
        self.profits.append(0.0 if abs(profit) <= BREAK_EVEN * self.trade.entry_value else profit)
        self.trade = None

    def book(self, bar: Bar, order: Order) -> None:
        """Note a fill and move the cash."""
        assert self.trade
        flow = -order.size * order.price - order.fee
        self.trade.profit.append(flow)
        self.orders.append(replace(order, bar=bar.number))
        left = self.cash + flow
        if abs(left) <= NO_CASH * max(1.0, abs(order.size * order.price)):
            self.cash = 0.0
            return
        self.cash = self.sum_of(self.cash, flow)

    # What happens inside a bar

    def stop(self, bar: Bar, *, entered_now: bool) -> bool:
        """End the position where the bar reaches a stop or target; tell whether it did."""
        if not self.trade:
            return False
        reason, price = self.reached(bar, entered_now=entered_now)
        if reason is Reason.LIQUIDATION:
            return self.liquidate(bar)
        if reason and self.close(bar, price, reason):
            return True
        worst = bar.low if self.trade.side > 0 else bar.high
        if self.reaches(worst, self.bankruptcy(), -self.trade.side):
            return self.liquidate(bar)
        return False

    def reached(self, bar: Bar, *, entered_now: bool) -> tuple[Reason | None, float]:
        """Find what ends the position first, and at what price: the open comes first, then the stop."""
        trade = self.trade
        assert trade
        side, bankruptcy = trade.side, self.bankruptcy()
        stop = trade.entry * (1 - side * trade.stop_loss)
        if self.terms.stops.trailing_stop is not None:
            trailing = trade.best * (1 - side * self.terms.stops.trailing_stop)
            stop = stop if trade.worse(trailing, stop) else trailing
        target = trade.entry * (1 + side * trade.take_profit)
        if not entered_now:
            if self.reaches(bar.open, bankruptcy, -side):
                return Reason.LIQUIDATION, bankruptcy
            if self.reaches(bar.open, stop, -side):
                return Reason.STOP_LOSS, bar.open
            if self.reaches(bar.open, target, side):
                return Reason.TAKE_PROFIT, target
        worst, best = (bar.low, bar.high) if side > 0 else (bar.high, bar.low)
        nearest = bankruptcy if trade.worse(stop, bankruptcy) else stop
        # A stop that slippage put beyond the open fills there: between the two nothing was traded.
        fill = bar.open if trade.worse(bar.open, nearest) and nearest != bankruptcy else nearest
        if self.reaches(worst, nearest, -side):
            return (Reason.LIQUIDATION if nearest == bankruptcy else Reason.STOP_LOSS), fill
        if self.reaches(best, target, side):
            return Reason.TAKE_PROFIT, target
        return None, 0.0

    def bankruptcy(self) -> float:
        """Find the price at which nothing is left; without end away where there is none."""
        assert self.trade
        return -self.cash / (self.trade.side * self.trade.size)

    def follow(self, bar: Bar) -> None:
        """Let the trailing stop follow a bar that has ended."""
        if self.trade:
            extreme = bar.high if self.trade.side > 0 else bar.low
            self.trade.best = extreme if self.trade.worse(self.trade.best, extreme) else self.trade.best

    # What happens at a close

    def worth(self, price: float) -> float:
        """Find the equity at a price."""
        if not self.trade:
            return self.cash
        return self.sum_of(self.cash, self.trade.side * self.trade.size * price)

    def end_bar(self, bar: Bar) -> None:
        """Pay what holding costs, as far as there is equity, and note the equity."""
        if self.trade:
            equity, value = self.worth(bar.close), self.trade.size * bar.close
            due = self.trade.side * bar.funding * value
            if self.trade.side < 0:
                due += self.terms.carry.borrow_rate * value
            if equity > 0:
                self.pay(min(due, equity))
            if not self.less(max(due, 0.0), equity):
                self.liquidate(bar)
        equity = self.worth(bar.close)
        self.equity.append(equity)
        self.held.append(self.trade is not None)

    def pay(self, due: float) -> None:
        """Pay what holding costs."""
        assert self.trade
        self.cash -= due
        self.trade.profit.append(-due)
        self.carry.append(due)


def run(bars: Bars, wishes: Wishes, terms: RunTerms) -> Account:
    """Run a strategy's wishes over the bars."""
    account = Account(terms, wishes, terms.initial_cash)
    for bar in bars_one_by_one(bars, terms):
        if terms.fill is Fill.NEXT_OPEN:
            entered = bar.number > 0 and not account.liquidated and account.act(bar, bar.open, bar.number - 1)
            account.stop(bar, entered_now=entered)
            account.follow(bar)
        else:
            stopped = account.stop(bar, entered_now=False)
            account.follow(bar)
            if not stopped and not account.liquidated:
                account.act(bar, bar.close, bar.number)
        account.end_bar(bar)
    return account


def bars_one_by_one(bars: Bars, terms: RunTerms) -> list[Bar]:
    """Take the bars apart; a high or low that leaves out the open or the close is moved to it."""
    columns = (column.tolist() for column in (bars.open, bars.high, bars.low, bars.close, bars.volume))
    rows = zip(*columns, funding(bars, terms), strict=True)
    return [
        Bar(i, opened, max(high, opened, close), min(low, opened, close), close, volume, rate)
        for i, (opened, high, low, close, volume, rate) in enumerate(rows)
    ]


def funding(bars: Bars, terms: RunTerms) -> list[float]:
    """Add up the rates of each bar, its end included; the last ends a usual length after its open."""
    time = bars.time.tolist()
    length = int(np.median(np.diff(bars.time))) if len(time) > 1 else DAY
    found = [0.0] * len(time)
    for point in terms.carry.funding:
        moment = to_microseconds(point.time)
        before = [i for i, opened in enumerate(time) if opened < moment]
        if before and moment <= time[-1] + length:
            found[before[-1]] += point.rate
    return found


@dataclass(frozen=True)
class Figures:
    """What a run is measured by."""

    metrics: Metrics
    daily: ReturnMoments | None
    blocks: list[list[float]]
    rounding: float = 0.0
    """How far rounding alone may move the moments of the returns and the drawdown, as a share."""


def measure(account: Account, bars: Bars, blocks: int) -> Figures:
    """Compute every figure as the domain defines it."""
    returns = returns_of(account.equity, account.terms.initial_cash)
    days = [time // DAY for time in bars.time.tolist()]
    ends = [i for i, day in enumerate(days) if days[i + 1 : i + 2] != [day]]
    daily = returns_of([account.equity[i] for i in ends], account.terms.initial_cash)
    metrics = metrics_of(account, returns, daily)
    fall = metrics.max_drawdown or math.inf
    size = len(returns) // blocks
    rest = returns[len(returns) - blocks * size :]
    parts = [rest[i * size : (i + 1) * size] for i in range(blocks)]
    return Figures(
        metrics=metrics,
        daily=moments_of(daily),
        blocks=[[math.fsum(part), math.fsum(r * r for r in part)] for part in parts],
        rounding=max(rounding(returns), rounding(daily), EPSILON / fall if fall > NOISE else 0.0),
    )


def returns_of(equity: list[float], initial: float) -> list[float]:
    """Compute the return of each step; 0 after all is lost."""
    before = [initial, *equity[:-1]]
    return [now / then - 1 if then > 0 else 0.0 for now, then in zip(equity, before, strict=True)]


def moment(values: list[float], power: int) -> float:
    """Compute a central moment, biased."""
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** power for value in values) / len(values)


def moments_of(returns: list[float]) -> ReturnMoments | None:
    """Compute what the statistics of a Sharpe ratio need; None where the returns do not vary."""
    count = len(returns)
    if count < 2 or math.sqrt(moment(returns, 2)) <= NOISE:
        return None
    deviation = math.sqrt(moment(returns, 2) * count / (count - 1))
    mean, variance = math.fsum(returns) / count, moment(returns, 2)
    skewness, kurtosis = moment(returns, 3) / variance**1.5, moment(returns, 4) / variance**2
    return ReturnMoments(count, mean / deviation, skewness, kurtosis)


def rounding(returns: list[float]) -> float:
    """Estimate how far rounding moves the moments: returns are differences, and sums of powers cancel."""
    deviation, mean = math.sqrt(moment(returns, 2)), math.fsum(returns) / len(returns)
    if deviation == 0:
        return math.inf if mean and len(returns) > 1 else 0.0
    return EPSILON * (1 / deviation + (1 + 2 * abs(mean) / deviation) ** 4)


def drawdowns(equity: list[float], initial: float) -> tuple[float, int]:
    """Find the deepest fall from an earlier peak, and the most bars in a row that are below one."""
    peak, deepest, bars, longest = initial, 0.0, 0, 0
    for now in equity:
        peak = max(peak, now)
        fall = 1 - now / peak
        deepest = max(deepest, fall)
        bars = bars + 1 if fall > NOISE else 0
        longest = max(longest, bars)
    return deepest, longest


def tail(daily: list[float]) -> tuple[float, float]:
    """Compute the value at risk of 95 %, and the mean loss of the worst days."""
    worst = sorted(daily)[: math.floor(0.05 * (len(daily) - 1)) + 1]
    return -float(np.percentile(daily, 5)), -math.fsum(worst) / len(worst)


def growth(total: float, years: float) -> float | None:
    """Compute the growth of one year; None where it is beyond all numbers."""
    try:
        return math.expm1(math.log1p(total) / years) if total > -1 else -1.0
    except OverflowError:
        return None


def metrics_of(account: Account, returns: list[float], daily: list[float]) -> Metrics:
    """Compute the metrics as domain.metrics defines them."""
    terms, profits, refused = account.terms, account.profits, account.refused
    count, equity = len(returns), account.equity
    wins, losses = [p for p in profits if p > 0], [-p for p in profits if p < 0]
    fall, longest = drawdowns(equity, terms.initial_cash)
    total = equity[-1] / terms.initial_cash - 1
    cagr = growth(total, count / terms.bars_per_year)
    traded = math.fsum(abs(order.size * order.price) for order in account.orders)
    at_risk, expected = tail(daily)
    shape = moments_of(returns)
    return Metrics(
        total_return=total,
        cagr=cagr,
        calmar_ratio=cagr / fall if cagr is not None and fall > NOISE else None,
        **ratios(returns, terms.bars_per_year),
        max_drawdown=fall,
        trade_count=len(profits),
        open_trade_count=int(account.trade is not None),
        win_rate=len(wins) / len(profits) if profits else None,
        profit_factor=math.fsum(wins) / math.fsum(losses) if losses else None,
        expectancy=math.fsum(profits) / len(profits) if profits else None,
        exposure=sum(account.held) / count,
        fees_paid=math.fsum(order.fee for order in account.orders),
        final_equity=equity[-1],
        bar_count=count,
        longest_drawdown_bars=longest,
        turnover=traded * terms.bars_per_year / math.fsum(equity) if any(equity) else None,
        var_95=at_risk,
        cvar_95=expected,
        skewness=shape.skewness if shape else None,
        kurtosis=shape.kurtosis if shape else None,
        carry_paid=math.fsum(account.carry),
        refused_min_notional=refused["notional"],
        refused_lot_size=refused["lot"],
        refused_no_cash=refused["cash"],
        refused_no_volume=refused["volume"],
        run_status=status_of(account),
    )


def ratios(returns: list[float], year: float) -> dict[str, float | None]:
    """Compute what the returns earned for their risk; None where there is none."""
    mean = math.fsum(returns) / len(returns)
    downside = math.sqrt(math.fsum(min(r, 0.0) ** 2 for r in returns) / len(returns))
    found: dict[str, float | None] = {"sharpe_ratio": None, "sortino_ratio": None, "volatility": None}
    if downside > NOISE:
        found["sortino_ratio"] = mean / downside * math.sqrt(year)
    if len(returns) > 1:
        deviation = math.sqrt(moment(returns, 2) * len(returns) / (len(returns) - 1))
        found["volatility"] = deviation * math.sqrt(year)
        if deviation > NOISE:
            found["sharpe_ratio"] = mean / deviation * math.sqrt(year)
    return found


def status_of(account: Account) -> RunStatus:
    """Tell whether the run traded."""
    if account.liquidated:
        return RunStatus.LIQUIDATED
    return RunStatus.TRADED if account.orders else RunStatus.NEVER_TRADED
