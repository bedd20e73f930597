"""pymoo's genetic algorithm on a family: its usual operators, lattice axes rounded."""

from typing import Any

import numpy as np
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.core.problem import Problem
from pymoo.core.repair import Repair
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.operators.sampling.rnd import FloatRandomSampling
from pymoo.optimize import minimize

from bench.families import Family

POPULATION = 50


class Whole(Repair):
    """Rounds the lattice axes."""

    def _do(self, problem: Any, x: Any, **_: Any) -> Any:
        return np.where(problem.whole, np.round(x), x)


class Table(Problem):
    """The family as pymoo takes it, with constraints as violations."""

    def __init__(self, family: Family) -> None:
        sizes = [axis.size for axis in family.space.axes]
        self.family = family
        self.whole = np.array([size is not None for size in sizes])
        self.lowest, self.met = np.inf, set[tuple[Any, ...]]()
        super().__init__(
            n_var=len(sizes),
            n_obj=1,
            n_ieq_constr=1 if family.space.constraints else 0,
            xl=np.zeros(len(sizes)),
            xu=np.array([1.0 if size is None else size - 1 for size in sizes]),
        )

    def _evaluate(self, x: Any, out: dict[str, Any], **_: Any) -> None:
        feasible = self.family.space.feasible_mask(x)
        points = self.family.space.decode(x)
        losses = np.array([self.family.loss(point) for point in points])
        out["F"] = losses[:, None]
        if self.family.space.constraints:
            out["G"] = np.where(feasible, -1.0, 1.0)[:, None]
        if feasible.any():
            self.lowest = min(self.lowest, float(losses[feasible].min()))
        self.met.update(tuple(point.items()) for point, good in zip(points, feasible, strict=True) if good)


def search(family: Family, budget: int, seed: int) -> tuple[float, int]:
    """Search it; the lowest loss, and the distinct feasible points tried."""
    table, whole = Table(family), Whole()
    algorithm = GA(
        pop_size=min(POPULATION, budget // 4),
        sampling=FloatRandomSampling(),
        crossover=SBX(repair=whole),
        mutation=PM(repair=whole),
        repair=whole,
        eliminate_duplicates=True,
    )
    minimize(table, algorithm, ("n_eval", budget), seed=seed, verbose=False)
    return table.lowest, len(table.met)
