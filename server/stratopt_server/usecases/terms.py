"""Finding out on which terms a run trades: the defaults of what is left out, and what each figure may be."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from stratopt_server.domain.errors import Code, Violations
from stratopt_server.domain.runs import (
    Carry,
    Costs,
    Direction,
    Fill,
    FillModel,
    FundingRate,
    MarketRules,
    RunTerms,
    Sizing,
    SizingKind,
    Stops,
)
from stratopt_server.settings import Settings
from stratopt_server.strategies.contract import kernels
from stratopt_server.usecases.requests import CostsRequest, RunRequest, SizingRequest, TradingRequest
from stratopt_server.usecases.slices import MarketSlice

INITIAL_CASH_MIN, INITIAL_CASH_MAX = 1.0, 1e15
"""Below, amounts that count as none are no longer small beside it; above, the
cents of a quote currency are lost in rounding."""
IMPACT_MAX = 10.0
"""Slippage of an order as large as the bar's volume: a multiple of the price is no market any more."""
GRID = kernels.grid.name
"""Kernel of the strategies that place their own orders."""


@dataclass(frozen=True, slots=True)
class _Limits:
    """What a number may be. NaN and infinity lie outside all limits."""

    reason: str
    allowed: str
    hold: Callable[[float], bool]

    def check(self, value: float | None, *, at: str, violations: Violations) -> None:
        """Note a number outside; `at` is its path in the request. None is no number and passes."""
        if value is not None and not self.hold(value):
            violations.add(
                at, self.reason, f"{self.allowed}, not {value!r}", allowed=self.allowed, value=value
            )


_FEE = _Limits("COST_OUT_OF_RANGE", "a fraction from 0 to below 1 (0.001 is 0.1 %)", lambda n: 0 <= n < 1)
_FIXED_FEE = _Limits(
    "COST_OUT_OF_RANGE", "a finite amount of the quote currency, at least 0", lambda n: 0 <= n < math.inf
)
_IMPACT = _Limits("COST_OUT_OF_RANGE", f"a fraction from 0 to {IMPACT_MAX:g}", lambda n: 0 <= n <= IMPACT_MAX)
_CASH = _Limits(
    "INITIAL_CASH_OUT_OF_RANGE",
    f"from {INITIAL_CASH_MIN:g} to {INITIAL_CASH_MAX:g}",
    lambda n: INITIAL_CASH_MIN <= n <= INITIAL_CASH_MAX,
)
_SHARE = _Limits("SIZE_OUT_OF_RANGE", "a share of the cash above 0, up to 1", lambda n: 0 < n <= 1)
_AMOUNT = _Limits(
    "SIZE_OUT_OF_RANGE", "a finite amount of the quote currency above 0", lambda n: 0 < n < math.inf
)
_STOP = _Limits("STOP_OUT_OF_RANGE", "a fraction above 0, below 1 (0.02 is 2 %)", lambda n: 0 < n < 1)
_TARGET = _Limits("STOP_OUT_OF_RANGE", "a finite fraction above 0 (0.04 is 4 %)", lambda n: 0 < n < math.inf)
_RULE = _Limits(
    "RULE_OUT_OF_RANGE", "a finite number, at least 0 (0 is no such rule)", lambda n: 0 <= n < math.inf
)
_BORROW = _Limits("CARRY_OUT_OF_RANGE", "a fraction from 0 to below 1", lambda n: 0 <= n < 1)
_FUNDING = _Limits("CARRY_OUT_OF_RANGE", "a fraction above -1, below 1", lambda n: -1 < n < 1)
_PARTICIPATION = _Limits(
    "PARTICIPATION_OUT_OF_RANGE", "a share of a bar's volume above 0, up to 1", lambda n: 0 < n <= 1
)


