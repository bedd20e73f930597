"""Time and ids as arguments, so that tests decide them."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32: sorts as it counts, and leaves out letters that look like digits."""
TIME_DIGITS, RANDOM_DIGITS = 9, 8


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The present moment, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present moment, in UTC."""
        return datetime.now(UTC)


def base32(number: int, digits: int) -> str:
    """Write the number's lowest digits in base 32, zeros in front."""
    return "".join(ALPHABET[(number >> (5 * place)) & 31] for place in reversed(range(digits)))


class Ids:
    """Makes ids that sort by the millisecond they were made in: prefix, time, chance."""

    def __init__(self, clock: Clock, random: Callable[[int], int] = secrets.randbelow) -> None:
        """`random(n)` gives a whole number from 0 to n - 1."""
        self._clock = clock
        self._random = random

    def new(self, prefix: str) -> str:
        """Make an id such as `bt_1hw4kz9s0q3v8m2c1`."""
        millisecond = int(self._clock.now().timestamp() * 1000)
        chance = self._random(32**RANDOM_DIGITS)
        return f"{prefix}_{base32(millisecond, TIME_DIGITS)}{base32(chance, RANDOM_DIGITS)}"
