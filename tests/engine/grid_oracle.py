"""The grid written down as its definition reads: slow, obvious, one bar and one order after the other.

What the definition leaves open is decided here, and nowhere else: a stop closes its slots from the highest
line down; a quantity under 1e-8 units is too little to order at all; a quantity within a 1e-12th below a
whole number of lots is that number.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import pairwise

BEYOND = 1e-4
"""How far through its line the price must go where the tick size is not known, as a share of the line."""
SMALLEST_SIZE = 1e-8


class Model(Enum):
    """When a resting limit order fills."""

    TOUCH = auto()
    THROUGH = auto()
    VOLUME = auto()
    TOUCH_PATH = auto()


class Why(Enum):
    """Why an order was filled."""

    LINE = auto()
    STOP = auto()


@dataclass(frozen=True)
class Bar:
    """One bar."""

    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(frozen=True)
class Setup:
    """The strategy's parameters, and what trading costs and allows. A size of 0 is not known, or none."""

    count: int
    profit_ratio: float
    stop_loss: float
    model: Model = Model.THROUGH
    maker_fee: float = 0.0
    taker_fee: float = 0.0
    slippage: float = 0.0
    lot_size: float = 0.0
    min_notional: float = 0.0
    tick_size: float = 0.0
    participation: float = 0.1
    cash: float = 10_000.0


@dataclass(frozen=True)
class Fill:
    """One fill; what was sold has a negative size."""

    bar: int
    slot: int
    size: float
    price: float
    fee: float
    why: Why


@dataclass(frozen=True)
class Trade:
    """One slot's round trip: its profit net of both fees, and the value it was entered at."""

    slot: int
    profit: float
    cost: float


class Order(Enum):
    """What a slot has resting."""

    NONE = auto()
    BUY = auto()
    SELL = auto()


@dataclass
class Slot:
    """One slot: its two lines, how much it trades, and what rests since when."""

    number: int
    buys_at: float
    sells_at: float
    size: float
    order: Order
    since: int
    """First bar in which the order may fill."""
    paid: float = 0.0


