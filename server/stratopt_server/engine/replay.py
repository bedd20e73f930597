"""From the fills of a run to its equity at every close: the report's own arithmetic, order by order."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stratopt_server.domain.market import FloatColumn
from stratopt_server.domain.runs import RunTerms
from stratopt_server.engine.kernels.orders import (
    LIQUIDATION,
    O_BAR,
    O_FEE,
    O_PRICE,
    O_REASON,
    O_SIZE,
    O_SLOT,
    TINY,
)
from stratopt_server.engine.kernels.terms import Floats2, Market


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """A run at every close, a column each."""

    equity: FloatColumn
    position: FloatColumn
    """Units held; negative when short."""
    carry: FloatColumn
    """Borrow and funding paid so far."""


@dataclass
class _Account:
    """Cash and units after the fills so far."""

    cash: float
    size: float = 0.0
    slots: int = 0
    """Of a grid: how many hold something. What rounding leaves of many sales is no position."""

    def fill(self, order: list[float]) -> None:
        """Book one fill; what rounding leaves of the cash or of the units is none."""
        size, price = order[O_SIZE], order[O_PRICE]
        value = abs(size) * price
        # In the kernel's order: what rounding does to the cash of an account that has lost nearly all of it
        # would be seen otherwise, for its sizes are not computed anew here.
        cash = self.cash + (-size * price - order[O_FEE])
        self.cash = 0.0 if abs(cash) <= max(TINY, TINY * value) else cash
        left = self.size + size
        self.size = 0.0 if abs(left) <= TINY * abs(size) else left
        if order[O_SLOT] >= 0:
            self.slots += 1 if size > 0 else -1
            self.size = self.size if self.slots else 0.0

    def liquidate(self) -> float:
        """End with nothing; return what is left, which is what carry has taken at this close."""
        left, self.cash, self.size = self.cash, 0.0, 0.0
        return left

    def charge(self, market: Market, bar: int, borrow_rate: float) -> tuple[float, float]:
        """Pay borrow and funding at a bar's close, as far as there is equity; give cash and charge."""
        value = self.size * float(market.close[bar])
        rate = float(market.funding[bar]) if market.funding.size else 0.0
        charge = value * rate
        if value < 0.0:
            charge -= value * borrow_rate
        charge = min(charge, self.cash + value)
        self.cash -= charge
        return self.cash, charge


def replay(market: Market, fills: Floats2, terms: RunTerms) -> Replay:
    """Book every fill in its order, and charge what holding costs at every close."""
    count = market.close.size
    cash, position, carry = np.empty(count), np.empty(count), np.zeros(count)
    account = _Account(float(terms.initial_cash))
    charged = market.funding.size > 0 or terms.carry.borrow_rate > 0
    for first, stop, orders in _stretches(fills, count):
        for order in orders:
            account.fill(order)
            if order[O_REASON] == LIQUIDATION:
                left = account.liquidate()
                carry[first] = left if charged else 0.0
        position[first:stop] = account.size
        if charged and account.size:
            for bar in range(first, stop):
                cash[bar], carry[bar] = account.charge(market, bar, terms.carry.borrow_rate)
        else:
            cash[first:stop] = account.cash
    return Replay(cash + position * market.close, position, np.cumsum(carry))


def _stretches(fills: Floats2, count: int) -> Iterator[tuple[int, int, list[list[float]]]]:
    """Yield bars from one that has fills, or the first, up to the next, with the fills in it."""
    bars = fills[:, O_BAR].astype(np.int64)
    starts = np.unique(np.concatenate(([0], bars)))
    rows = fills.tolist()
    stops = np.append(starts[1:], count)
    for first, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        begin, end = np.searchsorted(bars, (first, first + 1)).tolist()
        yield first, stop, rows[begin:end]
