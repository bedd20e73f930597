"""What every storage promises of the queue: whose turn it is, and jobs that pause, resume and are reopened.

Subclass with a `storage` fixture that gives an empty one.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from domain_samples import (
    NOW,
    at,
    exact,
    make_failure,
    make_job,
    make_optimization,
    make_optimization_result,
    make_optimization_spec,
    make_progress,
    make_strategy,
)
from hypothesis import given
from hypothesis import strategies as st
from storage_tools import exactly

from stratopt_server.domain.jobs import Job, JobKind, JobStatus, StatusChanged
from stratopt_server.domain.paging import Page
from stratopt_server.domain.ports import JobFilter, JobStore, LeaseLost, Storage

SEARCH = JobKind.OPTIMIZATION
LONGER = make_optimization_spec(max_iterations=900)
TO_COME = make_progress(done=500, total=900)


def claim(jobs: JobStore, *, seconds: float = 0, **wanted: frozenset[JobKind]) -> Job | None:
    """Claim a job that many seconds after NOW."""
    return jobs.claim("server", now=at(seconds), lease_until=at(seconds + 15), **wanted)


def waits(jobs: JobStore) -> None:
    """The search has not begun."""


def runs(jobs: JobStore) -> None:
    """The search is at work."""
    claim(jobs)


def paused(jobs: JobStore) -> None:
    """The search was paused while it ran."""
    claim(jobs)
    jobs.pause("opt_1")


def ended(jobs: JobStore) -> None:
    """The search has ended."""
    claim(jobs)
    jobs.finish("opt_1", JobStatus.SUCCEEDED, now=at(5), attempt=1, result=make_optimization_result())


STATES = (waits, runs, paused, ended)
TURNS: dict[str, tuple[Callable[[JobStore, str], Job], JobStatus, tuple[object, ...]]] = {
    "pause": (lambda jobs, job_id: jobs.pause(job_id), JobStatus.PAUSED, (waits, runs)),
    "resume": (lambda jobs, job_id: jobs.resume(job_id), JobStatus.PENDING, (paused,)),
    "reopen": (
        lambda jobs, job_id: jobs.reopen(job_id, LONGER, progress=TO_COME),
        JobStatus.PENDING,
        (ended,),
    ),
}
"""Changes of status that a caller may ask for: the call, what it leads to, and whence."""


class QueueContract:
    """Whose turn it is, and jobs that pause, resume and are reopened."""

    @pytest.fixture
    def jobs(self, storage: Storage) -> JobStore:
        """The store of jobs, beside the strategy that they refer to."""
        storage.strategies.add(make_strategy())
        return storage.jobs

    def test_place_comes_back(self, jobs: JobStore) -> None:
        """Caller, priority and losses come back with the job, and its place tells whose it is."""
        job = make_job(priority=-3, caller="research", losses=2)
        jobs.add(job)
        assert exact(jobs.get(job.kind, job.id)) == exact(job)
        [place] = jobs.queue()
        assert exact({name: getattr(place, name) for name in place.__slots__}) == exact(
            {name: getattr(job, name) for name in place.__slots__}
        )

    def test_tally(self, jobs: JobStore) -> None:
        """Jobs are counted by kind and status; what there is none of is left out."""
        assert jobs.tally() == {}
        for number in range(3):
            jobs.add(make_job(f"bt_{number}", created_at=at(number)))
        jobs.add(make_optimization("opt_1", created_at=at(9)))
        assert jobs.tally() == {"backtest": {"pending": 3}, "optimization": {"pending": 1}}
        claim(jobs, seconds=10)
        jobs.finish("bt_0", JobStatus.FAILED, now=at(11), attempt=1, failure=make_failure())
        claim(jobs, seconds=12)
        assert jobs.tally() == {
            "backtest": {"failed": 1, "pending": 1, "running": 1},
            "optimization": {"pending": 1},
        }

    def test_turns(self, jobs: JobStore) -> None:
        """Higher priority first; among equals callers take turns, whatever kind their jobs are of."""
        for number, (make, caller, priority) in enumerate(
            [
                (make_job, "many", 0),
                (make_optimization, "many", 0),
                (make_job, "many", 0),
                (make_job, "few", 0),
                (make_job, "", 5),
                (make_job, "", -5),
            ]
        ):
            jobs.add(make(f"job_{number}", caller=caller, priority=priority, created_at=at(number)))
        expected = ["job_4", "job_0", "job_3", "job_1", "job_2", "job_5"]
        assert [place.id for place in jobs.queue()] == expected
        assert [claim(jobs, seconds=9 + number).id for number in range(6)] == expected

    def test_turn_is_remembered(self, jobs: JobStore) -> None:
        """Who was served last is served after who waited longer, also once that job has ended."""
        for number, caller in enumerate(["a", "b", "a", "b"]):
            jobs.add(make_job(f"bt_{number}", caller=caller, created_at=at(number)))
        assert claim(jobs, seconds=10).id == "bt_0"
        jobs.finish("bt_0", JobStatus.SUCCEEDED, now=at(11), attempt=1)
        assert [claim(jobs, seconds=seconds).id for seconds in (12, 13, 14)] == ["bt_1", "bt_2", "bt_3"]

    @exactly
    @given(
        waiting=st.lists(st.tuples(st.sampled_from("abc"), st.integers(-1, 1), st.integers(0, 3)), max_size=9)
    )
    def test_claimed_as_queued(self, storage: Storage, jobs: JobStore, waiting) -> None:
        """Jobs are claimed in the order in which the queue shows them."""
        with suppress(KeyError), storage.transaction():  # each example begins anew
            for number, (caller, priority, moment) in enumerate(waiting):
                job = make_job(f"bt_{number}", caller=caller, priority=priority, created_at=at(moment))
                jobs.add(job)
            expected = [place.id for place in jobs.queue()]
            assert [claim(jobs, seconds=9 + number).id for number in range(len(waiting))] == expected
            raise KeyError

    def test_claim_of_a_kind(self, jobs: JobStore) -> None:
        """Jobs of other kinds are passed over, and keep their place."""
        jobs.add(make_job("bt_1", created_at=at(0)))
        jobs.add(make_optimization("opt_1", created_at=at(1)))
        jobs.add(make_job("bt_2", created_at=at(2)))
        searches = frozenset({SEARCH})
        assert claim(jobs, kinds=searches).id == "opt_1"
        assert claim(jobs, kinds=searches) is None
        assert claim(jobs, kinds=frozenset()) is None
        assert claim(jobs).id == "bt_1"

    def test_pending(self, jobs: JobStore) -> None:
        """Only jobs that wait are counted."""
        assert jobs.pending() == 0
        for number in range(6):
            jobs.add(make_optimization(f"opt_{number}", created_at=at(number)))
        claim(jobs)
        claim(jobs)
        jobs.pause("opt_1")
        jobs.finish("opt_2", JobStatus.CANCELLED, now=NOW)
        assert jobs.pending() == 3

    def test_losses(self, jobs: JobStore) -> None:
        """A release counts a loss if it was one, and says so to nobody else."""
        jobs.add(make_job())
        for attempt, lost, losses in ((1, True, 1), (2, False, 1), (3, True, 2)):
            claim(jobs)
            jobs.release("bt_1", attempt, lost=lost)
            job = jobs.get(JobKind.BACKTEST, "bt_1")
            assert (job.losses, job.attempt, job.status) == (losses, attempt, JobStatus.PENDING)

    def test_hold(self, jobs: JobStore) -> None:
        """Who has the lease may go on, and nothing changes by asking."""
        jobs.add(make_job())
        job = claim(jobs)
        jobs.hold("bt_1", 1)
        assert jobs.get(JobKind.BACKTEST, "bt_1") == job

    @pytest.mark.parametrize("state", STATES)
    @pytest.mark.parametrize("turn", TURNS)
    def test_turn_of_status(self, jobs: JobStore, turn: str, state: Callable[[JobStore], None]) -> None:
        """Each change leads from some statuses to one, says so once, and from any other raises LeaseLost."""
        jobs.add(make_optimization())
        state(jobs)
        before = jobs.get(SEARCH, "opt_1")
        change, status, whence = TURNS[turn]
        if state not in whence:
            with pytest.raises(LeaseLost):
                change(jobs, "opt_1")
            assert jobs.get(SEARCH, "opt_1") == before
            return
        changed = change(jobs, "opt_1")
        assert exact(changed) == exact(jobs.get(SEARCH, "opt_1"))
        assert (changed.status, changed.attempt) == (status, before.attempt)
        events = jobs.events("opt_1", before.last_sequence)
        assert [(event.sequence, event.event) for event in events] == [
            (before.last_sequence + 1, StatusChanged())
        ]

    @pytest.mark.parametrize("turn", TURNS)
    def test_turn_of_an_unknown_job(self, jobs: JobStore, turn: str) -> None:
        """Nobody can change the status of a job that is not there."""
        with pytest.raises(LeaseLost):
            TURNS[turn][0](jobs, "unknown")

    def test_paused(self, jobs: JobStore) -> None:
        """A paused job keeps what it has, is in no queue, nobody's, never lapses and is not claimed."""
        jobs.add(make_optimization())
        claim(jobs)
        jobs.record("opt_1", 1, progress=make_progress(), result=make_optimization_result())
        job = jobs.pause("opt_1")
        assert (job.progress, job.result) == (make_progress(), make_optimization_result())
        assert (job.completed_at, job.started_at) == (None, NOW)
        jobs.renew("server", lease_until=at(99))
        assert (jobs.queue(), jobs.lapsed(at(1_000)), claim(jobs)) == ([], [], None)
        wanted = JobFilter(kind=SEARCH, status=JobStatus.PAUSED)
        assert jobs.page(Page(9), wanted) == [job]
        for write in (
            lambda: jobs.record("opt_1", 1, progress=make_progress()),
            lambda: jobs.hold("opt_1", 1),
            lambda: jobs.finish("opt_1", JobStatus.SUCCEEDED, now=at(9), attempt=1),
        ):
            with pytest.raises(LeaseLost):
                write()
        assert jobs.get(SEARCH, "opt_1") == job

    def test_resumed(self, jobs: JobStore) -> None:
        """A resumed job waits with what it has, and its next attempt counts on."""
        jobs.add(make_optimization())
        claim(jobs)
        jobs.record("opt_1", 1, progress=make_progress(), announce=False)
        jobs.pause("opt_1")
        jobs.resume("opt_1")
        again = claim(jobs, seconds=60)
        assert (again.attempt, again.started_at, again.progress) == (2, at(60), make_progress())
        assert again.losses == 0

    def test_paused_is_cancelled(self, jobs: JobStore) -> None:
        """A paused job can be ended, and then not resumed."""
        jobs.add(make_optimization())
        paused(jobs)
        job = jobs.finish("opt_1", JobStatus.CANCELLED, now=at(9))
        assert (job.status, job.completed_at) == (JobStatus.CANCELLED, at(9))
        with pytest.raises(LeaseLost):
            jobs.resume("opt_1")

    def test_reopened(self, jobs: JobStore) -> None:
        """A reopened search waits with its new spec and progress, and with its result but for the end."""
        jobs.add(make_optimization())
        ended(jobs)
        job = jobs.reopen("opt_1", LONGER, progress=TO_COME)
        expected = make_optimization(
            status=JobStatus.PENDING,
            progress=TO_COME,
            result=make_optimization_result(stop_reason=None),
            attempt=1,
            last_sequence=3,
            started_at=NOW,
        )
        assert exact(job) == exact(replace(expected, spec=LONGER))
        assert claim(jobs, seconds=60).attempt == 2
        again = jobs.finish("opt_1", JobStatus.SUCCEEDED, now=at(70), attempt=2)
        assert (again.completed_at, again.result) == (at(70), make_optimization_result(stop_reason=None))

    def test_reopened_after_a_failure(self, jobs: JobStore) -> None:
        """Why a search failed is no longer said once it waits again; one without a result has none."""
        jobs.add(make_optimization())
        jobs.finish("opt_1", JobStatus.FAILED, now=at(5), failure=make_failure())
        job = jobs.reopen("opt_1", LONGER, progress=TO_COME)
        assert (job.failure, job.completed_at, job.result) == (None, None, None)

    def test_backtest_is_not_reopened(self, jobs: JobStore) -> None:
        """A backtest has nothing to go on with."""
        jobs.add(make_job())
        job = jobs.finish("bt_1", JobStatus.CANCELLED, now=at(5))
        with pytest.raises(AssertionError):
            jobs.reopen("bt_1", LONGER, progress=TO_COME)
        assert jobs.get(JobKind.BACKTEST, "bt_1") == job

    @pytest.mark.parametrize("turn", TURNS)
    def test_nothing_stays_of_what_fails(self, storage: Storage, jobs: JobStore, turn: str) -> None:
        """A transaction that raises leaves the job and its events as they were."""
        change, _, whence = TURNS[turn]
        jobs.add(make_optimization())
        whence[-1](jobs)
        before = (jobs.get(SEARCH, "opt_1"), jobs.events("opt_1", 0), jobs.lapsed(at(99)))
        with suppress(KeyError), storage.transaction():
            change(jobs, "opt_1")
            raise KeyError
        assert (jobs.get(SEARCH, "opt_1"), jobs.events("opt_1", 0), jobs.lapsed(at(99))) == before

    def test_snapshots(self, jobs: JobStore) -> None:
        """Changing a spec that was given, or a job that was returned, does not change what is stored."""
        jobs.add(make_optimization())
        ended(jobs)
        spec = make_optimization_spec()
        for seen in (
            jobs.reopen("opt_1", spec, progress=TO_COME),
            jobs.pause("opt_1"),
            jobs.resume("opt_1"),
        ):
            seen.spec.fixed_params.clear()
        spec.fixed_params.clear()
        assert jobs.get(SEARCH, "opt_1").spec == make_optimization_spec()
