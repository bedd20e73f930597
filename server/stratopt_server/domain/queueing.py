"""Whose turn it is: the order in which pending jobs run."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby

from stratopt_server.domain.jobs import QueuedJob

NEVER = datetime.min.replace(tzinfo=UTC)

PRIORITY_MIN, PRIORITY_MAX = -10, 10


def in_turn(pending: Sequence[QueuedJob], served: Mapping[str, datetime]) -> list[QueuedJob]:
    """Order pending jobs: higher priority first; in a priority callers take turns, each with its oldest.

    `served` is when a job of each caller last began: who has waited longest is first in every round. The
    order is the one in which they begin, if no other job comes: to begin the first changes nothing in the
    order of the rest.
    """
    by_age = sorted(pending, key=lambda job: (-job.priority, job.created_at, job.id))
    ordered: list[QueuedJob] = []
    last: dict[str, int] = {}
    for _, jobs in groupby(by_age, key=lambda job: job.priority):
        lines = _lines(jobs)
        # Callers that never had a turn keep the order of their oldest jobs, which is that of the lines.
        callers = sorted(lines, key=lambda caller: (last.get(caller, -1), served.get(caller, NEVER)))
        rounds = [
            (turn, place, job)
            for place, caller in enumerate(callers)
            for turn, job in enumerate(lines[caller])
        ]
        for _, _, job in sorted(rounds, key=lambda entry: entry[:2]):
            last[job.caller] = len(ordered)
            ordered.append(job)
    return ordered


def _lines(jobs: Iterable[QueuedJob]) -> dict[str, list[QueuedJob]]:
    """Have the jobs of each caller stand in a line of their own."""
    lines: dict[str, list[QueuedJob]] = defaultdict(list)
    for job in jobs:
        lines[job.caller].append(job)
    return lines
