"""How long jobs are said to take: the model, the wait, and what is learned from jobs that finished."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime

import pytest
from domain_samples import (
    NOW,
    at,
    make_holdout,
    make_job,
    make_optimization,
    make_scenario,
    make_split,
    make_strategy,
    make_walk_forward,
)
from hypothesis import given
from hypothesis import strategies as st

from stratopt_server.domain.jobs import Job, JobKind, JobStatus, Progress
from stratopt_server.domain.speeds import Speeds
from stratopt_server.domain.validation import Validation, ValidationMethod
from stratopt_server.storage.memory import MemoryStorage
from stratopt_server.strategies.catalog import BUILTINS, Catalog
from stratopt_server.usecases.estimates import (
    CORRECTION_MAX,
    CORRECTION_MIN,
    DEFAULT_SPEEDS,
    JOB_SECONDS,
    SEEN_MAX,
    SET_SECONDS,
    Model,
    Size,
    left,
    waiting,
)
from stratopt_server.usecases.estimating import SECONDS_MAX, Estimating, seen_share
from stratopt_server.validation.splits import walk_forward

UNTESTED = Validation(method=ValidationMethod.NONE)
MA_CROSS = next(builtin for builtin in BUILTINS if builtin.contract.kernel == "ma_cross")
CODE_HASH = make_strategy(code=MA_CROSS.code).code_hash
SPEEDS = Speeds(sweep={"ma_cross": 1e-6, "grid": 1e-5}, report={"ma_cross": 1e-4, "grid": 1e-3})


def backtest(bars: int, kernel: str = "ma_cross") -> Size:
    """A backtest of so many bars."""
    return Size(kind=JobKind.BACKTEST, kernel=kernel, bars=bars, sets=1)


def search(bars: int, sets: int, kernel: str = "ma_cross") -> Size:
    """A search of so many sets over so many bars."""
    return Size(kind=JobKind.OPTIMIZATION, kernel=kernel, bars=bars, sets=sets)


sizes = st.builds(
    Size,
    kind=st.sampled_from(JobKind),
    kernel=st.sampled_from(["ma_cross", "grid", "macd", ""]),
    bars=st.integers(0, 10**8),
    sets=st.integers(1, 10**6),
)
speeds = st.dictionaries(st.sampled_from(["ma_cross", "grid"]), st.floats(1e-12, 1.0))
models = st.lists(st.tuples(sizes, st.floats(0, 1e6)), max_size=5).flatmap(
    lambda seen: st.builds(lambda sweep, report: taught(sweep, report, seen), speeds, speeds)
)
durations = st.floats(0, 1e6)


def taught(sweep: dict[str, float], report: dict[str, float], seen: list[tuple[Size, float]]) -> Model:
    """A model that was calibrated and has seen jobs."""
    model = Model().calibrated(Speeds(sweep=sweep, report=report))
    for size, seconds in seen:
        model = model.learned(size, seconds)
    return model


def test_backtest_in_numbers() -> None:
    """A backtest takes a fixed part and a part for each bar; of unknown bars the fixed part is left."""
    model = Model().calibrated(SPEEDS)
    assert model.seconds(backtest(10_000)) == pytest.approx(JOB_SECONDS + 1.0)
    assert model.seconds(backtest(10_000, "grid")) == pytest.approx(JOB_SECONDS + 10.0)
    assert model.seconds(backtest(0)) == JOB_SECONDS


def test_search_in_numbers() -> None:
    """A search takes a fixed part, and of each set a fixed part and a part for each bar."""
    model = Model().calibrated(SPEEDS)
    assert model.seconds(search(10_000, 100)) == pytest.approx(JOB_SECONDS + 100 * SET_SECONDS + 1.0)
    assert model.seconds(search(0, 100)) == pytest.approx(JOB_SECONDS + 100 * SET_SECONDS)


def test_kernel_that_was_not_measured() -> None:
    """It is taken to be like the slowest one that was."""
    model = Model().calibrated(SPEEDS)
    assert model.seconds(search(500, 20, "macd")) == model.seconds(search(500, 20, "grid"))


def test_each_template_measures_its_own() -> None:
    """Figures replace those of the same job only; before the first ones, defaults are believed."""
    assert Model().speeds == DEFAULT_SPEEDS
    half = Model().calibrated(Speeds(report={"ma_cross": 1e-4}))
    assert half.speeds == Speeds(report={"ma_cross": 1e-4}, sweep=DEFAULT_SPEEDS.sweep)
    assert half.calibrated(Speeds(sweep=SPEEDS.sweep)).speeds.sweep == SPEEDS.sweep


def test_correction_is_the_median() -> None:
    """Jobs that took 2, 3 and 50 times what was predicted make the next of their kind take 3 times that."""
    model = Model()
    plain = model.seconds(backtest(1_000)), model.seconds(search(1_000, 10))
    for factor in (50, 2, 3):
        model = model.learned(backtest(500), factor * Model().seconds(backtest(500)))
    assert model.seconds(backtest(1_000)) == pytest.approx(3 * plain[0])
    assert model.seconds(search(1_000, 10)) == plain[1]


def test_correction_of_the_same_kernel_first() -> None:
    """Another kernel's jobs speak for one that has not run yet, and for no other."""
    model = Model().learned(backtest(500), 2 * Model().seconds(backtest(500)))
    assert model.seconds(backtest(500, "grid")) == pytest.approx(2 * Model().seconds(backtest(500, "grid")))
    model = model.learned(backtest(500, "grid"), 5 * Model().seconds(backtest(500, "grid")))
    assert model.seconds(backtest(500)) == pytest.approx(2 * Model().seconds(backtest(500)))
    assert model.seconds(backtest(500, "grid")) == pytest.approx(5 * Model().seconds(backtest(500, "grid")))


