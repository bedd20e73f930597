"""Signals that are there already, as boolean arrays: the door to the kernels for any strategy at all.

    sweeper = SignalSweeper(bars, terms)
    metrics = sweeper.evaluate([ReadySignals(entries=fast > slow, exits=fast < slow)])

What is decided on a bar's close is filled at that close or at the next open, as the terms say; they also say
which side is heeded. Signals that contradict each other on one bar cancel each other.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stratopt_server.domain.market import Bars, FloatColumn
from stratopt_server.domain.runs import RunTerms
from stratopt_server.engine.kernels.signals import Signals
from stratopt_server.engine.kernels.tables import no_tables
from stratopt_server.engine.kernels.terms import Codes, Inputs, Totals
from stratopt_server.engine.kernels.work import Flags, work_ready_nb
from stratopt_server.engine.many_runs import Hand, ManyRuns, Work
from stratopt_server.engine.prepare import BLOCKS

BoolColumn = NDArray[np.bool_]
Levels = FloatColumn | float | None
"""One number for all bars, or one for each, or none: then the terms decide."""

FLAGS = ("entries", "exits", "short_entries", "short_exits")
LEVELS = {"sizes": 1.0, "stop_losses": math.inf, "take_profits": math.inf}
"""The most that each number may be; they are above 0."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadySignals:
    """What a strategy decided on each bar's close. Arrays are of one length; they are kept, not copied."""

    entries: BoolColumn
    """Whether to be long from here on."""
    exits: BoolColumn
    """Whether to be long no more."""
    short_entries: BoolColumn | None = None
    short_exits: BoolColumn | None = None
    sizes: Levels = None
    """Share of the cash that an entry decided here takes, in (0, 1]."""
    stop_losses: Levels = None
    """Stop loss of a position entered on what is decided here: a fraction of its entry, infinite for none."""
    take_profits: Levels = None
    """Take profit likewise."""
    adds: bool = False
    """Whether an entry adds to a position that is open already."""
    of_initial: bool = False
    """Whether sizes are shares of the initial cash, not of the cash at hand."""

    def __post_init__(self) -> None:
        """Raise ValueError, which names the field, for an array or a number that cannot be run."""
        for name in FLAGS:
            flags = getattr(self, name)
            if flags is not None or name in FLAGS[:2]:
                _check_flags(name, flags, np.size(self.entries))
        for name, most in LEVELS.items():
            if (levels := getattr(self, name)) is not None:
                _check_levels(name, np.asarray(levels), len(self.entries), most)


def _check_flags(name: str, flags: object, count: int) -> None:
    if not isinstance(flags, np.ndarray) or flags.dtype != np.bool_ or flags.ndim != 1:
        raise ValueError(f"{name} must be a numpy array of booleans, one for each bar")
    _check_length(name, flags, count)


def _check_levels(name: str, levels: np.ndarray, count: int, most: float) -> None:
    if levels.dtype.kind not in "iuf" or levels.ndim > 1:
        raise ValueError(f"{name} must be a number, or a numpy array of numbers, one for each bar")
    if levels.ndim == 1:
        _check_length(name, levels, count)
    # NaN is neither above 0 nor at most anything.
    if not np.all((levels > 0.0) & (levels <= most)):
        raise ValueError(f"{name} must be above 0" + (f" and at most {most:g}" if most < math.inf else ""))


def _check_length(name: str, values: np.ndarray, count: int) -> None:
    if len(values) != count:
        raise ValueError(f"{name} must have a value for each of {count} bars, not {len(values)}")


class SignalSweeper(ManyRuns[ReadySignals]):
    """Runs of ready-made signals on certain bars and terms: of ValueErrors, see there and ReadySignals.

    Beside the signals themselves each thread needs room for the codes of one set; for arrays that are not
    contiguous, or may not be written to, it copies those of one set.
    """

    def __init__(self, bars: Bars, terms: RunTerms, *, blocks: int = BLOCKS) -> None:
        """Lay out the bars; ValueError for bars that cannot be run on."""
        super().__init__(bars, terms, blocks=blocks)
        self._inputs = Inputs(self.market, no_tables(), self._kernel_terms)

    def _work_of(self, sets: Sequence[ReadySignals]) -> Work:
        """Check that the signals are of these bars."""
        count = len(self.market.close)
        for ready in sets:
            _check_length("entries", ready.entries, count)

        def work(totals: Totals, hand: Hand) -> None:
            codes = np.empty(count, dtype=np.uint8)
            for number in range(hand[0], len(sets), hand[1]):
                ready = sets[number]
                work_ready_nb(self._inputs, _flags_of(ready), _signals_of(ready, codes), totals, number)

        return work


def _flags_of(ready: ReadySignals) -> Flags:
    """Lay out the booleans as bytes."""
    none = np.empty(0, dtype=np.uint8)
    columns = [getattr(ready, name) for name in FLAGS]
    flags = [none if column is None else _plain(column, np.bool_).view(np.uint8) for column in columns]
    return flags[0], flags[1], flags[2], flags[3]


def _signals_of(ready: ReadySignals, codes: Codes) -> Signals:
    """Lay out the numbers beside room for codes."""
    columns = [getattr(ready, name) for name in LEVELS]
    none = np.empty(0)
    levels = [none if column is None else _plain(np.atleast_1d(column), np.float64) for column in columns]
    return Signals(codes, levels[0], levels[1], levels[2], bool(ready.adds), bool(ready.of_initial))


def _plain(column: np.ndarray, dtype: type[np.generic]) -> np.ndarray:
    """View a column as the kernel is compiled for, which writes to none of them; else copy it."""
    return np.require(column, dtype, ["C", "A", "W", "E"])
