"""An optimization, inside its process: ask, evaluate, tell, store; then the held-out bars."""

import time
from collections.abc import Sequence

from stratopt_server.domain.jobs import JobStatus, OptimizationResult, Progress
from stratopt_server.domain.market import to_microseconds
from stratopt_server.domain.metrics import Metrics
from stratopt_server.domain.optimization import (
    BestTrial,
    StopReason,
    Trial,
    TrialStatus,
    is_better,
    judge,
)
from stratopt_server.domain.runs import OptimizationSpec
from stratopt_server.domain.space import SearchSpace
from stratopt_server.engine.sweep import Sweeper
from stratopt_server.jobs.channel import JobFailure
from stratopt_server.jobs.context import JobContext
from stratopt_server.optimizers import make_searcher
from stratopt_server.optimizers.searcher import Candidate

ANNOUNCE_SECONDS = 0.25
"""Progress is announced at most this often; trials are stored with every batch."""


def run_optimization(context: JobContext, spec: OptimizationSpec) -> None:
    """Search, look once at the held-out bars, and store the result with the final status."""
    Search(context, spec).run()


class Search:
    """One attempt at a search. Trials an earlier attempt stored are replayed, not made again."""

    def __init__(self, context: JobContext, spec: OptimizationSpec) -> None:
        self._context = context
        self._spec = spec
        self._bars = context.bars()
        self._split = len(self._bars)
        if spec.holdout_start_date is not None:
            self._split = int(self._bars.time.searchsorted(to_microseconds(spec.holdout_start_date)))
        space = SearchSpace.of(
            spec.param_ranges, fixed=spec.fixed_params, constraints=context.contract.constraints
        )
        self._searcher = make_searcher(spec.algorithm, space, seed=spec.seed)
        kernel, terms = context.contract.kernel, spec.scenario.terms
        self._in_sample = Sweeper(kernel, self._bars.slice(0, self._split), terms)
        self._total = context.job.progress.total
        self._done = 0
        self._evaluated = 0
        self._best: Trial | None = None
        self._usable = 0
        self._began = time.monotonic()
        self._announced = float("-inf")

    def run(self) -> None:
        """Search to the end and store what was found."""
        stop_reason = StopReason.MAX_ITERATIONS
        while self._done < self._spec.max_iterations:
            wanted = min(self._spec.batch_size, self._spec.max_iterations - self._done)
            candidates = self._searcher.ask(wanted)
            if candidates:
                self._searcher.tell(self._replayed(candidates) or self._made(candidates))
            if len(candidates) < wanted:
                stop_reason = StopReason.EXHAUSTED
                break
        self._finish(stop_reason)

    def _replayed(self, candidates: Sequence[Candidate]) -> list[Trial]:
        """Return the trials of an earlier attempt for these candidates, if it stored them."""
        trials = self._context.storage.trials.page(
            self._context.job.id, after=self._done - 1, limit=len(candidates)
        )
        if not trials:
            return []
        # A batch is stored whole or not at all, and the same seed proposes the same.
        if [trial.params for trial in trials] != list(candidates):
            raise JobFailure(
                "REPLAY_DIFFERS",
                "the search does not propose what it proposed before it was interrupted: start it again",
            )
        self._take(trials)
        return trials

    def _made(self, candidates: Sequence[Candidate]) -> list[Trial]:
        """Evaluate the candidates and store their trials with the progress they make."""
        figures = self._in_sample.evaluate(candidates)
        trials = [
            judge(number, params, metrics, target=self._spec.target, min_trades=self._spec.min_trades)
            for number, (params, metrics) in enumerate(
                zip(candidates, figures, strict=True), start=self._done
            )
        ]
        improvements = self._take(trials)
        self._evaluated += len(trials)
        storage, job = self._context.storage, self._context.job
        moment = time.monotonic()
        announce = moment - self._announced >= ANNOUNCE_SECONDS
        with storage.transaction():
            storage.jobs.record(
                job.id,
                job.attempt,
                progress=self._progress(moment),
                result=self._result(),
                improvements=improvements,
                announce=announce,
            )
            storage.trials.add(job.id, trials)
        if announce:
            self._announced = moment
        if announce or improvements:
            self._context.changed()
        return trials

    def _take(self, trials: Sequence[Trial]) -> list[Trial]:
        """Count the trials; return those that beat every one before them."""
        self._done += len(trials)
        improvements = []
        for trial in trials:
            self._usable += trial.status is TrialStatus.OK
            if is_better(trial, self._best, self._spec.target):
                self._best = trial
                improvements.append(trial)
        return improvements

    def _progress(self, moment: float, stage: str = "searching") -> Progress:
        seconds = moment - self._began
        rate = self._evaluated / seconds if seconds > 0 and self._evaluated else None
        eta = (self._total - self._done) / rate if rate else None
        return Progress(done=self._done, total=self._total, rate=rate, eta_seconds=eta, stage=stage)

    def _result(self) -> OptimizationResult:
        best = None if self._best is None else BestTrial(trial=self._best, out_of_sample=None)
        return OptimizationResult(best=best)

    def _finish(self, stop_reason: StopReason) -> None:
        best = None
        if self._best is not None:
            best = BestTrial(trial=self._best, out_of_sample=self._out_of_sample(self._best))
        result = OptimizationResult(best=best, stop_reason=stop_reason, warnings=self._warnings())
        storage, job = self._context.storage, self._context.job
        with storage.transaction():
            progress = self._progress(time.monotonic(), stage="done")
            storage.jobs.record(job.id, job.attempt, progress=progress)
            storage.jobs.finish(
                job.id,
                JobStatus.SUCCEEDED,
                now=self._context.clock.now(),
                attempt=job.attempt,
                result=result,
            )

    def _out_of_sample(self, best: Trial) -> Metrics | None:
        """Run the best trial once on the bars that the search did not see."""
        held_out = self._bars.slice(self._split, len(self._bars))
        if not len(held_out):
            return None
        sweeper = Sweeper(self._context.contract.kernel, held_out, self._spec.scenario.terms)
        return sweeper.evaluate([best.params])[0]

    def _warnings(self) -> tuple[str, ...]:
        least = self._spec.min_trades
        if self._best is None:
            lesson = "Widen the ranges or the dates, or lower min_trades."
            why = f"none made {least} round trips with a defined target"
            return (f"None of the {self._done} trials can be the best: {why}. {lesson}",)
        unusable = self._done - self._usable
        if unusable * 2 > self._done:
            why = f"fewer than {least} round trips, or no defined target"
            return (f"{unusable} of {self._done} trials could not be the best: {why}.",)
        return ()