@dataclass
class GridOracle:
    """One run of a grid, and all that comes of it."""

    setup: Setup
    cash: float = 0.0
    anchor: float = 0.0
    slots: list[Slot] = field(default_factory=list)
    bar: int = 0
    room: float = math.inf
    """What the bar still lets fill."""
    fills: list[Fill] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    equity: list[float] = field(default_factory=list)
    held: list[bool] = field(default_factory=list)
    refused_cash: int = 0
    refused_lot: int = 0
    refused_notional: int = 0

    @property
    def open_slots(self) -> list[int]:
        """Which slots hold something."""
        return [slot.number for slot in self.slots if slot.order is Order.SELL]

    @property
    def quantity(self) -> float:
        """What is held in all."""
        return math.fsum(slot.size for slot in self.slots if slot.order is Order.SELL)

    @property
    def stop_price(self) -> float:
        """The price at which everything is given up."""
        return self.line(self.setup.count) * (1.0 - self.setup.stop_loss)

    def line(self, k: int) -> float:
        """Where line k stands."""
        return self.anchor * math.pow(1.0 + self.setup.profit_ratio, -k)

    def run(self, bars: Sequence[Bar]) -> "GridOracle":
        """Walk over the bars."""
        for bar in bars:
            self.step(bar)
        return self

    def step(self, bar: Bar) -> None:
        """Walk over one bar more."""
        self.bar = len(self.equity)
        if self.bar == 0:
            self.cash = self.setup.cash
            self.place_grid(bar)
        elif self.setup.model is Model.TOUCH_PATH:
            self.walk(bar)
        else:
            self.see(bar)
        self.equity.append(self.cash + self.quantity * bar.close)
        self.held.append(self.quantity != 0.0)

    def place_grid(self, bar: Bar) -> None:
        """Anchor at the bar's close."""
        setup = self.setup
        amount = (self.cash + self.quantity * bar.close) / setup.count
        self.anchor, self.slots = bar.close, []
        for k in range(1, setup.count + 1):
            line = self.line(k)
            size = self.allowed(amount / (line * (1.0 + setup.maker_fee)), line)
            order = Order.BUY if size > 0.0 else Order.NONE
            self.slots.append(Slot(k, line, self.line(k - 1), size, order, self.bar + 1))

    def allowed(self, size: float, line: float) -> float:
        """Round a quantity down to what may be ordered; 0 where the order is refused, which is counted."""
        setup = self.setup
        if size < SMALLEST_SIZE - 1e-12:
            self.refused_cash += 1
            return 0.0
        if setup.lot_size > 0.0:
            size = math.floor(size / setup.lot_size * (1.0 + 1e-12)) * setup.lot_size
            if size <= 0.0:
                self.refused_lot += 1
                return 0.0
        if size * line < setup.min_notional:
            self.refused_notional += 1
            return 0.0
        return size

    def beyond(self, line: float) -> float:
        """How far through its line the price must go."""
        if self.setup.model in {Model.TOUCH, Model.TOUCH_PATH}:
            return 0.0
        return self.setup.tick_size if self.setup.tick_size > 0.0 else BEYOND * line

    def see(self, bar: Bar) -> None:
        """Do what happens in one bar of which only open, high, low and close are known."""
        limited = self.setup.model is Model.VOLUME
        self.room = self.setup.participation * bar.volume if limited else math.inf
        filled = 0.0
        for slot in self.resting(Order.BUY):
            reached = bar.low <= slot.buys_at - self.beyond(slot.buys_at)
            if reached and filled + slot.size <= self.room:
                filled += slot.size
                self.buy(slot, self.bar + 1)
        if bar.low <= self.stop_price:
            self.stop(min(self.stop_price, bar.open), bar)
            return
        for slot in self.resting(Order.SELL):
            reached = bar.high >= slot.sells_at + self.beyond(slot.sells_at)
            if reached and filled + slot.size <= self.room:
                filled += slot.size
                self.sell(slot, self.bar + 1)
        self.follow(bar)

    def walk(self, bar: Bar) -> None:
        """Do what happens in one bar whose path is assumed."""
        rested = self.resting(Order.SELL)
        for slot in self.resting(Order.BUY):
            if bar.open <= self.stop_price or slot.buys_at >= bar.open:
                self.buy(slot, self.bar)
        if bar.open <= self.stop_price:
            self.stop(bar.open, bar)
            return
        for slot in rested:
            if slot.sells_at <= bar.open:
                self.sell(slot, self.bar)
        path = [bar.open, bar.low, bar.high, bar.close]
        if bar.close < bar.open:
            path = [bar.open, bar.high, bar.low, bar.close]
        for start, end in pairwise(path):
            if end < start and self.fall(start, end, bar):
                return
            if end > start:
                self.rise(start, end)
        self.follow(bar)

    def fall(self, start: float, end: float, bar: Bar) -> bool:
        """Walk down one leg; tell whether it ended in the stop."""
        for slot in self.resting(Order.BUY):
            if end <= slot.buys_at <= start:
                self.buy(slot, self.bar)
        if end <= self.stop_price:
            self.stop(self.stop_price, bar)
            return True
        return False

    def rise(self, start: float, end: float) -> None:
        """Walk up one leg."""
        for slot in self.resting(Order.SELL):
            if start <= slot.sells_at <= end:
                self.sell(slot, self.bar)

    def resting(self, order: Order) -> list[Slot]:
        """List the slots whose order of that kind may fill now: buys from the highest line down, sells from
        the lowest up.
        """
        found = [slot for slot in self.slots if slot.order is order and slot.since <= self.bar]
        return found if order is Order.BUY else found[::-1]

    def buy(self, slot: Slot, since: int) -> None:
        """Fill a buy at its line; its sell rests from bar `since` on."""
        value = slot.size * slot.buys_at
        fee = value * self.setup.maker_fee
        slot.order, slot.since, slot.paid = Order.SELL, since, value + fee
        self.note(Fill(self.bar, slot.number, slot.size, slot.buys_at, fee, Why.LINE))

    def sell(self, slot: Slot, since: int) -> None:
        """Fill a sell at its line; its buy rests again from bar `since` on."""
        self.leave(slot, slot.sells_at, self.setup.maker_fee, Why.LINE)
        slot.order, slot.since = Order.BUY, since

    def leave(self, slot: Slot, price: float, fee_rate: float, why: Why) -> None:
        """Sell what a slot holds, and note its round trip."""
        value = slot.size * price
        fee = value * fee_rate
        slot.order = Order.NONE
        self.note(Fill(self.bar, slot.number, -slot.size, price, fee, why))
        self.trades.append(Trade(slot.number, value - fee - slot.paid, slot.size * slot.buys_at))

    def note(self, fill: Fill) -> None:
        """Book a fill."""
        self.cash -= fill.size * fill.price + fill.fee
        self.fills.append(fill)

    def stop(self, price: float, bar: Bar) -> None:
        """Close everything that is held, and begin anew at the close."""
        for slot in self.slots:
            if slot.order is Order.SELL:
                self.leave(slot, price * (1.0 - self.setup.slippage), self.setup.taker_fee, Why.STOP)
        self.place_grid(bar)

    def follow(self, bar: Bar) -> None:
        """Begin anew at the close where nothing is held and the price has left the grid upwards."""
        if not self.open_slots and bar.close > self.anchor * (1.0 + self.setup.profit_ratio):
            self.place_grid(bar)