def test_correction_is_recomputed_when_a_template_measures() -> None:
    """What a job took is kept, not how wrong an earlier model was about it."""
    model = Model().learned(backtest(10_000), JOB_SECONDS + 1.0).calibrated(SPEEDS)
    assert model.seconds(backtest(20_000)) == pytest.approx(JOB_SECONDS + 2.0)


def test_only_the_newest_jobs_count() -> None:
    """Of each kind so many are kept; those of the other kind push none of them out."""
    model = Model().learned(search(100, 10), 1.0)
    for _ in range(SEEN_MAX):
        model = model.learned(backtest(500), 4 * Model().seconds(backtest(500)))
    for _ in range(SEEN_MAX):
        model = model.learned(backtest(500), Model().seconds(backtest(500)))
    assert len(model.seen) == SEEN_MAX + 1
    assert model.seconds(backtest(500)) == pytest.approx(Model().seconds(backtest(500)))


@pytest.mark.parametrize(("took", "factor"), [(0.0, CORRECTION_MIN), (1e9, CORRECTION_MAX)])
def test_correction_has_limits(took: float, factor: float) -> None:
    """A job that hung, or a clock that was put back, does not make the model say nonsense."""
    model = Model().learned(backtest(500), took)
    assert model.seconds(backtest(500)) == pytest.approx(factor * Model().seconds(backtest(500)))


def test_jobs_of_unknown_size_teach_nothing() -> None:
    """A job stored before its bars were counted may have been of any size."""
    assert Model().learned(backtest(0), 9.0) == Model()


@given(model=models, size=sizes, bars=st.integers(0, 10**8), sets=st.integers(0, 10**6))
def test_more_never_takes_less(model: Model, size: Size, bars: int, sets: int) -> None:
    """More bars or more sets never take fewer seconds, whatever was measured and learned."""
    more = replace(size, bars=size.bars + bars, sets=size.sets + sets)
    assert model.seconds(more) >= model.seconds(size) > 0


def test_wait_in_numbers() -> None:
    """Jobs go to the place that is free first; a template that loads holds back its own jobs only."""
    assert waiting([], [], places=2, ready_in=0) == 0
    assert waiting([5], [], places=2, ready_in=0) == 0
    assert waiting([5, 3], [], places=2, ready_in=0) == 3
    assert waiting([5, 3], [(0, 1)] * 3, places=2, ready_in=0) == 5
    assert waiting([5, 3], [(0, 10)], places=2, ready_in=0) == 5
    assert waiting([], [(0, 1)] * 20, places=2, ready_in=0) == 10
    assert waiting([3], [], places=1, ready_in=8) == 8
    assert waiting([9], [], places=1, ready_in=8) == 9
    assert waiting([3], [(8, 2)], places=1, ready_in=8) == 10
    assert waiting([1, 1, 1], [], places=2, ready_in=0) == 1


