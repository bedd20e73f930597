"""What a search has stored, batch by batch, so that another process can go on behind it.

A batch is stored twice: proposed, with its candidates, and evaluated, with its trials and the progress they
make, each in one transaction. So nothing is evaluated that is not known of, and nothing is known twice.
"""

import time
from collections import defaultdict
from collections.abc import Sequence

from stratopt_server.domain.jobs import OptimizationResult, Progress
from stratopt_server.domain.ledger import LedgerKey, TrialDigests
from stratopt_server.domain.optimization import Batch, Trial
from stratopt_server.domain.runs import OptimizationSpec
from stratopt_server.engine.sweep import Measured
from stratopt_server.jobs.context import JobContext
from stratopt_server.optimizers.searcher import Candidate

ANNOUNCE_SECONDS = 0.25
"""Progress is announced at most this often; trials are stored with every batch."""


class Journal:
    """The batches of one optimization, those of earlier attempts among them."""

    def __init__(self, context: JobContext, spec: OptimizationSpec) -> None:
        """Read what is stored."""
        self._context = context
        self._job = context.job
        self._storage = context.storage
        self._total = spec.trials_max
        self._key = LedgerKey.of(spec.scenario)
        self._digests = TrialDigests(spec.scenario)
        self._batches: dict[int | None, list[Batch]] = defaultdict(list)
        stored = self._storage.trials.batches(self._job.id)
        for batch in stored:
            self._batches[batch.window].append(batch)
        self._proposed = len(stored)
        self._next_trial = sum(batch.count for batch in stored)
        self._evaluated_before = sum(batch.count for batch in stored if batch.candidates is None)
        self._evaluated = 0
        self._told = sum(batch.candidates is None for batch in stored)
        self._skipped = 0
        self._began = time.monotonic()
        self._announced = float("-inf")
        self.result = OptimizationResult()
        """What is shown of the search so far."""
        self.best_score: float | None = None
        self.stage = "searching"

    @property
    def seconds(self) -> float:
        """Since this attempt began."""
        return time.monotonic() - self._began

    @property
    def done(self) -> int:
        """Trials evaluated so far, by all searches of all attempts."""
        return self._evaluated_before + self._evaluated

    def stored(self, window: int | None) -> list[Batch]:
        """Batches that earlier attempts stored of the window's search."""
        return self._batches[window]

    def trials(self, batch: Batch) -> list[Trial]:
        """The trials of a batch that was evaluated."""
        return self._storage.trials.span(self._job.id, batch.first_trial, batch.count)

    def propose(self, window: int | None, candidates: Sequence[Candidate]) -> Batch:
        """Store a batch that is about to be evaluated; raises LeaseLost if the job is no longer ours."""
        batch = Batch(
            number=self._proposed,
            window=window,
            first_trial=self._next_trial,
            count=len(candidates),
            candidates=tuple(candidates),
        )
        with self._storage.transaction(alone=False):
            self._storage.jobs.hold(self._job.id, self._job.attempt)
            self._storage.trials.propose(self._job.id, batch)
        self._proposed += 1
        self._next_trial += batch.count
        return batch

    def evaluated(
        self, batch: Batch, trials: Sequence[Trial], measured: Measured, *, improvements: Sequence[Trial]
    ) -> None:
        """Store the trials of a batch with the progress they make; raises LeaseLost likewise."""
        self._evaluated += len(trials)
        self._told += 1
        moment = time.monotonic()
        announce = moment - self._announced >= ANNOUNCE_SECONDS
        with self._storage.transaction(alone=False):
            self._storage.jobs.record(
                self._job.id,
                self._job.attempt,
                progress=self.progress(),
                result=self.result,
                improvements=improvements,
                announce=announce,
            )
            self._storage.trials.evaluate(self._job.id, batch.number, trials, measured.blocks)
            self._storage.ledger.add(
                self._key,
                [
                    self._digests.measured(trial.params, blocks, daily)
                    for trial, blocks, daily in zip(trials, measured.blocks, measured.daily, strict=True)
                ],
            )
        if announce:
            self._announced = moment
        if announce or improvements:
            self._context.changed()

    def tell(self) -> None:
        """Announce the stage that begins; raises LeaseLost likewise."""
        self._storage.jobs.record(self._job.id, self._job.attempt, progress=self.progress())
        self._context.changed()

    def skip(self, trials: int) -> None:
        """Count trials that a search will not make, since it stopped early."""
        self._skipped += trials

    def progress(self) -> Progress:
        """How far the job has come."""
        seconds, total = self.seconds, self._total - self._skipped
        rate = self._evaluated / seconds if seconds > 0 and self._evaluated else None
        return Progress(
            done=self.done,
            total=total,
            rate=rate,
            eta_seconds=max(total - self.done, 0) / rate if rate else None,
            stage=self.stage,
            best_score=self.best_score,
            batch=self._told,
        )

    def trials_ever(self) -> int:
        """Distinct trials of this code on this market, of every job there was."""
        return self._storage.ledger.count(self._key)