class TermsResolver:
    """Turns what a request says of its terms into all of them; notes everything that is wrong."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def resolve(
        self, wanted: RunRequest, market: MarketSlice | None, violations: Violations, *, kernel: str | None
    ) -> RunTerms | None:
        """Return the terms; None where the bars have a fault. `kernel` is None where the strategy has one."""
        terms = RunTerms(
            costs=self._costs(wanted.costs, violations),
            initial_cash=self._cash(wanted, violations),
            fill=wanted.fill,
            bars_per_year=math.nan if market is None else market.dataset.bars_per_year,
            direction=wanted.trading.direction or Direction.LONG,
            sizing=_sizing(wanted.trading.sizing, violations),
            stops=_stops(wanted.trading, violations),
            rules=_rules(wanted.trading, violations),
            carry=self._carry(wanted.trading, violations),
        )
        _PARTICIPATION.check(wanted.trading.participation, at="trading.participation", violations=violations)
        if kernel == GRID:
            _note_not_for_grids(wanted, violations)
            terms = self._with_fill_model(terms, wanted.trading)
        elif kernel is not None:
            _note_only_for_grids(wanted.trading, violations)
        if market is None:
            return None
        _note_no_volume(terms, market, violations)
        return terms

    def _costs(self, wanted: CostsRequest, violations: Violations) -> Costs:
        taker_fee, slippage = wanted.taker_fee, wanted.slippage
        costs = Costs(
            taker_fee=self._settings.default_taker_fee if taker_fee is None else taker_fee,
            slippage=self._settings.default_slippage if slippage is None else slippage,
            maker_fee=wanted.maker_fee,
            fixed_fee=wanted.fixed_fee or 0.0,
            impact=wanted.impact or 0.0,
        )
        for name in ("taker_fee", "slippage", "maker_fee"):
            _FEE.check(getattr(costs, name), at=f"costs.{name}", violations=violations)
        _FIXED_FEE.check(costs.fixed_fee, at="costs.fixed_fee", violations=violations)
        _IMPACT.check(costs.impact, at="costs.impact", violations=violations)
        return costs

    def _cash(self, wanted: RunRequest, violations: Violations) -> float:
        cash = self._settings.default_initial_cash if wanted.initial_cash is None else wanted.initial_cash
        _CASH.check(cash, at="initial_cash", violations=violations)
        return cash

    def _carry(self, wanted: TradingRequest, violations: Violations) -> Carry:
        _BORROW.check(wanted.borrow_rate, at="trading.carry.borrow_rate", violations=violations)
        most, at = self._settings.funding_rates_max, "trading.carry.funding"
        if len(wanted.funding) > most:
            violations.add(
                at,
                "TOO_MANY_FUNDING_RATES",
                f"at most {most:,}, not {len(wanted.funding):,}",
                funding_rates_max=most,
            )
        else:
            _check_funding(wanted.funding, at=at, violations=violations)
        return Carry(borrow_rate=wanted.borrow_rate, funding=wanted.funding)

    def _with_fill_model(self, terms: RunTerms, wanted: TradingRequest) -> RunTerms:
        default, participation = self._settings.default_participation, wanted.participation
        return replace(
            terms,
            fill_model=wanted.fill_model or self._settings.default_fill_model,
            participation=default if participation is None else participation,
        )


def _sizing(wanted: SizingRequest, violations: Violations) -> Sizing:
    at, amount = "trading.sizing.amount", wanted.amount
    if wanted.kind in (None, SizingKind.ALL_IN):
        if amount is not None and not violations.has("trading.sizing.kind"):
            violations.add(
                at, "NOT_FOR_ALL_IN", "all_in takes all cash: leave it out, or say fraction or fixed"
            )
        return Sizing()
    if amount is None:
        violations.add(at, "REQUIRED", f"say how much: {wanted.kind.value} needs an amount")
        return Sizing()
    limits = _SHARE if wanted.kind is SizingKind.FRACTION else _AMOUNT
    limits.check(amount, at=at, violations=violations)
    return Sizing(kind=wanted.kind, amount=amount)


def _stops(wanted: TradingRequest, violations: Violations) -> Stops:
    for name, limits in (("stop_loss", _STOP), ("take_profit", _TARGET), ("trailing_stop", _STOP)):
        limits.check(getattr(wanted, name), at=f"trading.stops.{name}", violations=violations)
    return Stops(
        stop_loss=wanted.stop_loss, take_profit=wanted.take_profit, trailing_stop=wanted.trailing_stop
    )


def _rules(wanted: TradingRequest, violations: Violations) -> MarketRules:
    for name in ("min_notional", "lot_size", "tick_size"):
        _RULE.check(getattr(wanted, name), at=f"trading.rules.{name}", violations=violations)
    return MarketRules(min_notional=wanted.min_notional, lot_size=wanted.lot_size, tick_size=wanted.tick_size)


def _check_funding(funding: tuple[FundingRate, ...], *, at: str, violations: Violations) -> None:
    """Check every rate, and the order of the times up to the first that is out of it."""
    for place, paid in enumerate(funding):
        _FUNDING.check(paid.rate, at=f"{at}[{place}].rate", violations=violations)
    for place in range(1, len(funding)):
        before, time = funding[place - 1].time, funding[place].time
        if time <= before:
            violations.add(
                f"{at}[{place}].time",
                "FUNDING_NOT_ASCENDING",
                f"{time.isoformat()} does not come after {before.isoformat()}: sort it, each time once",
                time=time.isoformat(),
                before=before.isoformat(),
            )
            return


def _note_not_for_grids(wanted: RunRequest, violations: Violations) -> None:
    """Refuse what would change the orders of a strategy that places its own."""
    trading, costs = wanted.trading, wanted.costs
    slots = "a grid splits its cash over its slots, with its fees as shares of each order"
    lines = "a slot of a grid sells at its own line"
    refused = {
        "fill": (wanted.fill is Fill.CLOSE, "a grid's orders rest from the next bar on: only next_open"),
        "trading.direction": (
            trading.direction not in (None, Direction.LONG),
            "a grid sells only what it bought: only long",
        ),
        "trading.sizing": (trading.sizing.kind not in (None, SizingKind.ALL_IN), f"{slots}: only all_in"),
        "trading.stops.stop_loss": (
            trading.stop_loss is not None,
            "a grid has a stop_loss of its own, for all it holds: give it in params",
        ),
        "trading.stops.take_profit": (trading.take_profit is not None, f"{lines}: leave it out"),
        "trading.stops.trailing_stop": (trading.trailing_stop is not None, f"{lines}: leave it out"),
        "trading.carry": (
            bool(trading.funding or trading.borrow_rate),
            "a grid buys on a spot market, where holding costs nothing: leave it out",
        ),
        "costs.fixed_fee": (bool(costs.fixed_fee), f"{slots}: leave it out"),
        "costs.impact": (
            bool(costs.impact),
            "a grid's orders rest at their lines: fill_model volume says what a bar's volume lets through",
        ),
    }
    for at, (is_asked, why) in refused.items():
        if is_asked:
            violations.add(at, "NOT_FOR_GRIDS", why)


def _note_only_for_grids(wanted: TradingRequest, violations: Violations) -> None:
    for name in ("fill_model", "participation"):
        if getattr(wanted, name) is not None:
            text = "it is about the resting orders of a grid, and this strategy is none: leave it out"
            violations.add(f"trading.{name}", "ONLY_FOR_GRIDS", text)


def _note_no_volume(terms: RunTerms, market: MarketSlice, violations: Violations) -> None:
    """Refuse terms that need the volume of bars which have none: no order could fill."""
    needing = {
        "trading.fill_model": terms.fill_model is FillModel.VOLUME,
        "costs.impact": terms.costs.impact > 0,
    }
    asked = [at for at, is_needed in needing.items() if is_needed]
    if not asked or market.bars.volume.any():
        return
    for at in asked:
        violations.add(
            at,
            "NO_VOLUME",
            f"needs the volume of the bars, and every bar of {market.dataset.symbol} between the dates has "
            "none: use other bars, or leave it out",
            code=Code.FAILED_PRECONDITION,
            symbol=market.dataset.symbol,
        )
