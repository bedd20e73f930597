"""Costs and trading terms: as callers write them, and as the wire has them."""

from collections.abc import Iterable, Mapping

from stratopt.v1.run_pb2 import (
    Carry,
    Costs,
    Direction,
    FillModel,
    FundingRate,
    MarketRules,
    Sizing,
    SizingKind,
    Stops,
    Trading,
)
from stratopt_client._options import RunOptions
from stratopt_client._shape import Shape, shown
from stratopt_client._times import moment_to_proto

_SIZING_WANTED = 'must be "all_in", ("fraction", 0.5) or ("fixed", 1000.0)'
_FUNDING_WANTED = "must be pairs of a time and a rate"


def costs_to_proto(shape: Shape, options: RunOptions) -> Costs:
    """Return what trading costs; what is left out stays unset."""
    return Costs(
        taker_fee=shape.number("taker_fee", options.get("taker_fee")),
        slippage=shape.number("slippage", options.get("slippage")),
        maker_fee=shape.number("maker_fee", options.get("maker_fee")),
        fixed_fee=shape.number("fixed_fee", options.get("fixed_fee")),
        impact=shape.number("impact", options.get("impact")),
    )


def trading_to_proto(shape: Shape, options: RunOptions) -> Trading:
    """Return how a run trades; what is left out stays unset."""
    direction = shape.word("direction", options.get("direction"), Direction.DESCRIPTOR)
    fill_model = shape.word("fill_model", options.get("fill_model"), FillModel.DESCRIPTOR)
    trading = Trading(
        direction=Direction.Value(direction),
        fill_model=FillModel.Value(fill_model),
        participation=shape.number("participation", options.get("participation")),
    )
    # A part that says nothing is left out, so that a request without terms has none.
    for name, part in (
        ("sizing", _sizing(shape, options.get("sizing"))),
        ("stops", _stops(shape, options)),
        ("rules", _rules(shape, options)),
        ("carry", _carry(shape, options)),
    ):
        if part.ByteSize():
            getattr(trading, name).CopyFrom(part)
    return trading


def _sizing(shape: Shape, value: object) -> Sizing:
    """Return a size written as a word alone, or as a word and an amount."""
    match value:
        case None | str():
            kind, amount = value, None
        case (str() as kind, amount):
            pass
        case _:
            shape.wrong("sizing", f"{_SIZING_WANTED}, not {shown(value)}")
            return Sizing()
    word = shape.word("sizing", kind, SizingKind.DESCRIPTOR)
    return Sizing(kind=SizingKind.Value(word), amount=shape.number("sizing.amount", amount))


def _stops(shape: Shape, options: RunOptions) -> Stops:
    return Stops(
        stop_loss=shape.number("stop_loss", options.get("stop_loss")),
        take_profit=shape.number("take_profit", options.get("take_profit")),
        trailing_stop=shape.number("trailing_stop", options.get("trailing_stop")),
    )


def _rules(shape: Shape, options: RunOptions) -> MarketRules:
    return MarketRules(
        min_notional=shape.number("min_notional", options.get("min_notional")) or 0.0,
        lot_size=shape.number("lot_size", options.get("lot_size")) or 0.0,
        tick_size=shape.number("tick_size", options.get("tick_size")) or 0.0,
    )


def _carry(shape: Shape, options: RunOptions) -> Carry:
    return Carry(
        borrow_rate=shape.number("borrow_rate", options.get("borrow_rate")) or 0.0,
        funding=_funding(shape, options.get("funding")),
    )


def _funding(shape: Shape, value: object) -> list[FundingRate]:
    """Return the rates up to the first that is wrong, which is noted: a list of them may be long."""
    if value is None:
        return []
    if not isinstance(value, Iterable) or isinstance(value, str | bytes | Mapping):
        shape.wrong("funding", f"{_FUNDING_WANTED}, not {shown(value)}")
        return []
    rates: list[FundingRate] = []
    for place, pair in enumerate(value):
        paid = _funding_rate(shape, f"funding[{place}]", pair)
        if paid is None:
            break
        rates.append(paid)
    return rates


def _funding_rate(shape: Shape, field: str, pair: object) -> FundingRate | None:
    match pair:
        case (time, rate) if time is not None and rate is not None:
            moment, number = (
                moment_to_proto(shape, f"{field}.time", time),
                shape.number(f"{field}.rate", rate),
            )
        case _:
            shape.wrong(field, f"{_FUNDING_WANTED}, not {shown(pair)}")
            return None
    return None if moment is None or number is None else FundingRate(time=moment, rate=number)
