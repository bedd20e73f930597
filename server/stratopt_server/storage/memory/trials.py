"""The trials of optimizations in memory, with the batches they were proposed in."""

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stratopt_server.domain.figures import is_of_metrics
from stratopt_server.domain.optimization import Batch, Trial
from stratopt_server.domain.parameters import Params
from stratopt_server.domain.ports import BlockSums, TrialFilter, TrialKey, TrialOrder
from stratopt_server.storage.memory.tables import Memory, StoredTrial, one_at_a_time


@one_at_a_time
class MemoryTrialStore:
    """The trials of optimizations, journalled by batches: proposed, then evaluated."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def propose(self, optimization_id: str, batch: Batch) -> None:
        """Store a batch that is about to be evaluated, with its candidates."""
        with self._memory.transaction():
            stored = self._memory.tables.batches.get(optimization_id, {})
            assert batch.number not in stored, f"batch {batch.number} of {optimization_id} is there already"
            self._memory.tables.batches[optimization_id] = stored | {batch.number: copy.deepcopy(batch)}

    def evaluate(self, optimization_id: str, batch: int, trials: Sequence[Trial], blocks: BlockSums) -> None:
        """Store the trials of the batch of that number, in whose place its candidates then go."""
        with self._memory.transaction():
            tables = self._memory.tables
            stored = tables.batches.get(optimization_id, {})
            waits = batch in stored and stored[batch].candidates is not None
            assert waits, f"batch {batch} of {optimization_id} is not one that waits for its trials"
            tables.batches[optimization_id] = stored | {batch: replace(stored[batch], candidates=None)}
            tables.trials[optimization_id] = tables.trials.get(optimization_id, {}) | {
                trial.number: StoredTrial(copy.deepcopy(trial), sums)
                for trial, sums in zip(trials, blocks.copy(), strict=True)
            }

    def batches(self, optimization_id: str) -> list[Batch]:
        """Return all batches in order; those with candidates are not evaluated."""
        stored = self._memory.tables.batches.get(optimization_id, {})
        return copy.deepcopy([stored[number] for number in sorted(stored)])

    def span(self, optimization_id: str, first: int, count: int) -> list[Trial]:
        """Return the trials of these numbers, in order, whichever search made them."""
        return copy.deepcopy(
            [row.trial for row in self._rows(optimization_id) if first <= row.trial.number < first + count]
        )

    def page(
        self,
        optimization_id: str,
        wanted: TrialFilter,
        order: TrialOrder,
        *,
        after: TrialKey | None,
        limit: int,
    ) -> list[Trial]:
        """Return up to `limit` trials behind `after`; equal figures in order of number."""
        sign = -1 if order.descending else 1
        of_metrics = is_of_metrics(order.figure)
        places = {}
        for row in self._chosen(optimization_id, wanted):
            trial = row.trial
            figure = getattr(trial.metrics if of_metrics else trial, order.figure)
            if figure is not None:
                places[sign * figure, trial.number] = trial
        behind = [place for place in places if after is None or place > (sign * after.figure, after.number)]
        return copy.deepcopy([places[place] for place in sorted(behind)[:limit]])

    def find(self, optimization_id: str, params: Params) -> Trial | None:
        """Return the first trial of exactly these parameters, or None."""
        wanted = _typed(params)
        trials = [row.trial for row in self._rows(optimization_id)]
        return copy.deepcopy(next((trial for trial in trials if _typed(trial.params) == wanted), None))

    def blocks(self, optimization_id: str, wanted: TrialFilter) -> BlockSums:
        """Return the block sums of the trials that match, in order of number: (trials, blocks, 2)."""
        found = [row.blocks for row in self._chosen(optimization_id, wanted)]
        return np.array(found) if found else np.empty((0, 0, 2))

    def _rows(self, optimization_id: str) -> list[StoredTrial]:
        """Return what is stored of all trials, in order of number."""
        stored = self._memory.tables.trials.get(optimization_id, {})
        return [stored[number] for number in sorted(stored)]

    def _chosen(self, optimization_id: str, wanted: TrialFilter) -> list[StoredTrial]:
        return [
            row
            for row in self._rows(optimization_id)
            if row.trial.window == wanted.window and wanted.status in (None, row.trial.status)
        ]


def _typed(params: Params) -> dict[str, tuple[type, object]]:
    """Parameters with their kinds, since 1, 1.0 and True are equal to Python."""
    return {name: (type(value), value) for name, value in params.items()}
