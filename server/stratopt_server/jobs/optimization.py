"""An optimization, inside its process: the search for the best, the windows' searches, the result."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stratopt_server.domain.jobs import JobStatus, OptimizationResult
from stratopt_server.domain.metrics import Metrics
from stratopt_server.domain.optimization import (
    BestTrial,
    Neighbourhood,
    Plateau,
    RobustTrial,
    StopReason,
    Trial,
    WalkForwardResult,
    WindowResult,
)
from stratopt_server.domain.runs import OptimizationSpec
from stratopt_server.domain.validation import Split
from stratopt_server.engine.sweep import Sweeper
from stratopt_server.jobs.context import JobContext
from stratopt_server.jobs.journal import Journal
from stratopt_server.jobs.search_evidence import SearchFindings
from stratopt_server.jobs.searching import Part, Search, space_of
from stratopt_server.jobs.terrain import landscape_of, plateau_at
from stratopt_server.jobs.walking import Walk, WindowTests, efficiency
from stratopt_server.optimizers.pareto import pareto_front
from stratopt_server.validation.plateau import Around

FRONT_MAX = 1_000
"""Most trials of a Pareto front that are returned."""
FEASIBLE_SHARE_LOW = 0.01
"""Share of feasible points below which the result says so."""


def run_optimization(context: JobContext, spec: OptimizationSpec) -> None:
    """Search, test, and store the result with the final status."""
    Optimizing(context, spec).run()


class Optimizing:
    """One attempt at an optimization. What an earlier one stored is told to the searchers, not made again."""

    def __init__(self, context: JobContext, spec: OptimizationSpec) -> None:
        self._context = context
        self._spec = spec
        self._bars = context.bars()
        self._kernel = context.contract.kernel
        self._terms = spec.scenario.terms
        self._walk = Walk(self._kernel, self._bars, self._terms)
        self._space = space_of(spec)
        self._journal = Journal(context, spec)

    def run(self) -> None:
        """Search to the end and store what was found."""
        search, reason = self._search(None, None)
        windows = [self._window(number, split) for number, split in enumerate(self._spec.validation.windows)]
        self._finish(search, reason, windows)

    def _search(self, window: int | None, split: Split | None) -> tuple[Search, StopReason]:
        """Run the search of a window, or the one for the best, on the bars that it may see."""
        seen = split or self._spec.validation.held_out
        bars = self._bars if seen is None else self._walk.bars_of(seen.train)
        part = Part(
            window=window,
            sweeper=Sweeper(self._kernel, bars, self._terms),
            deadline=self._deadline(0 if window is None else window + 1),
        )
        search = Search(self._spec, self._space, self._journal, part)
        reason = search.run(self._improved if window is None else _not_shown)
        planned = self._spec.trials_max // (1 + len(self._spec.validation.windows))
        self._journal.skip(planned - search.done)
        return search, reason

    def _deadline(self, place: int) -> float | None:
        """Share the time budget out to the searches, in their order."""
        budget = self._spec.stop_rule.time_budget_seconds
        return None if budget is None else budget * (place + 1) / (1 + len(self._spec.validation.windows))

    def _improved(self, trial: Trial) -> None:
        best = BestTrial(trial=trial, out_of_sample=None)
        self._journal.result = replace(self._journal.result, best=best)
        self._journal.best_score = trial.score

    def _window(self, number: int, split: Split) -> WindowTests:
        """Search on a window's training bars and run its best, and its robust pick, in its test."""
        self._journal.stage = f"window {number + 1} of {len(self._spec.validation.windows)}"
        search, reason = self._search(number, split)
        best = search.best
        robust = self._robust(search)
        test = self._walk.test(split.test, None if best is None else best.params)
        picked = best if robust is None else robust[0]
        robust_test = test
        if picked is not None and picked is not best:
            robust_test = self._walk.test(split.test, picked.params)
        shown = None
        if best is not None:
            shown = BestTrial(trial=best, out_of_sample=self._walk.stitched([test]).metrics)
        so_far = self._journal.result.walk_forward or WalkForwardResult()
        result = WindowResult(number=number, best=shown, stop_reason=reason)
        self._journal.result = replace(
            self._journal.result, walk_forward=replace(so_far, windows=(*so_far.windows, result))
        )
        return WindowTests(best, test, robust_test)

    def _robust(self, search: Search) -> tuple[Trial, Around] | None:
        """The trial in the middle of the best neighbourhood, if any has one."""
        if search.best is None:
            return None
        found = landscape_of(self._spec, search.tried, self._space).robust()
        if found is None:
            return None
        place, around = found
        return self._trial(search.tried.numbers[place]), around

    def _trial(self, number: int) -> Trial:
        return self._context.storage.trials.span(self._context.job.id, number, 1)[0]

    def _finish(self, search: Search, reason: StopReason, windows: Sequence[WindowTests]) -> None:
        self._journal.stage = "measuring overfitting"
        self._journal.tell()
        findings = SearchFindings(self._context, self._spec, self._walk)
        result = replace(
            self._picked(search),
            stop_reason=reason,
            warnings=self._warnings(search),
            walk_forward=self._walked(windows),
            trials_ever=self._journal.trials_ever(),
            evidence=findings.evidence(search, windows),
        )
        self._journal.stage = "done"
        storage, job = self._context.storage, self._context.job
        with storage.transaction(alone=False):
            storage.jobs.record(job.id, job.attempt, progress=self._journal.progress())
            storage.jobs.finish(
                job.id,
                JobStatus.SUCCEEDED,
                now=self._context.clock.now(),
                attempt=job.attempt,
                result=result,
            )

    def _picked(self, search: Search) -> OptimizationResult:
        """The best, what stands around it, the robust pick and the Pareto front, each out of sample too."""
        best = search.best
        if best is None:
            return OptimizationResult()
        found, front = self._robust(search), self._front(search)
        robust = None if found is None else found[0]
        tested = self._held_out([trial for trial in (best, robust, *front) if trial is not None])
        return OptimizationResult(
            best=BestTrial(trial=best, out_of_sample=tested.get(best.number)),
            plateau=self._plateau(search, best),
            robust=None
            if found is None
            else RobustTrial(
                trial=found[0],
                out_of_sample=tested.get(found[0].number),
                neighbours=Neighbourhood(count=found[1].count, median=found[1].median),
            ),
            pareto_front=tuple(
                BestTrial(trial=trial, out_of_sample=tested.get(trial.number)) for trial in front
            ),
        )

    def _held_out(self, trials: Sequence[Trial]) -> dict[int, Metrics]:
        """Run trials once on the bars of a holdout; by their numbers."""
        split = self._spec.validation.held_out
        if split is None:
            return {}
        sweeper = Sweeper(self._kernel, self._walk.bars_of(split.test), self._terms)
        figures = sweeper.evaluate([trial.params for trial in trials])
        return {trial.number: metrics for trial, metrics in zip(trials, figures, strict=True)}

    def _plateau(self, search: Search, best: Trial) -> Plateau:
        landscape = landscape_of(self._spec, search.tried, self._space)
        return plateau_at(landscape, search.tried, search.tried.numbers.index(best.number))

    def _front(self, search: Search) -> list[Trial]:
        """Trials that no other beats in every figure, best of the first figure first."""
        if self._spec.goal.dimensions == 1:
            return []
        losses = search.tried.losses
        usable = np.flatnonzero(~np.isnan(losses[:, 0]))
        places = usable[pareto_front(losses[usable])]
        places = places[np.argsort(losses[places, 0], kind="stable")][:FRONT_MAX]
        return [self._trial(search.tried.numbers[place]) for place in places.tolist()]

    def _walked(self, windows: Sequence[WindowTests]) -> WalkForwardResult | None:
        """Measure the tests one behind the other."""
        so_far = self._journal.result.walk_forward
        if so_far is None:
            return None
        stitched = self._walk.stitched([window.test for window in windows]).metrics
        robust = self._walk.stitched([window.robust_test for window in windows]).metrics
        inside = [window.best.metrics for window in windows if window.best is not None]
        return replace(
            so_far,
            out_of_sample=stitched,
            robust_out_of_sample=robust,
            efficiency=efficiency(inside, stitched),
        )

    def _warnings(self, search: Search) -> tuple[str, ...]:
        """What a reader of the result should know."""
        return (*_unusable(search, self._spec.min_trades), *_rarely_feasible(self._spec))


def _not_shown(_: Trial) -> None:
    """A better trial of a window's search is no better one of the optimization."""


def _unusable(search: Search, least: int) -> tuple[str, ...]:
    if search.best is None:
        lesson = "Widen the ranges or the dates, or lower min_trades."
        why = f"none made {least} round trips with a defined target"
        return (f"None of the {search.done} trials can be the best: {why}. {lesson}",)
    unusable = search.done - search.usable
    if unusable * 2 > search.done:
        why = f"fewer than {least} round trips, or no defined target"
        return (f"{unusable} of {search.done} trials could not be the best: {why}.",)
    return ()


def _rarely_feasible(spec: OptimizationSpec) -> tuple[str, ...]:
    share = spec.feasible_share
    if share is None or share >= FEASIBLE_SHARE_LOW:
        return ()
    lesson = "Narrow the ranges, so that the search looks where it may find."
    return (f"About {share:.2%} of the points satisfy the constraints. {lesson}",)
