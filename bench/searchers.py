"""How good the searchers are at an equal budget, beside Optuna, pymoo and chance.

Every searcher searches every family with 12 seeds; the table shows the median regret. The two keys compare
means over families and seeds: ours / theirs, 1 or less being as good or better. Twelve seeds are few: beside
each key stands where it would lie with other seeds, 95 times of 100.
"""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context
from typing import Any

import numpy as np

from bench.families import Family, families
from stratopt_server.domain.runs import Algorithm
from stratopt_server.optimizers import make_searcher
from stratopt_server.optimizers.choosing import batch_size

NAME = "searchers"
SEEDS = 12
FIRST_SEED = 0
"""The rest follow; set it elsewhere to see what was tuned to the first twelve."""
RESAMPLES = 2_000
SEEDS_OF_LONG = 3
"""At 10,000 evaluations, where regrets are 0 or nearly so."""
PLAN: dict[int, tuple[str, ...]] = {
    100: ("bayesian", "genetic", "sobol", "random", "optuna_tpe", "optuna_nsga2", "pymoo_ga"),
    1_000: ("genetic", "random", "optuna_nsga2", "pymoo_ga"),
    10_000: ("genetic", "random", "pymoo_ga"),
}
REPEATS_MAX = 50
"""Infeasible proposals of Optuna's in a row that are not charged to it."""


def run() -> dict[str, object]:
    """Search, everything on two processes, and compare."""
    tasks = list(_tasks())
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(_one, tasks, chunksize=4))
    regrets: dict[tuple[int, str], list[float]] = defaultdict(list)
    seconds: dict[tuple[int, str], list[float]] = defaultdict(list)
    unique: list[float] = []
    for (_, name, budget, _), (regret, took, share) in zip(tasks, found, strict=True):
        regrets[budget, name].append(regret)
        seconds[budget, name].append(took)
        if name == "genetic":
            unique.append(share)
    mean = {key: statistics.mean(values) for key, values in regrets.items()}
    genetic_ms = statistics.median(seconds[1_000, "genetic"])  # seconds of a thousand are ms of one
    return {
        "name": NAME,
        "genetic_vs_pymoo_1000": mean[1_000, "genetic"] / mean[1_000, "pymoo_ga"],
        "genetic_vs_pymoo_1000_interval": _interval(regrets[1_000, "genetic"], regrets[1_000, "pymoo_ga"]),
        "bayesian_vs_tpe_100": mean[100, "bayesian"] / mean[100, "optuna_tpe"],
        "bayesian_vs_tpe_100_interval": _interval(regrets[100, "bayesian"], regrets[100, "optuna_tpe"]),
        "genetic_unique_share": min(unique),
        "genetic_ms_per_trial": genetic_ms,
        "seeds": SEEDS,
        "first_seed": FIRST_SEED,
        "families": sorted(families()),
        "median_regret": {
            str(budget): {name: round(statistics.median(regrets[budget, name]), 5) for name in names}
            for budget, names in PLAN.items()
        },
        "mean_regret": {
            str(budget): {name: round(mean[budget, name], 5) for name in names}
            for budget, names in PLAN.items()
        },
        "median_seconds": {
            str(budget): {name: round(statistics.median(seconds[budget, name]), 3) for name in names}
            for budget, names in PLAN.items()
        },
        "mean_regret_by_family": _by_family(tasks, found),
    }


def _tasks() -> Iterator[tuple[str, str, int, int]]:
    for budget, names in PLAN.items():
        seeds = SEEDS if budget < 10_000 else SEEDS_OF_LONG
        yield from product(families(), names, (budget,), range(FIRST_SEED, FIRST_SEED + seeds))


