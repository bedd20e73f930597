"""Optuna's tree-structured Parzen estimator, as a searcher. Optuna is an extra: `stratopt[tpe]`."""

from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from stratopt_server.domain.parameters import ChoiceList
from stratopt_server.domain.space import Axis, SearchSpace
from stratopt_server.optimizers.searcher import Candidate, Key, Losses, batch_rng, key_of
from stratopt_server.optimizers.sequences import random_sequence

ASKS_PER_POINT_MAX = 20
"""Proposals of Optuna's for each point wanted: those that repeat or are not feasible are dropped."""


class TpeSearcher:
    """Builds a study of what was told, in memory, for each batch: nothing else decides what it proposes."""

    def __init__(self, space: SearchSpace, *, seed: int, budget: int) -> None:  # noqa: ARG002 - the factory's
        """The same space and seed give the same candidates."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space = space
        self._seed = seed
        self._axes = {axis.name: _distribution(axis) for axis in space.axes}
        self._trials: list[optuna.trial.FrozenTrial] = []
        self._told: set[Key] = set()
        self._batches = 0

    def ask(self, count: int) -> list[Candidate]:
        """Propose what the estimator proposes; what it does not find in time is drawn at random."""
        rng = batch_rng(self._seed, self._batches)
        sampler = optuna.samplers.TPESampler(
            seed=int(rng.integers(2**32)), multivariate=True, constant_liar=True
        )
        study = optuna.create_study(sampler=sampler, storage=optuna.storages.InMemoryStorage())
        study.add_trials(self._trials)
        found: dict[Key, Candidate] = {}
        for _ in range(ASKS_PER_POINT_MAX * count):
            if len(found) == count:
                break
            trial = study.ask(self._axes)
            candidate = self._candidate(trial.params)
            key = key_of(candidate)
            if key in self._told or key in found or not self._space.feasible(candidate):
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                found[key] = candidate
        return self._topped_up(found, count, seed=int(rng.integers(2**63)))

    def tell(self, candidates: Sequence[Candidate], losses: Losses) -> None:
        """Keep them for the next study."""
        self._batches += 1
        self._told.update(key_of(candidate) for candidate in candidates)
        vectors = self._space.encode(candidates)
        for candidate, vector, row in zip(candidates, vectors, losses, strict=True):
            numbers = {
                axis.name: candidate[axis.name] if axis.size is None else int(place)
                for axis, place in zip(self._space.axes, vector.tolist(), strict=True)
            }
            self._trials.append(
                optuna.trial.create_trial(params=numbers, distributions=self._axes, value=float(row[0]))
            )

    def _candidate(self, numbers: dict[str, Any]) -> Candidate:
        """Read lattice indices as points."""
        return self._space.params(
            {
                axis.name: float(numbers[axis.name])
                if axis.size is None
                else axis.value(int(numbers[axis.name]))
                for axis in self._space.axes
            }
        )

    def _topped_up(self, found: dict[Key, Candidate], count: int, *, seed: int) -> list[Candidate]:
        if len(found) < count:
            for candidate in random_sequence(self._space, seed=seed):
                key = key_of(candidate)
                if key not in self._told:
                    found.setdefault(key, candidate)
                if len(found) == count:
                    break
        return list(found.values())


def _distribution(axis: Axis) -> BaseDistribution:
    """Lattice axes as their indices, choices as indices without an order, continuous axes as they are."""
    size = axis.size
    if size is None:
        low, high = axis.at(0.0), axis.at(1.0)
        return FloatDistribution(low, high, log=getattr(axis.range, "log", False))
    if isinstance(axis.range, ChoiceList):
        return CategoricalDistribution(tuple(range(size)))
    return IntDistribution(0, size - 1)
