"""The trials of optimizations in a database, with the batches they were proposed in."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import peewee

from stratopt_server.domain.figures import is_of_metrics
from stratopt_server.domain.metrics import Metrics
from stratopt_server.domain.optimization import Batch, Trial, TrialStatus
from stratopt_server.domain.parameters import Params
from stratopt_server.domain.ports import BlockSums, TrialFilter, TrialKey, TrialOrder
from stratopt_server.storage.bulk import insert_rows
from stratopt_server.storage.codec import from_text, to_text
from stratopt_server.storage.dialect import Database
from stratopt_server.storage.models import TrialBatchRow, TrialRow, bound

TRIALS = "trials (optimization_id, number, status, score, params, metrics, search_window, blocks)"


class SqlTrialStore:
    """The trials of optimizations, journalled by batches: proposed, then evaluated."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows = bound(TrialRow, database)
        self._batches = bound(TrialBatchRow, database)

    def propose(self, optimization_id: str, batch: Batch) -> None:
        """Store a batch that is about to be evaluated, with its candidates."""
        self._batches.insert(
            optimization_id=optimization_id,
            number=batch.number,
            search_window=batch.window,
            first_trial=batch.first_trial,
            trial_count=batch.count,
            candidates=batch.candidates,
        ).execute()

    def evaluate(self, optimization_id: str, batch: int, trials: Sequence[Trial], blocks: BlockSums) -> None:
        """Store the trials of the batch of that number, in whose place its candidates then go."""
        rows = [
            (
                optimization_id,
                trial.number,
                trial.status.value,
                trial.score,
                json.dumps(trial.params, allow_nan=False),
                to_text(Metrics, trial.metrics),
                trial.window,
                sums.tobytes(),
            )
            for trial, sums in zip(trials, blocks.astype("<f8"), strict=True)
        ]
        batches = self._batches
        with self._database.atomic():
            proposed = (batches.optimization_id == optimization_id) & (batches.number == batch)
            waits = batches.update(candidates=None).where(proposed & ~batches.candidates.is_null()).execute()
            assert waits, f"batch {batch} of {optimization_id} is not one that waits for its trials"
            insert_rows(self._database, TRIALS, rows)

    def batches(self, optimization_id: str) -> list[Batch]:
        """Return all batches in order; those with candidates are not evaluated."""
        batches = self._batches
        query = batches.select().where(batches.optimization_id == optimization_id)
        return [_batch(row) for row in query.order_by(batches.number).namedtuples()]

    def span(self, optimization_id: str, first: int, count: int) -> list[Trial]:
        """Return the trials of these numbers, in order, whichever search made them."""
        rows = self._rows
        inside = (rows.number >= first) & (rows.number < first + count)
        return self._trials((rows.optimization_id == optimization_id) & inside, [rows.number], limit=count)

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
        rows = self._rows
        figure = self._figure(order.figure)
        chosen = self._chosen(optimization_id, wanted) & ~figure.is_null()
        if after is not None:
            place = self._place(after, order.figure)
            beyond = figure < place if order.descending else figure > place
            chosen &= beyond | ((figure == place) & (rows.number > after.number))
        ordering = [figure.desc() if order.descending else figure.asc(), rows.number]
        return self._trials(chosen, ordering, limit=limit)

    def find(self, optimization_id: str, params: Params) -> Trial | None:
        """Return the first trial of exactly these parameters, or None."""
        rows = self._rows
        # Parameters stand in order of name, so equal ones are equal texts.
        text = json.dumps(dict(sorted(params.items())), allow_nan=False)
        same = rows.params.cast("TEXT") == text
        found = self._trials((rows.optimization_id == optimization_id) & same, [rows.number], limit=1)
        return found[0] if found else None

    def blocks(self, optimization_id: str, wanted: TrialFilter) -> BlockSums:
        """Return the block sums of the trials that match, in order of number: (trials, blocks, 2).

        Trials that were stored before block sums were are left out.
        """
        rows = self._rows
        chosen = self._chosen(optimization_id, wanted) & ~rows.blocks.is_null()
        query: Any = rows.select(rows.blocks).where(chosen)
        found = [bytes(sums) for (sums,) in query.order_by(rows.number).tuples()]
        if not found:
            return np.empty((0, 0, 2))
        return np.frombuffer(b"".join(found), dtype="<f8").reshape(len(found), -1, 2)

    def _chosen(self, optimization_id: str, wanted: TrialFilter) -> Any:
        rows = self._rows
        window = rows.search_window
        of_search = window.is_null() if wanted.window is None else window == wanted.window
        chosen = (rows.optimization_id == optimization_id) & of_search
        return chosen if wanted.status is None else chosen & (rows.status == wanted.status.value)

    def _figure(self, name: str) -> Any:
        """What a list is ordered by, as the database computes it."""
        rows = self._rows
        return self._database.number_in(rows.metrics, name) if is_of_metrics(name) else getattr(rows, name)

    def _place(self, after: TrialKey, name: str) -> Any:
        """The figure behind which a page begins, such that the trial's own is equal to it.

        A database may read a decimal fraction one bit away from Python: it is told this one as text, too.
        """
        if not is_of_metrics(name):
            return after.figure
        return self._database.number_in(peewee.Value(json.dumps({name: after.figure})), name)

    def _trials(self, chosen: Any, ordering: Sequence[Any], *, limit: int) -> list[Trial]:
        """Read trials as they stand in the database: models would take most of the time."""
        rows = self._rows
        columns = (rows.number, rows.params, rows.status, rows.score, rows.search_window)
        query: Any = rows.select(*columns, rows.metrics.cast("TEXT")).where(chosen)
        return [_trial(row) for row in query.order_by(*ordering).limit(limit).tuples()]


def _batch(row: Any) -> Batch:
    return Batch(
        number=row.number,
        window=row.search_window,
        first_trial=row.first_trial,
        count=row.trial_count,
        candidates=None if row.candidates is None else tuple(row.candidates),
    )


def _trial(row: Sequence[Any]) -> Trial:
    number, params, status, score, window, metrics = row
    return Trial(
        number=number,
        params=params,
        status=TrialStatus(status),
        score=score,
        metrics=from_text(Metrics, metrics),
        window=window,
    )
