"""Whether a text quotes only numbers that it was given."""

import math
import re
import unicodedata
from collections.abc import Iterator, Mapping

from stratopt_server.domain.advice import Fact

NUMBER = re.compile(
    r"(?P<sign>(?<![0-9A-Za-z_.%)-])[-+])?"
    r"(?P<figure>(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)(?:[eE](?P<power>[-+]?\d{1,3}))?"
    r"(?:(?P<per_cent>\s*(?:%|per ?cent))"
    r"|(?P<scale>\s?(?:(?:[kKmMbB]|[bmt]n|bps?)(?![A-Za-z])|[成折十百千万亿‰])))?"
)
WORDS = (
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
SMALL = {word: value for value, word in enumerate(WORDS.split(), 2)} | dict(
    zip("二三四五六七八九十", range(2, 11), strict=True), 两=2
)
"""Numbers in words that can be looked up. Of one and zero, which are said of anything, nothing is asked."""
SPELLED_SMALL = re.compile(
    rf"\b({WORDS.replace(' ', '|')})\b|([二两三四五六七八九十])(?=[个次天日年月周笔项组轮根种条段])",
    re.IGNORECASE,
)
SPELLED = re.compile(
    r"\b(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion|dozen)\w*\b"
    r"|[〇零一二三四五六七八九十百千万亿两]{2,}|[百千万]分之|[一二两三四五六七八九十半][倍成折]",
    re.IGNORECASE,
)
"""Other numbers in words cannot be checked, so none may be there."""
MINUSES = str.maketrans(dict.fromkeys("\u2212\u2013\u2011", "-"))
NAME = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9._/-]{1,100}")
OTHERS_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._/-]{0,99}|[A-Z0-9]{1,20}/[A-Z]{1,20}")
"""A name that others gave begins with a letter, or is a symbol: `99k` would say a number."""
SLACK = 1e-9


def foreign_numbers(text: str, facts: Mapping[str, Fact], texts: Mapping[str, str]) -> list[str]:
    """Name the numbers of the text that are no fact, rounded to the digits they are quoted with.

    A fraction may be quoted in per cent, and a loss without its sign. Numbers that stand by themselves in
    texts of facts are facts too. `texts` are anybody's: no number in them is known, but names among them may
    be said as a whole.
    """
    words = [fact for fact in facts.values() if isinstance(fact, str)]
    plain = _without_names(_plain(text), [*facts, *words, *filter(OTHERS_NAME.fullmatch, texts.values())])
    known = _Known(facts)
    strange = [found.group() for found in SPELLED.finditer(plain)]
    strange += [
        found.group()
        for found in SPELLED_SMALL.finditer(plain)
        if not known.has(str(SMALL[found.group().lower()]))
    ]
    for found in NUMBER.finditer(plain):
        if found["scale"] or not known.has(_written(found), per_cent=bool(found["per_cent"])):
            strange.append(found.group())
    return strange


class _Known:
    """The figures that may be quoted."""

    def __init__(self, facts: Mapping[str, Fact]) -> None:
        figures = [float(fact) for fact in facts.values() if _is_figure(fact)]
        inside = [found for fact in facts.values() if isinstance(fact, str) for found in _inside(fact)]
        figures += [float(_written(found)) for found in inside if not found["per_cent"]]
        shares = [float(_written(found)) for found in inside if found["per_cent"]]
        # A figure without end is as near to every number as to any.
        self._figures = [figure for figure in figures if math.isfinite(figure)]
        self._per_cent = [100 * figure for figure in self._figures] + shares

    def has(self, written: str, *, per_cent: bool = False) -> bool:
        """Tell whether a figure is that when rounded as it is written; without a sign it may be a loss."""
        value = float(written)
        mantissa, _, power = written.lower().partition("e")
        half = float(f"0.5e{int(power or 0) - len(mantissa.partition('.')[2])}")
        if not math.isfinite(value) or not math.isfinite(half):
            return False
        known = self._per_cent if per_cent else self._figures
        candidates = known if written[0] in "+-" else [abs(figure) for figure in known]
        return any(abs(one - value) <= half + SLACK * max(abs(one), 1.0) for one in candidates)


def _plain(text: str) -> str:
    """Digits and signs of every script as the plain ones."""
    return unicodedata.normalize("NFKC", text).translate(MINUSES)


def _without_names(text: str, names: list[str]) -> str:
    """Leave out names such as `grid_v1.2`: one word with a letter in it, said as a whole."""
    for name in sorted(set(map(_plain, names)), key=len, reverse=True):
        if NAME.fullmatch(name):
            text = re.sub(rf"(?<![A-Za-z0-9_./-]){re.escape(name)}(?![A-Za-z0-9_/-])", " ", text)
    return text


def _is_figure(fact: Fact) -> bool:
    return isinstance(fact, int | float) and not isinstance(fact, bool)


def _inside(text: str) -> Iterator[re.Match[str]]:
    """Find numbers that are no part of a word: a hash or an id says no number."""
    plain = _plain(text)
    for found in NUMBER.finditer(plain):
        around = plain[max(found.start() - 1, 0) : found.start()] + plain[found.end() : found.end() + 1]
        if not found["scale"] and not re.search(r"\w", around):
            yield found


def _written(found: re.Match[str]) -> str:
    """The number as Python reads it."""
    power = f"e{found['power']}" if found["power"] else ""
    return f"{found['sign'] or ''}{found['figure'].replace(',', '')}{power}"
