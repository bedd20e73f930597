"""Whether a text quotes only numbers that it was given."""

import re
import unicodedata
from collections.abc import Iterable, Mapping

from stratopt_server.domain.advice import Fact

NUMBER = re.compile(r"([-+]?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?|[-+]?\.\d+)(\s*(?:%|per ?cent))?")
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
    figures = [abs(float(fact)) for fact in facts.values() if _is_figure(fact)]
    quoted = [number for fact in facts.values() if isinstance(fact, str) for number in _inside(fact)]
    known = figures + quoted
    in_per_cent = [100 * figure for figure in figures] + quoted
    strange = [found.group() for found in SPELLED.finditer(plain)]
    for found in NUMBER.finditer(plain):
        number, per_cent = found.groups()
        if not _is_known(number, in_per_cent if per_cent else known):
            strange.append(number)
    return strange


def _plain(text: str) -> str:
    """Digits and signs of every script as the plain ones."""
    return unicodedata.normalize("NFKC", text).translate(MINUSES)


def _is_figure(fact: Fact) -> bool:
    return isinstance(fact, int | float) and not isinstance(fact, bool)


def _inside(text: str) -> list[float]:
    return [abs(_value(found.group(1))) for found in NUMBER.finditer(_plain(text))]


def _value(written: str) -> float:
    return float(written.replace(",", ""))


def _is_known(written: str, known: Iterable[float]) -> bool:
    value = abs(_value(written))
    mantissa, _, exponent = written.replace(",", "").lower().partition("e")
    decimals = len(mantissa.partition(".")[2]) - int(exponent or 0)
    half = 0.5 * 10.0**-decimals
    return any(abs(fact - value) <= half + SLACK * max(fact, 1.0) for fact in known)
