"""How long jobs take: a model of the machine, measured when templates load, corrected by jobs that finished.

Pure: whatever the model should know it is told, moments included.
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from statistics import median

from stratopt_server.domain.jobs import JobKind
from stratopt_server.domain.speeds import Speeds

JOB_SECONDS = 0.12
"""Of every job: its process, the database, the mapping of bars, the page of a report.

A default, as are the others here: what this machine takes is in the correction.
"""
SET_SECONDS = 1e-4
"""Of every parameter set of a search, however many bars: proposing it, judging it, storing its trial."""
DEFAULT_SPEEDS = Speeds(sweep={"ma_cross": 1e-9, "grid": 1e-8}, report={"ma_cross": 1e-6, "grid": 6e-6})
"""What is believed until a template has measured: a machine with two cores."""
SEEN_MAX = 20
"""Finished jobs of each kind that the correction is learned from."""
CORRECTION_MIN, CORRECTION_MAX = 0.1, 10.0
OVERDUE_SHARE = 0.1
"""Of the time it has taken: what is believed to be left of something that should have ended already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What the length of a job depends on."""

    kind: JobKind
    kernel: str
    bars: int
    """0 where it is not known."""
    sets: int
    """Parameter sets that are run."""
    proposing: float = 0.0
    """Seconds that the search's algorithm takes to propose one."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A job that finished, and how long it took."""

    size: Size
    seconds: float


@dataclass(frozen=True, slots=True)
class Model:
    """Predicts how long a job runs, once it runs.

    That is a fixed part and a part for each bar, of a search for each bar and set, times a correction: the
    median of how much longer jobs of the kind took than that, those of the same kernel if there are any.
    """

    speeds: Speeds = DEFAULT_SPEEDS
    seen: tuple[Seen, ...] = ()
    """Oldest first, of each kind at most SEEN_MAX."""
    _corrections: dict[tuple[JobKind, str], float] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    def calibrated(self, speeds: Speeds) -> "Model":
        """The model once a template has measured: its figures replace those there were of the same job."""
        return replace(
            self,
            speeds=Speeds(
                sweep=speeds.sweep or self.speeds.sweep, report=speeds.report or self.speeds.report
            ),
        )

    def learned(self, size: Size, seconds: float) -> "Model":
        """The model once a job of that size has taken so long; one of unknown size teaches nothing."""
        if size.bars == 0:
            return self
        own = [one for one in self.seen if one.size.kind is size.kind][1 - SEEN_MAX :]
        others = [one for one in self.seen if one.size.kind is not size.kind]
        return replace(self, seen=(*others, *own, Seen(size, seconds)))

    def set_seconds(self, kernel: str, bars: int) -> float:
        """How long the engine takes for one parameter set on so many bars."""
        return _speed(self.speeds.sweep, kernel) * bars

    def seconds(self, size: Size) -> float:
        """How long a job of that size runs; more bars or sets are never fewer seconds."""
        return self._uncorrected(size) * self._correction(size.kind, size.kernel)

    def _uncorrected(self, size: Size) -> float:
        if size.kind is JobKind.BACKTEST:
            return JOB_SECONDS + _speed(self.speeds.report, size.kernel) * size.bars
        a_set = SET_SECONDS + size.proposing + self.set_seconds(size.kernel, size.bars)
        return JOB_SECONDS + a_set * size.sets

    def _correction(self, kind: JobKind, kernel: str) -> float:
        """Compute it once for every kernel: a long queue asks often."""
        if (kind, kernel) not in self._corrections:
            of_kind = [one for one in self.seen if one.size.kind is kind]
            like = [one for one in of_kind if one.size.kernel == kernel] or of_kind
            ratio = median([one.seconds / self._uncorrected(one.size) for one in like] or [1.0])
            self._corrections[kind, kernel] = min(max(ratio, CORRECTION_MIN), CORRECTION_MAX)
        return self._corrections[kind, kernel]


def _speed(speeds: dict[str, float], kernel: str) -> float:
    """Of a kernel that was not measured: that of the slowest one that was."""
    return speeds[kernel] if kernel in speeds else max(speeds.values())


def left(expected: float, elapsed: float) -> float:
    """Seconds until something ends that was expected to take so long and has taken so long already."""
    return max(expected - elapsed, elapsed * OVERDUE_SHARE)


def waiting(
    running: Iterable[float], pending: Iterable[tuple[float, float]], *, places: int, ready_in: float
) -> float:
    """Seconds until the next job begins: a place is free for it, and its template is ready.

    `running` are the seconds left of each running job; `pending` are the jobs ahead in their order, each
    with the seconds until its template is ready and those that it runs.
    """
    free_in = [0.0] * places
    for seconds in running:
        heapq.heapreplace(free_in, free_in[0] + seconds)
    for template_in, seconds in pending:
        heapq.heapreplace(free_in, max(free_in[0], template_in) + seconds)
    return max(free_in[0], ready_in)