@given(
    running=st.lists(durations, max_size=6),
    pending=st.lists(st.tuples(durations, durations), max_size=6),
    another=st.tuples(durations, durations),
    places=st.integers(1, 4),
)
def test_another_job_ahead_never_shortens_the_wait(
    running: list[float], pending: list[tuple[float, float]], another: tuple[float, float], places: int
) -> None:
    """Wherever in the queue it stands."""
    plain = waiting(running, pending, places=places, ready_in=0)
    for place in range(len(pending) + 1):
        longer = [*pending[:place], another, *pending[place:]]
        assert waiting(running, longer, places=places, ready_in=0) >= plain
    assert waiting([*running, another[1]], pending, places=places, ready_in=0) >= plain


def test_left() -> None:
    """What is expected less what has passed; something overdue is given a tenth of its time more."""
    assert left(10, 4) == 6
    assert left(10, 9.5) == pytest.approx(0.95)
    assert left(10, 100) == 10


class Queue:
    """A queue over a store, with a clock and templates that stand where they are put."""

    def __init__(self, storage: MemoryStorage) -> None:
        self.storage = storage
        self.moment = NOW
        self.ready_in = dict.fromkeys(JobKind, 0.0)
        self.estimating = self.started_server()

    def now(self) -> datetime:
        """The moment it was put to."""
        return self.moment

    def started_server(self) -> Estimating:
        """The estimates of a server that has just started."""
        estimating = Estimating(
            self.storage.jobs, self, Catalog(()), ready_in=lambda kind: self.ready_in[kind], running_max=2
        )
        estimating.calibrate(SPEEDS)
        return estimating

    def add(self, number: int, bars: int, *, sets: int = 0) -> Job:
        """Accept a job: a search if it has sets, else a backtest; of MA cross, and of no holdout."""
        scenario = make_scenario(code_hash=CODE_HASH, bar_count=bars)
        made = make_optimization if sets else make_job
        job = made(f"job_{number:03}", created_at=at(number), progress=Progress(done=0, total=sets or 3))
        spec = replace(job.spec, scenario=scenario, **({"validation": UNTESTED} if sets else {}))
        job = replace(job, spec=spec)
        self.storage.jobs.add(job)
        return job

    def claim(self) -> None:
        """Let the oldest job begin now."""
        self.storage.jobs.claim("server", now=self.moment, lease_until=self.moment)

    def finish(self, job: Job, seconds: float, *, attempt: int = 1) -> None:
        """Let the oldest job begin, which must be this one, and succeed after so many seconds."""
        self.claim()
        for number in range(1, attempt):
            self.storage.jobs.release(job.id, number)
            self.claim()
        self.moment = at((self.moment - NOW).total_seconds() + seconds)
        self.storage.jobs.finish(job.id, JobStatus.SUCCEEDED, now=self.moment)


@pytest.fixture
def queue() -> Iterator[Queue]:
    """An empty queue of a server with two places."""
    with closing(MemoryStorage()) as storage:
        storage.strategies.add(make_strategy())
        yield Queue(storage)


def test_estimate_is_whole_seconds(queue: Queue) -> None:
    """Rounded up, at least 1, and never more than the wire holds."""
    assert queue.estimating.seconds(queue.add(1, 0)) == 1
    assert queue.estimating.seconds(queue.add(2, 10_000)) == 2
    assert queue.estimating.seconds(queue.add(3, 10_000, sets=1_000)) == 11
    assert queue.estimating.seconds(queue.add(4, 10**15, sets=10**15)) == SECONDS_MAX


