"""The moving average cross written down as its definition reads: slow, obvious, one bar after the other."""

import math
from dataclasses import dataclass, field
from itertools import accumulate

from stratopt_server.domain.market import Bars
from stratopt_server.domain.metrics import Metrics, RunStatus
from stratopt_server.domain.parameters import Params
from stratopt_server.domain.runs import Fill, RunTerms

NOISE = 1e-10
SMALLEST_SIZE = 1e-8
DAY = 86_400_000_000


def distances(close: list[float], fast: int, slow: int) -> list[float | None]:
    """SMA_fast / SMA_slow - 1 of every bar, None before bar slow - 1."""
    return [
        None
        if i < slow - 1
        else (math.fsum(close[i + 1 - fast : i + 1]) / fast) / (math.fsum(close[i + 1 - slow : i + 1]) / slow)
        - 1
        for i in range(len(close))
    ]


def nearest_tie(bars: Bars, params: Params) -> float:
    """How close any bar comes to where rounding alone decides whether there is a signal."""
    found = distances(bars.close.tolist(), int(params["fast_period"]), int(params["slow_period"]))
    edge = float(params["signal_threshold"]) + 1e-9
    return min((abs(abs(distance) - edge) for distance in found if distance is not None), default=1.0)


@dataclass
class Account:
    """Cash or units, and what has happened so far."""

    terms: RunTerms
    cash: float
    units: float = 0.0
    paid: float = 0.0
    fees: float = 0.0
    traded: float = 0.0
    refused: int = 0
    profits: list[float] = field(default_factory=list)

    def buy(self, price: float) -> None:
        """Buy with all cash, fee and slippage included."""
        filled = price * (1 + self.terms.costs.slippage)
        spent = self.cash / (1 + self.terms.costs.taker_fee)
        if self.cash <= 1e-12 or spent / filled < SMALLEST_SIZE:
            self.refused += 1
            return
        self.traded += spent
        self.fees += spent * self.terms.costs.taker_fee
        self.paid, self.units, self.cash = self.cash, spent / filled, 0.0

    def sell(self, price: float) -> None:
        """Sell all, fee and slippage included."""
        value = self.units * price * (1 - self.terms.costs.slippage)
        fee = value * self.terms.costs.taker_fee
        self.fees += fee
        self.traded += value
        self.cash, self.units = value - fee, 0.0
        profit = self.cash - self.paid
        self.profits.append(0.0 if abs(profit) <= 1e-12 * self.paid else profit)


def run(bars: Bars, params: Params, terms: RunTerms) -> Metrics:
    """Run one parameter set, bar by bar."""
    found = distances(bars.close.tolist(), int(params["fast_period"]), int(params["slow_period"]))
    edge = float(params["signal_threshold"]) + 1e-9
    account = Account(terms, terms.initial_cash)
    equity, held = [], 0
    for i, (opened, close) in enumerate(zip(bars.open.tolist(), bars.close.tolist(), strict=True)):
        at_open = terms.fill is Fill.NEXT_OPEN
        signal = found[i - 1] if at_open and i else None if at_open else found[i]
        price = opened if at_open else close
        if signal is not None and signal > edge and not account.units:
            account.buy(price)
        elif signal is not None and signal < -edge and account.units:
            account.sell(price)
        equity.append(account.cash + account.units * close)
        held += account.units > 0
    return measure(bars, equity, held, account)


def changes(equity: list[float], start: float) -> list[float]:
    """Returns from each figure to the next; of nothing there is none."""
    before = [start, *equity[:-1]]
    return [now / then - 1 if then > 0 else 0.0 for now, then in zip(equity, before, strict=True)]


def longest_drawdown(equity: list[float], start: float) -> int:
    """Most closes in a row below an earlier peak, rounding aside."""
    peak, under, longest = start, 0, 0
    for now in equity:
        peak = max(peak, now)
        under = under + 1 if now < peak * (1 - NOISE) else 0
        longest = max(longest, under)
    return longest


def standardised(returns: list[float], power: int) -> float | None:
    """Mean power of the distances from the mean, over the same power of their root mean square."""
    mean = math.fsum(returns) / len(returns)
    variance = math.fsum((r - mean) ** 2 for r in returns) / len(returns)
    if math.sqrt(variance) <= NOISE:
        return None
    return math.fsum((r - mean) ** power for r in returns) / len(returns) / variance ** (power / 2)


def tail(bars: Bars, equity: list[float], start: float) -> tuple[float, float]:
    """Value at risk and mean loss of the worst days: of the last equity of each UTC day."""
    last = dict(zip((bars.time // DAY).tolist(), equity, strict=True))
    days = sorted(changes(list(last.values()), start))
    place = 0.05 * (len(days) - 1)
    low, high = days[int(place)], days[min(int(place) + 1, len(days) - 1)]
    worst = days[: int(place) + 1]
    return -(low + (place - int(place)) * (high - low)), -math.fsum(worst) / len(worst)


def measure(bars: Bars, equity: list[float], held: int, account: Account) -> Metrics:
    """Compute the metrics as domain.metrics defines them."""
    terms, count, profits = account.terms, len(equity), account.profits
    returns = changes(equity, terms.initial_cash)
    value_at_risk, tail_loss = tail(bars, equity, terms.initial_cash)
    mean = math.fsum(returns) / count
    year = terms.bars_per_year
    variance = math.fsum((r - mean) ** 2 for r in returns) / (count - 1) if count > 1 else None
    downside = math.sqrt(math.fsum(min(r, 0.0) ** 2 for r in returns) / count)
    peaks = accumulate(equity, max, initial=terms.initial_cash)
    fall = max(1 - now / max(now, peak) for now, peak in zip(equity, peaks, strict=False))
    total = equity[-1] / terms.initial_cash - 1
    try:
        cagr = math.expm1(math.log1p(total) * year / count) if total > -1 else -1.0
    except OverflowError:
        cagr = None
    wins, losses = [p for p in profits if p > 0], [-p for p in profits if p < 0]
    deviation = None if variance is None else math.sqrt(variance)
    return Metrics(
        total_return=total,
        cagr=cagr,
        sharpe_ratio=mean / deviation * math.sqrt(year) if deviation and deviation > NOISE else None,
        sortino_ratio=mean / downside * math.sqrt(year) if downside > NOISE else None,
        calmar_ratio=cagr / fall if cagr is not None and fall > NOISE else None,
        volatility=None if deviation is None else deviation * math.sqrt(year),
        max_drawdown=fall,
        trade_count=len(profits),
        open_trade_count=int(account.units > 0),
        win_rate=len(wins) / len(profits) if profits else None,
        profit_factor=math.fsum(wins) / math.fsum(losses) if losses else None,
        expectancy=math.fsum(profits) / len(profits) if profits else None,
        exposure=held / count,
        fees_paid=account.fees,
        final_equity=equity[-1],
        bar_count=count,
        longest_drawdown_bars=longest_drawdown(equity, terms.initial_cash),
        turnover=account.traded * year / math.fsum(equity) if math.fsum(equity) > 0 else None,
        var_95=value_at_risk,
        cvar_95=tail_loss,
        skewness=standardised(returns, 3),
        kurtosis=standardised(returns, 4),
        carry_paid=0.0,
        refused_min_notional=0,
        refused_lot_size=0,
        refused_no_cash=account.refused,
        refused_no_volume=0,
        run_status=RunStatus.TRADED if profits or account.units else RunStatus.NEVER_TRADED,
    )
