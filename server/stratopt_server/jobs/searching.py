"""One search on one stretch of bars: ask, evaluate, tell, store. Stored trials are told, not made again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stratopt_server.domain.goals import Goal
from stratopt_server.domain.optimization import Batch, StopReason, Trial, TrialStatus, is_better, judge
from stratopt_server.domain.runs import OptimizationSpec
from stratopt_server.domain.space import SearchSpace
from stratopt_server.engine.sweep import Sweeper
from stratopt_server.jobs.channel import JobFailure
from stratopt_server.jobs.journal import Journal
from stratopt_server.optimizers import make_searcher
from stratopt_server.optimizers.searcher import Candidate
from stratopt_server.optimizers.stopping import Stopping


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Which of a job's searches it is."""

    window: int | None
    """None for the search that finds the best."""
    sweeper: Sweeper
    deadline: float | None
    """Seconds of the attempt after which no batch is begun."""


class Search:
    """One of the searches of a job; the same spec, window and bars give the same trials."""

    def __init__(self, spec: OptimizationSpec, space: SearchSpace, journal: Journal, part: Part) -> None:
        self._spec = spec
        self._journal = journal
        self._part = part
        self._searcher = make_searcher(
            spec.algorithm,
            space,
            seed=child_seed(spec.seed, part.window),
            budget=spec.planned_iterations,
            initial=spec.initial_params,
        )
        target = spec.stop_rule.target_score
        self._stopping = Stopping(
            spec.stop_rule,
            budget=spec.max_iterations,
            target_loss=None if target is None else spec.goal.loss(target),
        )
        self._losses = Losses(spec.goal)
        self._done = 0
        self.best: Trial | None = None
        self.usable = 0
        """Trials that can be the best."""
        self.tried = Tried()

    @property
    def done(self) -> int:
        """Trials made so far."""
        return self._done

    def run(self, improved: Callable[[Trial], None]) -> StopReason:
        """Search to the end; `improved` is told each better trial before it is stored."""
        for batch in self._journal.stored(self._part.window):
            if batch.candidates is None:
                self._take(self._journal.trials(batch))
            else:
                self._check(batch)
                self._evaluate(batch, batch.candidates, improved)
        while True:
            reason = self._stopping.reason() or self._late()
            if reason is not None:
                return reason
            wanted = min(self._spec.batch_size, self._spec.max_iterations - self._done)
            candidates = self._searcher.ask(wanted)
            if not candidates:
                return StopReason.EXHAUSTED
            batch = self._journal.propose(self._part.window, candidates)
            self._evaluate(batch, candidates, improved)

    def _late(self) -> StopReason | None:
        deadline = self._part.deadline
        late = deadline is not None and self._journal.seconds >= deadline and self._done > 0
        return StopReason.TIME_BUDGET if late else None

    def _check(self, batch: Batch) -> None:
        """Make sure that the search proposes what it proposed before it was interrupted."""
        if self._searcher.ask(batch.count) != list(batch.candidates or ()):
            raise JobFailure(
                "REPLAY_DIFFERS",
                "the search does not propose what it proposed before it was interrupted: start it again",
            )

    def _evaluate(
        self, batch: Batch, candidates: Sequence[Candidate], improved: Callable[[Trial], None]
    ) -> None:
        """Run the candidates and store what came of them."""
        measured = self._part.sweeper.measure(candidates)
        spec = self._spec
        trials = [
            judge(
                number,
                dict(params),
                metrics,
                goal=spec.goal,
                min_trades=spec.min_trades,
                window=self._part.window,
            )
            for number, (params, metrics) in enumerate(
                zip(candidates, measured.metrics, strict=True), start=batch.first_trial
            )
        ]
        improvements = self._take(trials)
        for trial in improvements:
            improved(trial)
        shown = improvements if self._part.window is None else []
        self._journal.evaluated(batch, trials, measured, improvements=shown)

    def _take(self, trials: Sequence[Trial]) -> list[Trial]:
        """Tell the searcher; return the trials that beat every one before them."""
        losses = self._losses.of(trials)
        self._searcher.tell([trial.params for trial in trials], losses)
        self._done += len(trials)
        self.tried.add(trials, losses)
        improvements = []
        for trial in trials:
            self.usable += trial.status is TrialStatus.OK
            if is_better(trial, self.best, self._spec.goal):
                self.best = trial
                improvements.append(trial)
        best = None if self.best is None or self.best.score is None else self.best.score
        self._stopping.tell(self._done, None if best is None else self._spec.goal.loss(best))
        return improvements


class Losses:
    """Trials as numbers for a searcher: one that cannot be the best is as bad as the worst that can."""

    def __init__(self, goal: Goal) -> None:
        self._goal = goal
        self._worst = np.full(goal.dimensions, -np.inf)

    def of(self, trials: Sequence[Trial]) -> NDArray[np.float64]:
        """Losses of the trials, shape (trials, objectives): finite, smaller being better."""
        rows = np.array([self._row(trial) for trial in trials]).reshape(len(trials), -1)
        with np.errstate(invalid="ignore"):
            worst = np.fmax(self._worst, np.fmax.reduce(rows, axis=0, initial=-np.inf))
        self._worst = worst
        return np.where(np.isnan(rows), np.where(np.isfinite(worst), worst, 0.0), rows)

    def _row(self, trial: Trial) -> tuple[float, ...]:
        losses = self._goal.losses(trial.metrics) if trial.status is TrialStatus.OK else None
        return (np.nan,) * self._goal.dimensions if losses is None else losses


class Tried:
    """All trials of a search, in little memory."""

    def __init__(self) -> None:
        self._params: list[Candidate] = []
        self._numbers: list[int] = []
        self._losses: list[NDArray[np.float64]] = []

    def add(self, trials: Sequence[Trial], losses: NDArray[np.float64]) -> None:
        """Keep the trials; a loss of one that cannot be the best is NaN."""
        usable = np.array([trial.status is TrialStatus.OK for trial in trials])
        self._params.extend(trial.params for trial in trials)
        self._numbers.extend(trial.number for trial in trials)
        self._losses.append(np.where(usable[:, None], losses, np.nan))

    @property
    def params(self) -> list[Candidate]:
        """Of each trial."""
        return self._params

    @property
    def numbers(self) -> list[int]:
        """Within the job."""
        return self._numbers

    @property
    def losses(self) -> NDArray[np.float64]:
        """Shape (trials, objectives); NaN for trials that cannot be the best."""
        return np.concatenate(self._losses)


def child_seed(seed: int, window: int | None) -> int:
    """The seed of a window's search: its own, and always the same."""
    if window is None:
        return seed
    words = np.random.SeedSequence([seed, window]).generate_state(1, np.uint64)
    return int(words[0])


def space_of(spec: OptimizationSpec) -> SearchSpace:
    """The points that the spec lets a search try."""
    return SearchSpace.of(spec.param_ranges, fixed=spec.fixed_params, constraints=spec.constraints)