def test_search_runs_on_the_bars_it_sees(queue: Queue) -> None:
    """Held-out bars are run once, which is nothing; rolling windows see half of the bars."""
    job = queue.add(1, 10_000, sets=1_000)
    held_out = replace(make_holdout(), holdout=0.5)
    told = []
    for number, validation in enumerate((held_out, make_walk_forward()), start=2):
        other = replace(job, id=f"job_{number:03}", spec=replace(job.spec, validation=validation))
        queue.storage.jobs.add(other)
        told.append(queue.estimating.seconds(other))
        queue.storage.jobs.finish(other.id, JobStatus.CANCELLED, now=NOW)
    assert told == [6, 7]


@pytest.mark.parametrize("rolling", [False, True])
@pytest.mark.parametrize("windows", [2, 5, 50])
def test_share_of_bars_that_windows_see(windows: int, *, rolling: bool) -> None:
    """It is what the windows' own numbers come to."""
    cuts = walk_forward(100_000, windows, purge=0, rolling=rolling)
    seen = [cut.train_stop - cut.train_first for cut in cuts] + [100_000]
    validation = replace(make_walk_forward(), rolling=rolling, splits=(make_split(),) * windows)
    assert seen_share(validation) == pytest.approx(sum(seen) / len(seen) / 100_000, rel=1e-3)


def test_estimate_grows_with_the_queue(queue: Queue) -> None:
    """Jobs accepted before are waited for, two at a time; those accepted later are not."""
    told = [queue.estimating.seconds(queue.add(number, 100_000)) for number in range(5)]
    assert told == [11, 11, 21, 21, 31]
    first = queue.storage.jobs.get(JobKind.BACKTEST, "job_000")
    assert queue.estimating.seconds(first) == 11


def test_estimate_falls_as_time_passes(queue: Queue) -> None:
    """A running job counts with what is left of it; one that has ended takes no time any more."""
    first, second = queue.add(1, 100_000), queue.add(2, 100_000)
    third = queue.add(3, 100_000)
    for _ in range(2):
        queue.claim()
    queue.moment = at(8)
    assert queue.estimating.seconds(first) == 3
    assert queue.estimating.seconds(third) == 13
    queue.storage.jobs.finish(second.id, JobStatus.CANCELLED, now=queue.moment)
    assert queue.estimating.seconds(third) == 11
    assert queue.estimating.seconds(second) == 1


def test_estimate_knows_that_a_template_loads(queue: Queue) -> None:
    """A backtest waits for its template, and the searches accepted after it do not wait for the backtest."""
    queue.ready_in[JobKind.BACKTEST] = 7.0
    assert queue.estimating.seconds(queue.add(1, 100_000)) == 18
    assert queue.estimating.seconds(queue.add(2, 100_000)) == 18
    assert queue.estimating.seconds(queue.add(3, 10_000, sets=1_000)) == 11
    assert queue.estimating.seconds(queue.add(4, 100_000)) == 28


def test_restart_does_not_forget(queue: Queue) -> None:
    """A server that starts knows what the jobs of the one before it took, and the queue it left."""
    slow = queue.add(1, 100_000)
    queue.finish(slow, 3 * (JOB_SECONDS + 10.0))
    queue.estimating.learn(slow)
    waiting_job = queue.add(2, 100_000)
    assert queue.estimating.seconds(waiting_job) == 31
    started = queue.started_server()
    assert started.seconds(waiting_job) == 11
    started.remember()
    assert started.seconds(waiting_job) == 31
    assert started.seconds(queue.add(3, 100_000)) == 31
    assert started.seconds(queue.add(4, 100_000)) == 61


def test_only_whole_runs_that_succeeded_teach(queue: Queue) -> None:
    """A cancelled job took as long as its owner's patience, a second attempt only what the first had left."""
    cancelled = queue.add(1, 100_000)
    queue.claim()
    queue.storage.jobs.finish(cancelled.id, JobStatus.CANCELLED, now=at(99))
    resumed = queue.add(2, 100_000)
    queue.finish(resumed, 99.0, attempt=2)
    for job in (cancelled, resumed):
        queue.estimating.learn(job)
    queue.estimating.remember()
    assert queue.estimating.seconds(queue.add(3, 100_000)) == 11
