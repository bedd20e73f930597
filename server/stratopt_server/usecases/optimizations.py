"""Searching for the parameters of a strategy: accepting searches, and what may be done to one."""

import secrets
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from stratopt_server.domain.errors import Violations, WrongStatus
from stratopt_server.domain.jobs import Job, JobKind, JobStatus, Progress
from stratopt_server.domain.optimization import Trial
from stratopt_server.domain.ports import TrialFilter, TrialKey, TrialOrder, TrialStore
from stratopt_server.domain.runs import Algorithm, OptimizationSpec
from stratopt_server.domain.space import SearchSpace
from stratopt_server.market.formats import TableFormat
from stratopt_server.optimizers.choosing import batch_size, choose, feasible_share
from stratopt_server.settings import Settings
from stratopt_server.usecases.goals import check_goal, check_stop_rule
from stratopt_server.usecases.jobs import Jobs
from stratopt_server.usecases.requests import Call, OptimizationRequest
from stratopt_server.usecases.runs import Run, RunResolver
from stratopt_server.usecases.spaces import check_initial, check_space, longest_look_back, note_empty_ranges
from stratopt_server.usecases.validations import check_asked, cut_bars

SEED_BITS = 32
"""Size of a seed that the server draws; a caller may give one of up to 64 bits."""


class TrialExporter(Protocol):
    """Writes trials to files, in a process of its own."""

    async def export_trials(self, optimization_id: str, path: Path, table_format: TableFormat) -> None:
        """Write all trials of an optimization; the file is there, and whole, when this returns."""
        ...


class Optimizations:
    """Accepts searches, extends them, and lists their trials."""

    def __init__(
        self,
        jobs: Jobs,
        runs: RunResolver,
        trials: TrialStore,
        *,
        set_seconds: Callable[[str, int], float],
        settings: Settings,
    ) -> None:
        """`set_seconds` tells how long a kernel takes for one parameter set on so many bars."""
        self._jobs = jobs
        self._runs = runs
        self._trials = trials
        self._set_seconds = set_seconds
        self._settings = settings

    def start(self, wanted: OptimizationRequest, call: Call) -> Job:
        """Accept a search; raises RequestRefused naming every field that is wrong."""
        return self._jobs.accept(
            JobKind.OPTIMIZATION, call, lambda: self._plan(wanted), priority=wanted.run.priority
        )

    def extend(self, optimization_id: str, max_iterations: int, call: Call) -> Job:
        """Put a search that has ended back in the queue, with a larger budget.

        Raises NotFound, RequestRefused, or WrongStatus unless it succeeded or was cancelled.
        """
        return self._jobs.reopen(optimization_id, call, lambda job: self._extended(job, max_iterations))

    def trials(
        self,
        optimization_id: str,
        wanted: TrialFilter,
        order: TrialOrder,
        *,
        after: TrialKey | None,
        limit: int,
    ) -> list[Trial]:
        """Return up to `limit` trials behind `after`; raises NotFound."""
        self._jobs.get(JobKind.OPTIMIZATION, optimization_id)
        return self._trials.page(optimization_id, wanted, order, after=after, limit=limit)

    def _extended(self, job: Job, max_iterations: int) -> tuple[OptimizationSpec, Progress]:
        spec = job.spec
        assert isinstance(spec, OptimizationSpec), "an optimization has an OptimizationSpec"
        if job.status not in (JobStatus.SUCCEEDED, JobStatus.CANCELLED):
            raise WrongStatus(
                "optimization", job.id, status=job.status.value, wanted="succeeded or cancelled"
            )
        violations = Violations()
        self._check_budget(max_iterations, violations, least=spec.max_iterations + 1)
        violations.refuse_if_any()
        longer = replace(spec, max_iterations=max_iterations)
        return longer, replace(job.progress, total=longer.trials_max, stage="waiting", eta_seconds=None)

    def _plan(self, wanted: OptimizationRequest) -> tuple[OptimizationSpec, Progress]:
        """Check everything about the request at once, and say what it comes to."""
        violations = Violations(wanted.faults)
        run = self._runs.resolve(wanted.run, violations)
        goal = check_goal(wanted, violations)
        stop_rule = check_stop_rule(wanted.stop_rule, goal, violations)
        budget = self._budget(wanted, violations)
        min_trades = self._min_trades(wanted, violations)
        space = self._space(wanted, run, violations)
        planned = None
        if space is not None and run.strategy is not None:
            planned = check_initial(wanted.initial_params, space, run.strategy, violations)
        asked = check_asked(wanted, settings=self._settings, violations=violations)
        validation = None
        if run.slice is not None:
            longest = _longest(space, run)
            validation = cut_bars(wanted, asked, run.slice.bars, look_back=longest, violations=violations)
        points = share = None
        if space is not None and not violations.has("max_iterations"):
            points, share = self._feasible(space, wanted, budget, violations)
        algorithm = self._algorithm(wanted, run, points, budget=budget, dimensions=goal.dimensions)
        _check_algorithm(algorithm, goal.dimensions, violations)
        violations.refuse_if_any()
        assert space is not None, "a space with a fault is refused before"
        assert validation is not None, "bars with a fault are refused before"
        spec = OptimizationSpec(
            scenario=run.scenario(),
            fixed_params=dict(space.fixed),
            param_ranges={axis.name: axis.range for axis in space.axes},
            constraints=space.constraints,
            goal=goal,
            max_iterations=budget,
            planned_iterations=budget,
            algorithm=algorithm,
            seed=secrets.randbits(SEED_BITS) if wanted.seed is None else wanted.seed,
            validation=validation,
            stop_rule=stop_rule,
            initial_params=planned or (),
            min_trades=min_trades,
            batch_size=batch_size(algorithm, budget),
            points=points if points is not None and points <= budget else None,
            feasible_share=share,
        )
        return spec, Progress(done=0, total=spec.trials_max, stage="waiting")

    def _space(self, wanted: OptimizationRequest, run: Run, violations: Violations) -> SearchSpace | None:
        if run.strategy is not None:
            return check_space(wanted, run.strategy, settings=self._settings, violations=violations)
        if not wanted.param_ranges:
            note_empty_ranges(violations)
        return None

    def _budget(self, wanted: OptimizationRequest, violations: Violations) -> int:
        default = self._settings.default_max_iterations
        budget = default if wanted.max_iterations is None else wanted.max_iterations
        self._check_budget(budget, violations, least=1)
        return budget

    def _check_budget(self, budget: int, violations: Violations, *, least: int) -> None:
        most = self._settings.trials_max
        if not least <= budget <= most:
            violations.add(
                "max_iterations",
                "BUDGET_OUT_OF_RANGE",
                f"from {least} to {most}, not {budget}",
                max_iterations=budget,
                trials_max=most,
            )

    def _min_trades(self, wanted: OptimizationRequest, violations: Violations) -> int:
        trades = self._settings.default_min_trades if wanted.min_trades is None else wanted.min_trades
        if trades < 1:
            violations.add("min_trades", "MIN_TRADES_OUT_OF_RANGE", f"at least 1, not {trades}", value=trades)
        return trades

    def _feasible(
        self, space: SearchSpace, wanted: OptimizationRequest, budget: int, violations: Violations
    ) -> tuple[int | None, float | None]:
        """Count the feasible points up to one more than the budget, or estimate their share."""
        size = space.size
        is_grid = wanted.algorithm is Algorithm.GRID
        points = share = None
        if size is not None and size <= self._settings.lattice_points_max:
            points = space.count_feasible(at_most=budget)
        elif space.constraints:
            share = feasible_share(space, seed=wanted.seed or 0)
        if is_grid and (points is None or points > budget):
            _note_no_grid(space, size, budget, violations)
        if points == 0 or share == 0:
            violations.add(
                "param_ranges",
                "NO_FEASIBLE_POINT",
                f"no point of the ranges satisfies {' and '.join(space.constraints)}",
                constraints="; ".join(space.constraints),
            )
        return points, share

    def _algorithm(
        self, wanted: OptimizationRequest, run: Run, points: int | None, *, budget: int, dimensions: int
    ) -> Algorithm:
        """Take the one asked for, or choose: what was chosen stands in the spec from here on."""
        if wanted.algorithm is not None:
            return wanted.algorithm
        seconds = 0.0
        if run.strategy is not None and run.slice is not None:
            seconds = self._set_seconds(run.strategy.contract.kernel, len(run.slice.bars))
        return choose(points, budget, seconds_per_evaluation=seconds, objectives=dimensions)


