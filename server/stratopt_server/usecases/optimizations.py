"""Searching for the parameters of a strategy."""

import secrets
from datetime import datetime

from stratopt_server.domain.errors import Code, Violations
from stratopt_server.domain.jobs import Job, JobKind, Progress
from stratopt_server.domain.market import Bars, from_microseconds
from stratopt_server.domain.optimization import Trial, TrialStatus
from stratopt_server.domain.parameters import ParameterRange, ParameterValue
from stratopt_server.domain.ports import TrialStore
from stratopt_server.domain.runs import Algorithm, OptimizationSpec
from stratopt_server.domain.space import SearchSpace
from stratopt_server.settings import Settings
from stratopt_server.usecases.jobs import Jobs
from stratopt_server.usecases.params import check_params, check_ranges
from stratopt_server.usecases.requests import Call, OptimizationRequest
from stratopt_server.usecases.runs import RunResolver, StrategyInUse

BATCHES_WANTED = 50
"""A search reports after about this many equal parts of its budget."""
BATCH_MIN, BATCH_MAX = 10, 1_000
SEED_BITS = 32
"""Size of a seed that the server draws; a caller may give one of up to 64 bits."""
HOLDOUT_MAX = 0.9
HOLDOUT_BARS_MIN = 10
"""Fewest bars on either side of the holdout."""


