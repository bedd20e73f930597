"""What every storage promises of jobs, their leases and their events.

Subclass with a `storage` fixture that gives an empty one.
"""

import itertools
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from domain_arbitrary import backtest_results, backtest_specs, failures, optimization_specs, progress
from domain_samples import (
    NOW,
    at,
    exact,
    make_backtest_result,
    make_backtest_spec,
    make_best,
    make_failure,
    make_job,
    make_metrics,
    make_optimization,
    make_progress,
    make_scenario,
    make_strategy,
    make_trial,
)
from hypothesis import given
from hypothesis import strategies as st
from storage_tools import at_once, exactly, read_all

from stratopt_server.domain.jobs import (
    BacktestResult,
    Job,
    JobKind,
    JobStatus,
    OptimizationResult,
    StatusChanged,
)
from stratopt_server.domain.optimization import StopReason
from stratopt_server.domain.paging import Page
from stratopt_server.domain.ports import JobFilter, JobStore, LeaseLost, Storage

EVERYTHING = Page(1_000)
BACKTESTS = JobFilter(kind=JobKind.BACKTEST)
ids = itertools.count()

WRITES: dict[str, Callable[[JobStore, str, int], object]] = {
    "record": lambda jobs, job_id, attempt: jobs.record(job_id, attempt, progress=make_progress()),
    "release": lambda jobs, job_id, attempt: jobs.release(job_id, attempt),
    "finish": lambda jobs, job_id, attempt: jobs.finish(
        job_id, JobStatus.SUCCEEDED, now=at(9), attempt=attempt
    ),
}
"""Everything that a process does to a job that it believes to be its own."""


def claim(jobs: JobStore, owner: str = "server", *, seconds: float = 0, lease: float = 15) -> Job | None:
    """Claim a job that many seconds after NOW."""
    return jobs.claim(owner, now=at(seconds), lease_until=at(seconds + lease))


def never_claimed(jobs: JobStore) -> None:
    """The job waits."""


def claimed_anew(jobs: JobStore) -> None:
    """The job runs in its second attempt: the lease of the first one had lapsed."""
    claim(jobs)
    jobs.release("bt_1", 1)
    claim(jobs, "another")


def released(jobs: JobStore) -> None:
    """The job waits again."""
    claim(jobs)
    jobs.release("bt_1", 1)


def cancelled(jobs: JobStore) -> None:
    """The job was cancelled while it ran."""
    claim(jobs)
    jobs.finish("bt_1", JobStatus.CANCELLED, now=at(5))


def finished(jobs: JobStore) -> None:
    """The job was finished by its own process."""
    claim(jobs)
    jobs.finish("bt_1", JobStatus.SUCCEEDED, now=at(5), attempt=1)


