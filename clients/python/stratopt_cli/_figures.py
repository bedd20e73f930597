"""Figures as people read them."""

from collections.abc import Mapping
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from stratopt_client import ParamValue

UNDEFINED = "-"


def percent(fraction: float) -> str:
    """Show a fraction in percent."""
    return f"{fraction:,.2%}"


def ratio(number: float) -> str:
    """Show a ratio such as Sharpe's."""
    return f"{number:.3f}"


def amount(number: float) -> str:
    """Show money, or a count."""
    return f"{number:,.2f}" if isinstance(number, float) else f"{number:,}"


def moment(stamp: Timestamp) -> str:
    """Show a time in UTC: the day alone where it is midnight."""
    time = stamp.ToDatetime()
    return f"{time:%Y-%m-%d}" if time.time() == time.min.time() else f"{time:%Y-%m-%d %H:%M}"


def assigned(params: Mapping[str, ParamValue]) -> str:
    """Show parameters on one line."""
    return "  ".join(f"{name}={_short(value)}" for name, value in sorted(params.items()))


def terms(run: Mapping[str, Any]) -> str:
    """Show on one line the terms of a run, as `to_dict` has it, that differ from the usual ones.

    Fee and slippage are always shown elsewhere; what is off, or is 0, is not shown.
    """
    costs, trading = run["costs"] or {}, run["trading"] or {}
    sizing, carry = trading.get("sizing") or {}, trading.get("carry") or {}
    parts: dict[str, ParamValue | None] = {
        "maker_fee": costs.get("maker_fee") if costs.get("maker_fee") != costs.get("taker_fee") else None,
        "fixed_fee": costs.get("fixed_fee") or None,
        "impact": costs.get("impact") or None,
        "direction": trading.get("direction") if trading.get("direction") != "long" else None,
        "sizing": f"{sizing['kind']}:{sizing['amount']:g}" if sizing.get("amount") else None,
        **(trading.get("stops") or {}),
        **{name: value or None for name, value in (trading.get("rules") or {}).items()},
        "borrow_rate": carry.get("borrow_rate") or None,
        "funding_rates": len(carry.get("funding") or ()) or None,
        "fill_model": trading.get("fill_model") if trading.get("fill_model") != "through" else None,
        "participation": trading.get("participation") if trading.get("fill_model") == "volume" else None,
    }
    return assigned({name: value for name, value in parts.items() if value is not None})


def duration(seconds: float) -> str:
    """Show how long something takes."""
    if seconds < 1:
        return "under 1 s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def score(target: str | None, value: float) -> str:
    """Show the value of an optimization's target."""
    return percent(value) if target in ("return", "drawdown") else ratio(value)


def _short(value: ParamValue) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)