def _longest(space: SearchSpace | None, run: Run) -> int:
    """The longest look-back that the ranges allow, where both are known."""
    if space is None or run.strategy is None:
        return 1
    return longest_look_back(space, run.strategy.contract.kernel)


def _check_algorithm(algorithm: Algorithm, dimensions: int, violations: Violations) -> None:
    """Refuse an algorithm that does not fit the objectives, or is not installed."""
    if dimensions > 1 and algorithm is not Algorithm.NSGA2 and algorithm in LEARNING:
        violations.add(
            "algorithm",
            "ALGORITHM_NEEDS_ONE_SCORE",
            f"{algorithm.value} needs one score: give the objectives weights, or use nsga2",
        )
    if dimensions == 1 and algorithm is Algorithm.NSGA2:
        violations.add(
            "algorithm",
            "ALGORITHM_NEEDS_OBJECTIVES",
            "nsga2 needs two or more objectives without weights: give them, or use genetic",
        )
    if algorithm is Algorithm.TPE and find_spec("optuna") is None:
        violations.add(
            "algorithm",
            "ALGORITHM_NOT_INSTALLED",
            "this server has no Optuna: install stratopt[tpe], or use bayesian",
        )


LEARNING = frozenset({Algorithm.GENETIC, Algorithm.BAYESIAN, Algorithm.TPE})
"""Algorithms that learn from one score."""


def _note_no_grid(space: SearchSpace, size: int | None, budget: int, violations: Violations) -> None:
    if size is None:
        continuous = ", ".join(axis.name for axis in space.axes if axis.size is None)
        violations.add(
            "algorithm",
            "GRID_NEEDS_STEPS",
            f"a grid search needs a step for {continuous}: give one, or use another algorithm",
            parameters=continuous,
        )
    else:
        violations.add(
            "max_iterations",
            "GRID_EXCEEDS_BUDGET",
            f"the grid has up to {size} points, more than {budget}: raise max_iterations, widen the "
            "steps, or use another algorithm",
            points=size,
            max_iterations=budget,
        )