class JobStoreContract:
    """Jobs, their leases and their events."""

    @pytest.fixture
    def jobs(self, storage: Storage) -> JobStore:
        """The store of jobs, beside the strategies that jobs refer to."""
        storage.strategies.add(make_strategy())
        storage.strategies.add(make_strategy("grid_v1.2"))
        return storage.jobs

    @pytest.mark.parametrize("job", [make_job(), make_optimization()], ids=lambda job: job.kind.value)
    def test_job_comes_back(self, jobs: JobStore, job: Job) -> None:
        """A stored job comes back exactly, under its own kind only."""
        jobs.add(job)
        other = next(kind for kind in JobKind if kind is not job.kind)
        assert exact(jobs.get(job.kind, job.id)) == exact(job)
        assert jobs.get(other, job.id) is None
        assert jobs.get(job.kind, "unknown") is None
        assert jobs.events(job.id, 0) == []

    @exactly
    @given(spec=st.one_of(backtest_specs, optimization_specs), done=progress)
    def test_spec_exactly(self, jobs: JobStore, spec, done) -> None:
        """Every field of a spec comes back in kind, bits and order: 20, 20.0, True and "20" stay apart."""
        job = make_job(f"job_{next(ids)}", spec, progress=done)
        jobs.add(job)
        assert exact(jobs.get(job.kind, job.id)) == exact(job)

    @exactly
    @given(failure=failures, done=progress)
    def test_outcome_exactly(self, jobs: JobStore, failure, done) -> None:
        """Progress and failure come back exactly, from the row and from the events."""
        job = make_job(f"job_{next(ids)}", created_at=at(-next(ids)))
        jobs.add(job)
        claim(jobs)
        jobs.record(job.id, 1, progress=done)
        ended = jobs.finish(job.id, JobStatus.FAILED, now=at(1), attempt=1, failure=failure)
        assert exact(ended.progress) == exact(jobs.events(job.id, 1)[0].event) == exact(done)
        assert exact(ended.failure) == exact(failure)

    def test_jobs_are_snapshots(self, jobs: JobStore) -> None:
        """Changing a job that was given or returned does not change what is stored."""
        job = make_job(spec=make_backtest_spec())
        jobs.add(job)
        changing = [
            job,
            jobs.get(job.kind, job.id),
            jobs.page(EVERYTHING, BACKTESTS)[0],
            claim(jobs, lease=0),
            jobs.lapsed(at(1))[0],
        ]
        for seen in changing:
            seen.spec.params.clear()
        assert jobs.get(job.kind, job.id).spec == make_backtest_spec()

    def test_results_and_events_are_snapshots(self, jobs: JobStore) -> None:
        """Changing a result, a failure or an event does not change what is stored."""
        jobs.add(make_optimization())
        claim(jobs)
        result, trial = OptimizationResult(best=make_best(trial=make_trial())), make_trial()
        failure = make_failure(metadata={"mb": "1"})
        jobs.record("opt_1", 1, progress=make_progress(), result=result, improvements=[trial])
        ended = jobs.finish("opt_1", JobStatus.FAILED, now=NOW, failure=failure)
        trial.params.clear()
        for seen in (result, ended.result):
            seen.best.trial.params.clear()
        for told in (failure, ended.failure):
            told.metadata.clear()
        jobs.events("opt_1", 1)[0].event.params.clear()
        stored = jobs.get(JobKind.OPTIMIZATION, "opt_1")
        assert stored.result.best == make_best()
        assert stored.failure == make_failure()
        assert jobs.events("opt_1", 1)[0].event == make_trial()

    @pytest.mark.parametrize("limit", [1, 2, 3, 9])
    def test_pages_of_jobs(self, jobs: JobStore, limit: int) -> None:
        """Pages show every job of the kind once, newest first; of one moment the greater id first."""
        rows = [make_job(f"bt_{n}", created_at=at(n // 3)) for n in range(8)]
        for row in rows[::2] + rows[1::2]:
            jobs.add(row)
        jobs.add(make_optimization(created_at=at(1)))
        assert read_all(lambda page: jobs.page(page, BACKTESTS), limit=limit) == rows[::-1]

    def test_filters(self, jobs: JobStore) -> None:
        """Each part of the filter narrows; together they narrow together."""
        for number, (strategy_id, symbol) in enumerate(
            itertools.product(("ma_cross_v1.0", "grid_v1.2"), ("BTC/USDT", "ETH/USDT")), start=1
        ):
            scenario = make_scenario(strategy_id=strategy_id, symbol=symbol)
            for kind, make in (("bt", make_job), ("opt", make_optimization)):
                job = make(f"{kind}_{number}", created_at=at(number))
                jobs.add(replace(job, spec=replace(job.spec, scenario=scenario)))
        jobs.finish("bt_1", JobStatus.CANCELLED, now=NOW)

        def found(kind: JobKind, **wanted: object) -> list[str]:
            return [job.id for job in jobs.page(EVERYTHING, JobFilter(kind=kind, **wanted))]

        backtest, search = JobKind.BACKTEST, JobKind.OPTIMIZATION
        assert found(search) == ["opt_4", "opt_3", "opt_2", "opt_1"]
        assert found(backtest, strategy_id="grid_v1.2") == ["bt_4", "bt_3"]
        assert found(backtest, symbol="BTC/USDT") == ["bt_3", "bt_1"]
        assert found(backtest, status=JobStatus.CANCELLED) == ["bt_1"]
        assert found(backtest, symbol="BTC/USDT", status=JobStatus.PENDING) == ["bt_3"]
        assert found(search, strategy_id="ma_cross_v1.0", symbol="ETH/USDT") == ["opt_2"]
        assert found(search, status=JobStatus.CANCELLED) == []

    def test_queue(self, jobs: JobStore) -> None:
        """The jobs that have not ended, oldest first whatever their kind and status; of one moment by id."""
        for number, make in ((3, make_optimization), (1, make_job), (2, make_job), (0, make_job)):
            jobs.add(make(f"job_{number}", created_at=at(number // 2)))
        for second in (5, 6):
            claim(jobs, seconds=second)
        jobs.release("job_1", 1)
        jobs.finish("job_2", JobStatus.CANCELLED, now=at(8))
        assert [(row.id, row.kind, row.status, row.started_at) for row in jobs.queue()] == [
            ("job_0", JobKind.BACKTEST, JobStatus.RUNNING, at(5)),
            ("job_1", JobKind.BACKTEST, JobStatus.PENDING, at(6)),
            ("job_3", JobKind.OPTIMIZATION, JobStatus.PENDING, None),
        ]

    def test_claim(self, jobs: JobStore) -> None:
        """A claimed job runs, in its next attempt, since the moment it was claimed, and says so."""
        jobs.add(make_job())
        job = claim(jobs, seconds=3.000001)
        assert job == make_job(status=JobStatus.RUNNING, attempt=1, last_sequence=1, started_at=at(3.000001))
        assert jobs.get(job.kind, job.id) == job
        assert [(event.sequence, event.event) for event in jobs.events(job.id, 0)] == [(1, StatusChanged())]
        assert claim(jobs) is None

    def test_claim_order(self, jobs: JobStore) -> None:
        """The oldest waiting job of either kind comes first; of one moment the smaller id."""
        jobs.add(make_job("bt_3", created_at=at(2)))
        jobs.add(make_optimization("opt_2", created_at=at(1)))
        jobs.add(make_job("bt_2", created_at=at(2)))
        jobs.add(make_job("bt_0", created_at=at(0)))
        jobs.add(make_optimization("opt_1", created_at=at(1)))
        jobs.finish("bt_0", JobStatus.CANCELLED, now=at(3))
        claimed = [claim(jobs).id for _ in range(4)]
        assert claimed == ["opt_1", "opt_2", "bt_2", "bt_3"]
        assert claim(jobs) is None

    def test_claimed_at_once(self, storage: Storage, jobs: JobStore) -> None:
        """Of several threads that claim, no two get the same job and none is left."""
        names = {f"bt_{n:02}" for n in range(20)}
        for name in names:
            jobs.add(make_job(name))

        def claim_all() -> list[str]:
            return [job.id for job in iter(lambda: claim(jobs), None)]

        claimed = at_once(*[claim_all] * 4, leave=storage.close)
        assert sorted(itertools.chain(*claimed)) == sorted(names)

    def test_lapse(self, jobs: JobStore) -> None:
        """A lease lapses when its end has passed, not at it."""
        jobs.add(make_job())
        job = claim(jobs, lease=15)
        assert jobs.lapsed(at(15)) == []
        assert jobs.lapsed(at(15.000001)) == [job]

    def test_renew(self, jobs: JobStore) -> None:
        """A renewal prolongs every lease of its owner and no other."""
        for name in ("bt_1", "bt_2", "bt_3"):
            jobs.add(make_job(name))
        for owner in ("a", "a", "b"):
            claim(jobs, owner)
        jobs.renew("a", lease_until=at(100))
        jobs.renew("nobody", lease_until=at(100))
        assert [job.id for job in jobs.lapsed(at(16))] == ["bt_3"]
        assert {job.id for job in jobs.lapsed(at(101))} == {"bt_1", "bt_2", "bt_3"}

    @pytest.mark.parametrize("end", [released, cancelled, finished, never_claimed])
    def test_no_lease_nothing_lapses(self, jobs: JobStore, end: Callable[[JobStore], None]) -> None:
        """A job that does not run never lapses, even if the one who ran it renews."""
        jobs.add(make_job())
        end(jobs)
        jobs.renew("server", lease_until=at(10))
        assert jobs.lapsed(at(1_000)) == []

    def test_release(self, jobs: JobStore) -> None:
        """A released job waits again with what it has; its next attempt counts on."""
        jobs.add(make_optimization())
        claim(jobs)
        result = OptimizationResult(best=make_best())
        jobs.record("opt_1", 1, progress=make_progress(), result=result, announce=False)
        jobs.release("opt_1", 1)
        waiting = jobs.get(JobKind.OPTIMIZATION, "opt_1")
        assert (waiting.status, waiting.attempt) == (JobStatus.PENDING, 1)
        assert (waiting.progress, waiting.result) == (make_progress(), result)
        assert [event.event for event in jobs.events("opt_1", 0)] == [StatusChanged()] * 2
        again = claim(jobs, "another", seconds=60)
        assert (again.attempt, again.started_at, again.last_sequence) == (2, at(60), 3)
        assert (again.progress, again.result) == (make_progress(), result)

    @pytest.mark.parametrize("write", WRITES)
    @pytest.mark.parametrize("state", [never_claimed, claimed_anew, released, cancelled, finished])
    def test_fencing(self, jobs: JobStore, state: Callable[[JobStore], None], write: str) -> None:
        """A process whose attempt is over is told LeaseLost whatever it writes, and changes nothing."""
        jobs.add(make_job())
        state(jobs)
        before = (jobs.get(JobKind.BACKTEST, "bt_1"), jobs.events("bt_1", 0), jobs.lapsed(at(100)))
        for attempt in {0, 1, 2, 3} - ({2} if state is claimed_anew else set()):
            with pytest.raises(LeaseLost):
                WRITES[write](jobs, "bt_1", attempt)
        assert (jobs.get(JobKind.BACKTEST, "bt_1"), jobs.events("bt_1", 0), jobs.lapsed(at(100))) == before

    @pytest.mark.parametrize("write", WRITES)
    def test_fencing_lets_the_owner_write(self, jobs: JobStore, write: str) -> None:
        """The process of the newest attempt may write."""
        jobs.add(make_job())
        claimed_anew(jobs)
        WRITES[write](jobs, "bt_1", 2)
        assert jobs.get(JobKind.BACKTEST, "bt_1").last_sequence == 4

    @pytest.mark.parametrize("write", WRITES)
    def test_unknown_job(self, jobs: JobStore, write: str) -> None:
        """Nobody has the lease of a job that is not there."""
        with pytest.raises(LeaseLost):
            WRITES[write](jobs, "unknown", 1)
        with pytest.raises(LeaseLost):
            jobs.finish("unknown", JobStatus.CANCELLED, now=NOW)

    def test_lapsed_lease_still_writes(self, jobs: JobStore) -> None:
        """A lapsed lease that nobody has taken up is still its owner's."""
        jobs.add(make_job())
        claim(jobs, lease=1)
        jobs.record("bt_1", 1, progress=make_progress())
        jobs.renew("server", lease_until=at(100))
        assert jobs.lapsed(at(50)) == []

    def test_progress_is_overwritten(self, jobs: JobStore) -> None:
        """Of announced progress only the newest is an event; every improvement stays one."""
        jobs.add(make_optimization())
        claim(jobs)
        trials = [make_trial(number) for number in range(3)]
        steps = [make_progress(done=number) for number in range(3)]
        for trial, step in zip(trials, steps, strict=True):
            jobs.record("opt_1", 1, progress=step, improvements=[trial])
        events = jobs.events("opt_1", 0)
        assert [event.event for event in events] == [StatusChanged(), *trials, steps[-1]]
        assert [event.sequence for event in events] == [1, 2, 4, 6, 7]
        assert jobs.get(JobKind.OPTIMIZATION, "opt_1").last_sequence == 7

    def test_silent_progress(self, jobs: JobStore) -> None:
        """Progress that is not announced is stored with the job and is no event."""
        jobs.add(make_job())
        claim(jobs)
        jobs.record("bt_1", 1, progress=make_progress(done=1))
        jobs.record("bt_1", 1, progress=make_progress(done=2), announce=False)
        assert jobs.get(JobKind.BACKTEST, "bt_1").progress == make_progress(done=2)
        assert [event.event for event in jobs.events("bt_1", 1)] == [make_progress(done=1)]
        jobs.record("bt_1", 1, progress=make_progress(done=3), improvements=[make_trial()], announce=False)
        assert [event.event for event in jobs.events("bt_1", 1)] == [make_progress(done=1), make_trial()]

    def test_sequence_rises(self, jobs: JobStore) -> None:
        """Over a whole life sequences rise strictly, end at last_sequence and do not return."""
        jobs.add(make_job())
        seen: list[int] = []
        for step in (
            lambda: claim(jobs),
            lambda: jobs.record("bt_1", 1, progress=make_progress(done=1)),
            lambda: jobs.record("bt_1", 1, progress=make_progress(done=2), improvements=[make_trial()]),
            lambda: jobs.release("bt_1", 1),
            lambda: claim(jobs),
            lambda: jobs.record("bt_1", 2, progress=make_progress(done=3)),
            lambda: jobs.finish("bt_1", JobStatus.SUCCEEDED, now=at(9), attempt=2),
        ):
            step()
            fresh = [event.sequence for event in jobs.events("bt_1", seen[-1] if seen else 0)]
            assert fresh
            assert fresh[-1] == jobs.get(JobKind.BACKTEST, "bt_1").last_sequence
            seen += fresh
        assert seen == sorted(set(seen))

    def test_events_after(self, jobs: JobStore) -> None:
        """Only events behind the sequence are returned, and only the job's own."""
        for name in ("bt_1", "bt_2"):
            jobs.add(make_job(name))
            claim(jobs)
        jobs.finish("bt_1", JobStatus.SUCCEEDED, now=at(1))
        assert [event.sequence for event in jobs.events("bt_1", 0)] == [1, 2]
        assert [event.sequence for event in jobs.events("bt_1", 1)] == [2]
        assert jobs.events("bt_1", 2) == []
        assert [event.sequence for event in jobs.events("bt_2", 0)] == [1]
        assert jobs.events("unknown", 0) == []

    def test_result_is_kept(self, jobs: JobStore) -> None:
        """A result of None leaves the stored one, in a record and in the end."""
        jobs.add(make_optimization())
        claim(jobs)
        result = OptimizationResult(best=make_best(), warnings=("thin",))
        jobs.record("opt_1", 1, progress=make_progress(), result=result)
        jobs.record("opt_1", 1, progress=make_progress(done=4))
        assert jobs.get(JobKind.OPTIMIZATION, "opt_1").result == result
        assert jobs.finish("opt_1", JobStatus.CANCELLED, now=at(1)).result == result

    @pytest.mark.parametrize(
        ("job", "result"),
        [
            (make_job(), BacktestResult(metrics=make_metrics(sharpe_ratio=None))),
            (make_job(), make_backtest_result()),
            (
                make_optimization(),
                OptimizationResult(
                    best=make_best(out_of_sample=None), stop_reason=StopReason.EXHAUSTED, warnings=("a", "b")
                ),
            ),
            (make_optimization(), OptimizationResult()),
        ],
    )
    def test_finish(self, jobs: JobStore, job: Job, result: object) -> None:
        """A finished job has its status, end and result; the call returns it as it is stored."""
        jobs.add(job)
        running = claim(jobs)
        ended = jobs.finish(job.id, JobStatus.SUCCEEDED, now=at(1.5), attempt=1, result=result)
        expected = replace(
            running, status=JobStatus.SUCCEEDED, completed_at=at(1.5), result=result, last_sequence=2
        )
        assert exact(ended) == exact(expected) == exact(jobs.get(job.kind, job.id))
        assert jobs.events(job.id, 1)[0].event == StatusChanged()

    @exactly
    @given(result=backtest_results)
    def test_result_exactly(self, jobs: JobStore, result) -> None:
        """What a backtest found keeps every bit, its bracket and why it did not trade included."""
        job = make_job(f"bt_{next(ids)}")
        jobs.add(job)
        claim(jobs)
        jobs.finish(job.id, JobStatus.SUCCEEDED, now=at(1), attempt=1, result=result)
        assert exact(jobs.get(JobKind.BACKTEST, job.id).result) == exact(result)

    @pytest.mark.parametrize("status", [JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED])
    def test_finished_once(self, jobs: JobStore, status: JobStatus) -> None:
        """A job is finished once: later ends raise LeaseLost and leave the first."""
        jobs.add(make_job())
        claim(jobs)
        ended = jobs.finish("bt_1", status, now=at(1))
        for late in JobStatus.CANCELLED, JobStatus.FAILED:
            with pytest.raises(LeaseLost):
                jobs.finish("bt_1", late, now=at(2), failure=make_failure())
        assert jobs.get(JobKind.BACKTEST, "bt_1") == ended
        assert claim(jobs) is None

    def test_finish_waiting(self, jobs: JobStore) -> None:
        """A job that waits can be ended by a caller without an attempt."""
        jobs.add(make_job())
        ended = jobs.finish("bt_1", JobStatus.CANCELLED, now=at(1))
        assert (ended.status, ended.started_at, ended.completed_at) == (JobStatus.CANCELLED, None, at(1))

    def test_ended_once_by_many(self, storage: Storage, jobs: JobStore) -> None:
        """Of several threads that end a job at once, one does and each other is told LeaseLost."""

        def end(job_id: str) -> bool:
            try:
                jobs.finish(job_id, JobStatus.CANCELLED, now=at(1))
            except LeaseLost:
                return False
            return True

        for number in range(5):
            job_id = f"bt_{number}"
            jobs.add(make_job(job_id))
            ended = at_once(*[partial(end, job_id)] * 4, leave=storage.close)
            assert sorted(ended) == [False, False, False, True]
            assert len(jobs.events(job_id, 0)) == 1
