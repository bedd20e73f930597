"""What users write on the command line, read."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import typer

from stratopt_client import Objective, ParamRange, ParamValue

Size = Literal["all_in"] | tuple[Literal["fraction", "fixed"], float]
"""How large an opening order is, as the client takes it."""

_FILE_NAME = re.compile(
    r"(?P<exchange>[a-z0-9._-]{1,30})_(?P<base>[^-_]+)-(?P<quote>[^-_]+)_(?P<timeframe>[0-9]+[mhdw])",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class NamedFile:
    """What the name of a file says about the bars in it."""

    exchange: str | None = None
    symbol: str | None = None
    timeframe: str | None = None


def file_name(path: Path) -> NamedFile:
    """Read EXCHANGE_BASE-QUOTE_TIMEFRAME.ext; a name of another form says nothing."""
    found = _FILE_NAME.fullmatch(path.name.split(".csv")[0].split(".parquet")[0])
    if found is None:
        return NamedFile()
    return NamedFile(
        exchange=found["exchange"].lower(),
        symbol=f"{found['base']}/{found['quote']}".upper(),
        timeframe=found["timeframe"].lower(),
    )


def params(written: Iterable[str]) -> dict[str, ParamValue]:
    """Read `name=value` each."""
    return {name: value(text) for name, text in _pairs(written, "--param", "fast_period=5")}


def objectives(written: Iterable[str]) -> list[Objective]:
    """Read `target=weight` or a target alone each."""
    found: list[Objective] = []
    for text in written:
        target, equals, weight = (part.strip() for part in text.partition("="))
        number = value(weight) if equals else None
        if isinstance(number, str | bool):
            raise typer.BadParameter(
                f"{text!r}: a weight is a number, e.g. sharpe=0.7", param_hint="--objective"
            )
        # What a target may be is the client's to say.
        found.append(Objective(target=cast("Any", target), weight=number))
    return found


def params_document(text: str) -> dict[str, ParamValue]:
    """Read a JSON object of values by parameter."""
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise typer.BadParameter(
            f"{text!r} is no JSON object; write for example '{{\"fast_period\": 5}}'",
            param_hint="--start-from",
        )
    return document


def ranges(written: Iterable[str]) -> dict[str, ParamRange]:
    """Read `name=MIN:MAX[:STEP|:log]` or `name=a,b,c` each."""
    return {name: _range(name, text) for name, text in _pairs(written, "--range", "fast_period=5:50:1")}


def value(text: str) -> ParamValue:
    """Read a whole number, a real one, true or false; anything else is a word."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def criteria(written: Iterable[str]) -> dict[str, ParamValue]:
    """Read `name=value` each."""
    return {name: value(text) for name, text in _pairs(written, "--criterion", "psr_oos=0.9")}


def sizing(text: str) -> Size:
    """Read all_in, fraction:SHARE or fixed:AMOUNT."""
    kind, colon, amount = (part.strip() for part in text.partition(":"))
    if kind == "all_in" and not colon:
        return "all_in"
    number = value(amount)
    if kind in ("fraction", "fixed") and isinstance(number, int | float) and not isinstance(number, bool):
        return ("fraction" if kind == "fraction" else "fixed"), number
    raise typer.BadParameter(
        f"{text!r} is no size; write all_in, fraction:0.5 or fixed:1000", param_hint="--sizing"
    )


def _pairs(written: Iterable[str], option: str, example: str) -> Iterable[tuple[str, str]]:
    seen: set[str] = set()
    for pair in written:
        name, equals, text = (part.strip() for part in pair.partition("="))
        if not (name and equals and text):
            raise typer.BadParameter(
                f"{pair!r} is not NAME=VALUE; write for example {example}", param_hint=option
            )
        if name in seen:
            raise typer.BadParameter(f"{name} is given twice", param_hint=option)
        seen.add(name)
        yield name, text


def _range(name: str, text: str) -> ParamRange:
    if ":" not in text:
        return {"choices": [value(choice.strip()) for choice in text.split(",")]}
    parts = [value(part.strip()) for part in text.split(":")]
    log = parts[-1] == "log"
    ends = parts[:-1] if log else parts
    # `flag is int` too, and no end of a range.
    numbers = [end for end in ends if isinstance(end, int | float) and not isinstance(end, bool)]
    if len(numbers) != len(ends) or len(numbers) not in ((2,) if log else (2, 3)):
        raise typer.BadParameter(
            f"{name}={text} is no range; write MIN:MAX, MIN:MAX:STEP, MIN:MAX:log or a list a,b,c",
            param_hint="--range",
        )
    read: dict[str, object] = dict(zip(("min", "max", "step"), numbers, strict=False))
    return read | {"log": True} if log else read
