"""Telling how long a job that was accepted will take, its wait included."""

import math
from collections.abc import Callable
from datetime import datetime
from threading import Lock

from stratopt_server.domain.clock import Clock
from stratopt_server.domain.jobs import Job, JobKind, JobStatus, QueuedJob
from stratopt_server.domain.paging import Page
from stratopt_server.domain.ports import JobFilter, JobStore
from stratopt_server.domain.runs import Algorithm, OptimizationSpec
from stratopt_server.domain.speeds import Speeds
from stratopt_server.domain.validation import Validation
from stratopt_server.strategies.catalog import Catalog
from stratopt_server.usecases.estimates import SEEN_MAX, Model, Size, left, waiting

SECONDS_MAX = 2**31 - 1
"""The longest estimate there is: 68 years."""
PROPOSING_SECONDS = {Algorithm.BAYESIAN: 0.04, Algorithm.TPE: 0.02}
"""Of each trial, beyond what every algorithm takes; measured by `make bench ONLY=searchers`."""


class Estimating:
    """Knows the model, and what it must be told of the queue."""

    def __init__(
        self,
        jobs: JobStore,
        clock: Clock,
        catalog: Catalog,
        *,
        ready_in: Callable[[JobKind], float],
        running_max: int,
    ) -> None:
        """`ready_in` tells in how many seconds processes can be started for jobs of a kind; 0 is now."""
        self._jobs = jobs
        self._clock = clock
        self._catalog = catalog
        self._ready_in = ready_in
        self._running_max = running_max
        self._model = Model()
        self._changing = Lock()  # templates report on one thread, jobs on another
        self._sizes: dict[str, Size] = {}  # of the jobs that have not ended, by id

    def calibrate(self, speeds: Speeds) -> None:
        """Take what a template has measured."""
        with self._changing:
            self._model = self._model.calibrated(speeds)

    def remember(self) -> None:
        """Learn from the newest jobs of every kind that succeeded before this server started."""
        for kind in JobKind:
            wanted = JobFilter(kind=kind, status=JobStatus.SUCCEEDED)
            for job in reversed(self._jobs.page(Page(SEEN_MAX), wanted)):
                self._learn(job)

    def learn(self, job: Job) -> None:
        """Learn from a job whose attempt has ended, if it succeeded."""
        ended = self._jobs.get(job.kind, job.id)
        if ended is not None and ended.status is JobStatus.SUCCEEDED:
            self._learn(ended)

    def _learn(self, job: Job) -> None:
        """A later attempt does not run what an earlier one has stored: it tells nothing."""
        if job.attempt != 1 or job.started_at is None or job.completed_at is None:
            return
        seconds = (job.completed_at - job.started_at).total_seconds()
        with self._changing:
            self._model = self._model.learned(self._size(job), seconds)

    def set_seconds(self, kernel: str, bars: int) -> float:
        """How long the kernel takes for one parameter set on so many bars."""
        return self._model.set_seconds(kernel, bars)

    def seconds(self, job: Job) -> int:
        """Whole seconds from now until the job should be done, at least 1."""
        now, model, queue = self._clock.now(), self._model, self._jobs.queue()
        known = {job.id: self._size(job), **self._sizes}
        self._sizes = {row.id: known.get(row.id) or self._stored_size(row) for row in queue}
        place = next((number for number, row in enumerate(queue) if row.id == job.id), None)
        if place is None:
            return 1  # it has ended
        own = queue[place]
        if own.status is JobStatus.RUNNING:
            return _whole(self._left(model, own, now))
        return _whole(self._wait(model, queue, place, now) + model.seconds(self._sizes[own.id]))

    def _wait(self, model: Model, queue: list[QueuedJob], place: int, now: datetime) -> float:
        """Seconds until the pending job at that place of the queue begins.

        A job whose own template takes longer to load lets those behind it pass, so it is not ahead.
        """
        ready_in = {kind: self._ready_in(kind) for kind in JobKind}
        own = ready_in[queue[place].kind]
        return waiting(
            [self._left(model, row, now) for row in queue if row.status is JobStatus.RUNNING],
            [
                (ready_in[row.kind], model.seconds(self._sizes[row.id]))
                for row in queue[:place]
                if row.status is JobStatus.PENDING and ready_in[row.kind] <= own
            ],
            places=self._running_max,
            ready_in=own,
        )

    def _left(self, model: Model, row: QueuedJob, now: datetime) -> float:
        began = now if row.started_at is None else row.started_at
        return left(model.seconds(self._sizes[row.id]), max((now - began).total_seconds(), 0.0))

    def _stored_size(self, row: QueuedJob) -> Size:
        job = self._jobs.get(row.kind, row.id)
        assert job is not None, "jobs are never removed"
        return self._size(job)

    def _size(self, job: Job) -> Size:
        spec = job.spec
        contract = self._catalog.contract(spec.scenario.code_hash)
        kernel = "" if contract is None else contract.kernel
        bars = spec.scenario.bar_count
        if isinstance(spec, OptimizationSpec):
            seen = round(bars * seen_share(spec.validation))
            return Size(
                kind=job.kind,
                kernel=kernel,
                bars=seen,
                sets=job.progress.total,
                proposing=PROPOSING_SECONDS.get(spec.algorithm, 0.0),
            )
        return Size(kind=job.kind, kernel=kernel, bars=bars, sets=1)


def seen_share(validation: Validation) -> float:
    """Share of the bars that a trial of the search runs on, on average."""
    if validation.held_out is not None:
        return 1 - validation.holdout
    windows = len(validation.windows)
    if not windows:
        return 1.0
    # Windows tile the second half: anchored ones see from a half of the bars to nearly all of them.
    each = 0.5 if validation.rolling else 0.75 - 0.25 / windows
    return (1 + windows * each) / (1 + windows)


def _whole(seconds: float) -> int:
    return math.ceil(min(max(seconds, 1), SECONDS_MAX))
