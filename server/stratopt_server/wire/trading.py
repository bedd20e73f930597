"""On which terms a run trades <-> proto: costs, direction, sizes, stops, rules, carry and fills."""

from typing import Any

from stratopt.v1 import run_pb2 as pb
from stratopt_server.domain.errors import Violations
from stratopt_server.domain.runs import Carry, Costs, FundingRate, RunTerms, Sizing, SizingKind
from stratopt_server.usecases.requests import CostsRequest, SizingRequest, TradingRequest
from stratopt_server.wire.enums import DIRECTION, FILL_MODEL, SIZING_KIND
from stratopt_server.wire.reading import optional_number, optional_word
from stratopt_server.wire.times import optional_moment, to_timestamp


def costs_to_proto(costs: Costs) -> pb.Costs:
    """Write what trading costs, the maker fee filled in."""
    return pb.Costs(
        taker_fee=costs.taker_fee,
        slippage=costs.slippage,
        maker_fee=costs.resting_fee,
        fixed_fee=costs.fixed_fee,
        impact=costs.impact,
    )


def trading_to_proto(terms: RunTerms) -> pb.Trading:
    """Write how a run trades; stops that it has not stay unset."""
    stops, rules = terms.stops, terms.rules
    return pb.Trading(
        direction=DIRECTION[terms.direction],
        sizing=_sizing_to_proto(terms.sizing),
        stops=pb.Stops(
            stop_loss=stops.stop_loss, take_profit=stops.take_profit, trailing_stop=stops.trailing_stop
        ),
        rules=pb.MarketRules(
            min_notional=rules.min_notional, lot_size=rules.lot_size, tick_size=rules.tick_size
        ),
        carry=_carry_to_proto(terms.carry),
        fill_model=FILL_MODEL[terms.fill_model],
        participation=terms.participation,
    )


def costs_from_proto(request: Any) -> CostsRequest:
    """Read what trading costs, off either Start request."""
    return CostsRequest(
        **{
            name: optional_number(request.costs, name)
            for name in ("taker_fee", "slippage", "maker_fee", "fixed_fee", "impact")
        }
    )


def trading_from_proto(request: Any, violations: Violations) -> TradingRequest:
    """Read how a run trades, off either Start request."""
    trading: pb.Trading = request.trading
    stops, rules = trading.stops, trading.rules
    return TradingRequest(
        direction=optional_word(
            trading.direction, DIRECTION, field="trading.direction", violations=violations
        ),
        sizing=_sizing_from_proto(trading.sizing, violations),
        stop_loss=optional_number(stops, "stop_loss"),
        take_profit=optional_number(stops, "take_profit"),
        trailing_stop=optional_number(stops, "trailing_stop"),
        min_notional=rules.min_notional,
        lot_size=rules.lot_size,
        tick_size=rules.tick_size,
        borrow_rate=trading.carry.borrow_rate,
        funding=_funding_from_proto(trading.carry, violations),
        fill_model=optional_word(
            trading.fill_model, FILL_MODEL, field="trading.fill_model", violations=violations
        ),
        participation=optional_number(trading, "participation"),
    )


def _sizing_to_proto(sizing: Sizing) -> pb.Sizing:
    amount = None if sizing.kind is SizingKind.ALL_IN else sizing.amount
    return pb.Sizing(kind=SIZING_KIND[sizing.kind], amount=amount)


def _sizing_from_proto(sizing: pb.Sizing, violations: Violations) -> SizingRequest:
    kind = optional_word(sizing.kind, SIZING_KIND, field="trading.sizing.kind", violations=violations)
    return SizingRequest(kind=kind, amount=optional_number(sizing, "amount"))


def _carry_to_proto(carry: Carry) -> pb.Carry:
    funding = [pb.FundingRate(time=to_timestamp(paid.time), rate=paid.rate) for paid in carry.funding]
    return pb.Carry(borrow_rate=carry.borrow_rate, funding=funding)


def _funding_from_proto(carry: pb.Carry, violations: Violations) -> tuple[FundingRate, ...]:
    """Read the funding up to the first entry whose time is none, which is noted."""
    funding: list[FundingRate] = []
    for place, paid in enumerate(carry.funding):
        at = f"trading.carry.funding[{place}].time"
        time = optional_moment(paid, "time", violations, at=at)
        if time is None:
            if not violations.has(at):
                violations.add(at, "REQUIRED", "say when the funding is paid")
            break
        funding.append(FundingRate(time=time, rate=paid.rate))
    return tuple(funding)
