"""Whose turn it is: priorities first, then callers in turn, then age."""

from collections import Counter, defaultdict
from dataclasses import replace
from datetime import datetime
from itertools import count, pairwise

from domain_samples import at
from hypothesis import given
from hypothesis import strategies as st

from stratopt_server.domain.jobs import JobKind, JobStatus, QueuedJob
from stratopt_server.domain.queueing import in_turn

CALLERS = "abc"


def waiting(number: int, caller: str = "a", *, priority: int = 0, seconds: float | None = None) -> QueuedJob:
    """A job that waits; those of greater number are younger unless told otherwise."""
    return QueuedJob(
        id=f"job_{number:03}",
        kind=JobKind.BACKTEST,
        status=JobStatus.PENDING,
        started_at=None,
        created_at=at(number if seconds is None else seconds),
        priority=priority,
        caller=caller,
    )


def order(pending: list[QueuedJob], served: dict[str, datetime] | None = None) -> list[int]:
    """Numbers of the jobs in turn."""
    return [int(job.id.removeprefix("job_")) for job in in_turn(pending, served or {})]


queues = st.lists(
    st.tuples(st.sampled_from(CALLERS), st.integers(-2, 2), st.integers(0, 3)), max_size=14
).map(
    lambda rows: [
        waiting(number, caller, priority=priority, seconds=seconds)
        for number, (caller, priority, seconds) in enumerate(rows)
    ]
)
services = st.dictionaries(st.sampled_from(CALLERS), st.integers(-9, 0).map(at))


def test_one_caller() -> None:
    """Jobs of one caller run in the order in which they came; of one moment by id."""
    assert order([waiting(2, seconds=5), waiting(1, seconds=5), waiting(0, seconds=9)]) == [1, 2, 0]


def test_priorities() -> None:
    """Higher priority runs first, however young."""
    assert order([waiting(0), waiting(1, priority=10), waiting(2, priority=-10)]) == [1, 0, 2]


def test_callers_take_turns() -> None:
    """A caller with one job does not wait for all of another's."""
    many = [waiting(number) for number in range(4)]
    assert order([*many, waiting(4, "b"), waiting(5, "c"), waiting(6, "c")]) == [0, 4, 5, 1, 6, 2, 3]


def test_who_waited_longest() -> None:
    """Who was served longest ago is first in each round; who never was, before them."""
    pending = [waiting(0, "a"), waiting(1, "b"), waiting(2, "c"), waiting(3, "a"), waiting(4, "b")]
    assert order(pending, {"a": at(-1), "b": at(-2)}) == [2, 1, 0, 4, 3]


def test_turns_across_priorities() -> None:
    """Who is about to be served at a higher priority has had a turn at the lower one."""
    pending = [waiting(0, "a", priority=1), waiting(1, "a"), waiting(2, "b")]
    assert order(pending, {"a": at(-2), "b": at(-1)}) == [0, 2, 1]


@given(pending=queues, served=services)
def test_all_in_order(pending: list[QueuedJob], served: dict[str, datetime]) -> None:
    """Each job is there once; priorities fall; jobs of a caller and priority are in order of age."""
    ordered = in_turn(pending, served)
    assert sorted(job.id for job in ordered) == sorted(job.id for job in pending)
    assert all(one.priority >= other.priority for one, other in pairwise(ordered))
    lines: dict[tuple[int, str], list[tuple[datetime, str]]] = defaultdict(list)
    for job in ordered:
        lines[job.priority, job.caller].append((job.created_at, job.id))
    assert all(line == sorted(line) for line in lines.values())


@given(pending=queues, served=services)
def test_fair(pending: list[QueuedJob], served: dict[str, datetime]) -> None:
    """In a priority nobody gets ahead by two jobs of one who still waits."""
    ordered = in_turn(pending, served)
    for priority in {job.priority for job in pending}:
        rest = [job.caller for job in ordered if job.priority == priority]
        had: Counter[str] = Counter()
        while rest:
            had[rest.pop(0)] += 1
            assert all(had.total() == 0 or max(had.values()) - had[caller] <= 1 for caller in rest)


@given(pending=queues, served=services)
def test_order_of_beginning(pending: list[QueuedJob], served: dict[str, datetime]) -> None:
    """Jobs begin in this order: when the first has begun, the rest are as they were."""
    ordered = in_turn(pending, served)
    if ordered:
        first, *rest = ordered
        assert in_turn(rest, served | {first.caller: at(1)}) == rest


@given(pending=queues, served=services, seed=st.randoms(use_true_random=False))
def test_order_of_the_rows(pending: list[QueuedJob], served: dict[str, datetime], seed: object) -> None:
    """It does not matter in which order the jobs were read."""
    mixed = list(pending)
    seed.shuffle(mixed)
    assert in_turn(mixed, served) == in_turn(pending, served)


@given(pending=queues.filter(len), arrivals=st.lists(st.sampled_from(CALLERS), min_size=1))
def test_nobody_starves(pending: list[QueuedJob], arrivals: list[str]) -> None:
    """Every job is first at last, though a new one of its priority comes whenever one begins."""
    pending = [replace(job, priority=0) for job in pending]
    watched, served, numbers = pending[-1], {}, count(len(pending))
    ahead = sum(job.caller == watched.caller for job in pending)
    for turn in range(ahead * len(CALLERS)):
        first, *pending = in_turn(pending, served)
        if first == watched:
            return
        served[first.caller] = at(100 + turn)
        pending.append(waiting(next(numbers), arrivals[turn % len(arrivals)], seconds=50 + turn))
    raise AssertionError(f"{watched} is not first after {ahead * len(CALLERS)} turns")