class Optimizations:
    """Accepts searches and lists their trials."""

    def __init__(self, jobs: Jobs, runs: RunResolver, trials: TrialStore, *, settings: Settings) -> None:
        self._jobs = jobs
        self._runs = runs
        self._trials = trials
        self._settings = settings

    def start(self, wanted: OptimizationRequest, call: Call) -> Job:
        """Accept a search; raises RequestRefused naming every field that is wrong."""
        return self._jobs.accept(JobKind.OPTIMIZATION, call, lambda: self._plan(wanted))

    def trials(
        self, optimization_id: str, *, after: int, limit: int, status: TrialStatus | None
    ) -> list[Trial]:
        """Return up to `limit` trials numbered above `after`; raises NotFound."""
        self._jobs.get(JobKind.OPTIMIZATION, optimization_id)
        return self._trials.page(optimization_id, after=after, limit=limit, status=status)

    def _plan(self, wanted: OptimizationRequest) -> tuple[OptimizationSpec, Progress]:
        violations = Violations(wanted.faults)
        run = self._runs.resolve(wanted.run, violations)
        budget = self._budget(wanted, violations)
        min_trades = self._min_trades(wanted, violations)
        holdout = self._holdout(wanted, violations)
        split = None
        if run.slice is not None and not violations.has("holdout"):
            split = _split(run.slice.bars, holdout, violations)
        space = None
        if run.strategy is not None:
            space = self._space(wanted, run.strategy, violations)
        elif not wanted.param_ranges:
            _note_empty_ranges(violations)
        points = None
        if space is not None and not violations.has("max_iterations"):
            points = self._feasible_points(space, wanted.algorithm, budget, violations)
        violations.refuse_if_any()
        assert space is not None, "a space with a fault is refused before"
        fits = points is not None and points <= budget
        spec = OptimizationSpec(
            scenario=run.scenario(),
            fixed_params=dict(space.fixed),
            param_ranges={axis.name: axis.range for axis in space.axes},
            target=wanted.target,
            max_iterations=budget,
            algorithm=wanted.algorithm or (Algorithm.GRID if fits else Algorithm.RANDOM),
            seed=secrets.randbits(SEED_BITS) if wanted.seed is None else wanted.seed,
            holdout=holdout,
            holdout_start_date=split,
            min_trades=min_trades,
            batch_size=min(max(budget // BATCHES_WANTED, BATCH_MIN), BATCH_MAX),
        )
        total = budget if points is None else min(points, budget)
        return spec, Progress(done=0, total=total, stage="waiting")

    def _budget(self, wanted: OptimizationRequest, violations: Violations) -> int:
        default, most = self._settings.default_max_iterations, self._settings.trials_max
        budget = default if wanted.max_iterations is None else wanted.max_iterations
        if not 1 <= budget <= most:
            violations.add(
                "max_iterations",
                "BUDGET_OUT_OF_RANGE",
                f"from 1 to {most}, not {budget}",
                max_iterations=budget,
                trials_max=most,
            )
        return budget

    def _min_trades(self, wanted: OptimizationRequest, violations: Violations) -> int:
        trades = self._settings.default_min_trades if wanted.min_trades is None else wanted.min_trades
        if trades < 1:
            violations.add("min_trades", "MIN_TRADES_OUT_OF_RANGE", f"at least 1, not {trades}", value=trades)
        return trades

    def _holdout(self, wanted: OptimizationRequest, violations: Violations) -> float:
        holdout = self._settings.default_holdout if wanted.holdout is None else wanted.holdout
        if not 0 <= holdout <= HOLDOUT_MAX:
            violations.add(
                "holdout",
                "HOLDOUT_OUT_OF_RANGE",
                f"a share from 0 to {HOLDOUT_MAX}, not {holdout!r}",
                value=holdout,
                max=HOLDOUT_MAX,
            )
        return holdout

    def _space(
        self, wanted: OptimizationRequest, found: StrategyInUse, violations: Violations
    ) -> SearchSpace | None:
        if not wanted.param_ranges:
            _note_empty_ranges(violations)
        if len(wanted.param_ranges) > self._settings.param_ranges_max:
            violations.add(
                "param_ranges",
                "TOO_MANY_RANGES",
                f"at most {self._settings.param_ranges_max}",
                max=self._settings.param_ranges_max,
            )
        _note_overlap(wanted.param_ranges, wanted.fixed_params, violations)
        ranges = check_ranges(wanted.param_ranges, found.contract, violations=violations)
        fixed = check_params(
            wanted.fixed_params,
            found.contract,
            found.defaults,
            at="fixed_params",
            violations=violations,
            searched=frozenset(wanted.param_ranges),
        )
        if violations.has("param_ranges") or violations.has("fixed_params"):
            return None
        return SearchSpace.of(ranges, fixed=fixed, constraints=found.contract.constraints)

    def _feasible_points(
        self, space: SearchSpace, algorithm: Algorithm | None, budget: int, violations: Violations
    ) -> int | None:
        """Count the feasible points up to one more than the budget; None where they cannot be counted."""
        size = space.size
        if size is None or size > self._settings.lattice_points_max:
            if algorithm is Algorithm.GRID:
                _note_no_grid(space, size, budget, violations)
            return None
        points = space.count_feasible(at_most=budget)
        if points == 0:
            violations.add(
                "param_ranges",
                "NO_FEASIBLE_POINT",
                f"no point of the ranges satisfies {' and '.join(space.constraints)}",
                constraints="; ".join(space.constraints),
            )
        if points > budget and algorithm is Algorithm.GRID:
            _note_no_grid(space, size, budget, violations)
        return points


def _note_empty_ranges(violations: Violations) -> None:
    violations.add("param_ranges", "EMPTY_PARAM_RANGES", "name at least one parameter to search")


def _note_overlap(
    ranges: dict[str, ParameterRange], fixed: dict[str, ParameterValue], violations: Violations
) -> None:
    for name in sorted(ranges.keys() & fixed.keys()):
        violations.add(
            f"fixed_params.{name}", "FIXED_AND_SEARCHED", "is in param_ranges too: leave it out of one"
        )


def _note_no_grid(space: SearchSpace, size: int | None, budget: int, violations: Violations) -> None:
    if size is None:
        continuous = ", ".join(axis.name for axis in space.axes if axis.size is None)
        violations.add(
            "algorithm",
            "GRID_NEEDS_STEPS",
            f"a grid search needs a step for {continuous}: give one, or use random",
            parameters=continuous,
        )
    else:
        violations.add(
            "max_iterations",
            "GRID_EXCEEDS_BUDGET",
            f"the grid has up to {size} points, more than {budget}: raise max_iterations, widen the "
            "steps, or use random",
            points=size,
            max_iterations=budget,
        )


def _split(bars: Bars, holdout: float, violations: Violations) -> datetime | None:
    """Open time of the first held-out bar; None where none is held out."""
    if holdout == 0:
        return None
    first = round(len(bars) * (1 - holdout))
    if min(first, len(bars) - first) < HOLDOUT_BARS_MIN:
        violations.add(
            "holdout",
            "TOO_FEW_BARS",
            f"{len(bars)} bars leave {first} to search and {len(bars) - first} held out; each side needs "
            f"{HOLDOUT_BARS_MIN}: widen the dates or change holdout",
            code=Code.FAILED_PRECONDITION,
            bars=len(bars),
            bars_min=HOLDOUT_BARS_MIN,
        )
        return None
    return from_microseconds(int(bars.time[first]))
