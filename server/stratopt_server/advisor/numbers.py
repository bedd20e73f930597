"""Whether a text quotes only numbers that it was given."""

import re
import unicodedata
from collections.abc import Iterable, Mapping

from stratopt_server.domain.advice import Fact

NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?|[-+]?\.\d+")
SPELLED = re.compile(
    r"\b(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion|dozen)\w*\b"
    r"|[〇零一二三四五六七八九十百千万亿两]{2,}|[百千万]分之",
    re.IGNORECASE,
)
"""Numbers in words cannot be checked, so none may be there. One to nineteen say little by themselves."""
MINUSES = str.maketrans(dict.fromkeys("\u2212\u2013\u2014\u2011", "-"))
SLACK = 1e-9


def foreign_numbers(text: str, facts: Mapping[str, Fact]) -> list[str]:
    """Name the numbers of the text that are no fact, rounded to the digits they are quoted with.

    A fraction may be quoted in per cent, and without its sign. Numbers inside texts of facts are facts too.
    """
    plain = _plain(text)
    known = sorted(set(_known(facts.values())))
    strange = [found.group() for found in SPELLED.finditer(plain)]
    numbers = [found.group() for found in NUMBER.finditer(plain)]
    return strange + [number for number in numbers if not _is_known(number, known)]


def _plain(text: str) -> str:
    """Digits and signs of every script as the plain ones."""
    return unicodedata.normalize("NFKC", text).translate(MINUSES)


def _known(facts: Iterable[Fact]) -> Iterable[float]:
    for fact in facts:
        if isinstance(fact, bool):
            continue
        values = [float(fact)] if isinstance(fact, int | float) else _inside(fact)
        for value in values:
            yield abs(value)
            yield abs(value) * 100


def _inside(text: str) -> list[float]:
    return [_value(found.group()) for found in NUMBER.finditer(_plain(text))]


def _value(written: str) -> float:
    return float(written.replace(",", ""))


def _is_known(written: str, known: list[float]) -> bool:
    value = abs(_value(written))
    mantissa, _, exponent = written.replace(",", "").lower().partition("e")
    decimals = len(mantissa.partition(".")[2]) - int(exponent or 0)
    half = 0.5 * 10.0**-decimals
    return any(abs(fact - value) <= half + SLACK * max(fact, 1.0) for fact in known)