def _interval(ours: list[float], theirs: list[float]) -> list[float]:
    """Bounds of 95 % of the ratios of means that resampled seeds give; the families stay as they are."""
    rng = np.random.default_rng(0)
    left, right = (
        np.take_along_axis(rows, rng.integers(SEEDS, size=(RESAMPLES, *rows.shape[1:])), axis=2).mean((1, 2))
        for rows in (np.reshape(regrets, (1, -1, SEEDS)) for regrets in (ours, theirs))
    )
    return [round(float(bound), 3) for bound in np.quantile(left / right, (0.025, 0.975))]


def _by_family(tasks: list[Any], found: list[Any]) -> dict[str, dict[str, float]]:
    """Mean regrets at 1,000 evaluations and, of the searchers that stop there, at 100."""
    table: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for (family, name, budget, _), (regret, *_) in zip(tasks, found, strict=True):
        table[family][f"{name}_{budget}"].append(regret)
    return {
        family: {key: round(statistics.mean(values), 5) for key, values in row.items()}
        for family, row in table.items()
    }


def _one(task: tuple[str, str, int, int]) -> tuple[float, float, float]:
    """Search one family once; regret, seconds, and the share of the budget that distinct points got."""
    name, searcher, budget, seed = task
    family = families()[name]
    search = SEARCHERS.get(searcher) or _ours(Algorithm(searcher))
    began = time.perf_counter()
    lowest, distinct = search(family, budget, seed)
    took = time.perf_counter() - began
    return family.regret(lowest), took, distinct / budget


Search = Callable[[Family, int, int], tuple[float, int]]
"""The lowest loss found, and the distinct feasible points tried."""


def _ours(algorithm: Algorithm) -> Search:
    def search(family: Family, budget: int, seed: int) -> tuple[float, int]:
        searcher = make_searcher(algorithm, family.space, seed=seed, budget=budget)
        size, met, lowest, made = batch_size(algorithm, budget), set(), np.inf, 0
        while made < budget and (batch := searcher.ask(min(size, budget - made))):
            losses = np.array([[family.loss(candidate)] for candidate in batch])
            searcher.tell(batch, losses)
            lowest = min(lowest, float(losses.min()))
            met.update(tuple(candidate.items()) for candidate in batch)
            made += len(batch)
        return lowest, len(met)

    return search


def _optuna(make_sampler: Callable[[Any, int], Any]) -> Search:
    def search(family: Family, budget: int, seed: int) -> tuple[float, int]:
        import optuna  # noqa: PLC0415 - a second, and only for this peer

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        from stratopt_server.optimizers.tpe import _distribution  # noqa: PLC0415 - the same axes

        axes = {axis.name: _distribution(axis) for axis in family.space.axes}
        study = optuna.create_study(sampler=make_sampler(optuna, seed))
        lowest, met = np.inf, set()
        for _ in range(budget):
            for _ in range(REPEATS_MAX):
                trial = study.ask(axes)
                point = {
                    axis.name: trial.params[axis.name]
                    if axis.size is None
                    else axis.value(trial.params[axis.name])
                    for axis in family.space.axes
                }
                if family.space.feasible(point):
                    break
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                continue  # this one is charged to it, and nothing is found by it
            loss = family.loss(point)
            study.tell(trial, loss)
            lowest = min(lowest, loss)
            met.add(tuple(point.items()))
        return lowest, len(met)

    return search


def _tpe(optuna: Any, seed: int) -> Any:
    return optuna.samplers.TPESampler(seed=seed, multivariate=True)


def _nsga2(optuna: Any, seed: int) -> Any:
    return optuna.samplers.NSGAIISampler(seed=seed)


def _pymoo(family: Family, budget: int, seed: int) -> tuple[float, int]:
    """Pymoo's GA on the same vectors, lattice axes rounded; it is charged as it charges itself."""
    from bench.pymoo_peer import search  # noqa: PLC0415 - two seconds, and only for this peer

    return search(family, budget, seed)


SEARCHERS: dict[str, Search] = {
    "optuna_tpe": _optuna(_tpe),
    "optuna_nsga2": _optuna(_nsga2),
    "pymoo_ga": _pymoo,
}
