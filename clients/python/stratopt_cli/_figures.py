"""Figures as people read them."""

from collections.abc import Mapping

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


def duration(seconds: float) -> str:
    """Show how long something takes."""
    if seconds < 1:
        return "under 1 s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def score(target: str | None, value: float) -> str:
    """Show the value of an optimization's target."""
    return ratio(value) if target == "sharpe" else percent(value)


def _short(value: ParamValue) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)
