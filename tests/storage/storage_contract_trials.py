"""What every storage promises of trials and of the batches they are proposed in.

Subclass with a `storage` fixture that gives an empty one.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from domain_arbitrary import batches as arbitrary_batches
from domain_arbitrary import metrics, params, reals
from domain_samples import exact, make_batch, make_metrics, make_optimization, make_strategy, make_trial
from hypothesis import given
from hypothesis import strategies as st
from storage_tools import exactly

from stratopt_server.domain.optimization import Batch, Trial, TrialStatus
from stratopt_server.domain.parameters import ParameterValue
from stratopt_server.domain.ports import BlockSums, Storage, TrialFilter, TrialKey, TrialOrder, TrialStore

ids = itertools.count()
"""Numbers that no example has had."""
ANY = TrialFilter()
BY_NUMBER = TrialOrder()
FIGURES = ("number", "score", "sharpe_ratio", "trade_count", "refused_lot_size")
"""Of a trial's own and of its metrics; numbers of both kinds; some that may be undefined."""
scores = st.none() | reals.map(lambda figure: figure + 0.0)
"""A zero without a sign, which a column of SQLite does not keep."""
few = st.sampled_from([-2.5, -0.0, 0.0, 0.1, 0.1 + 0.2, 1.0, 3.0])
"""Figures of which some are equal, and some nearly."""


def sums_of(count: int, blocks: int = 4) -> BlockSums:
    """Block sums of so many trials."""
    return np.random.default_rng(count).normal(size=(count, blocks, 2))


def store(
    trials: TrialStore,
    made: Sequence[Trial],
    optimization_id: str = "opt_1",
    *,
    blocks: BlockSums | None = None,
) -> None:
    """Propose the trials' parameters as the next batch, and evaluate it."""
    batch = Batch(
        number=len(trials.batches(optimization_id)),
        window=made[0].window if made else None,
        first_trial=made[0].number if made else 0,
        count=len(made),
        candidates=tuple(trial.params for trial in made),
    )
    trials.propose(optimization_id, batch)
    trials.evaluate(optimization_id, batch.number, made, sums_of(len(made)) if blocks is None else blocks)


def everything(trials: TrialStore, optimization_id: str = "opt_1") -> list[Trial]:
    """Read all trials."""
    return trials.span(optimization_id, 0, 10_000)


def figure_of(trial: Trial, name: str) -> float | None:
    """Read a figure off the trial or its metrics."""
    return getattr(trial if name in ("number", "score") else trial.metrics, name)


def pages(
    trials: TrialStore, wanted: TrialFilter, order: TrialOrder, *, limit: int
) -> Iterator[Sequence[Trial]]:
    """Read page after page, each behind the last trial of the one before."""
    after = None
    while page := trials.page("opt_1", wanted, order, after=after, limit=limit):
        yield page
        after = TrialKey(figure_of(page[-1], order.figure), page[-1].number)


class TrialStoreContract:
    """The trials of optimizations, and their batches."""

    @pytest.fixture
    def trials(self, storage: Storage) -> TrialStore:
        """The store of trials, beside two optimizations."""
        storage.strategies.add(make_strategy())
        storage.jobs.add(make_optimization("opt_1"))
        storage.jobs.add(make_optimization("opt_2"))
        return storage.trials

    def test_batches(self, trials: TrialStore) -> None:
        """A batch has its candidates until it is evaluated; batches come in order, by optimization."""
        first, second = make_batch(0), make_batch(1, window=3)
        trials.propose("opt_1", second)
        trials.propose("opt_1", first)
        trials.propose("opt_2", make_batch(0, window=1))
        assert exact(trials.batches("opt_1")) == exact([first, second])
        trials.evaluate("opt_1", 0, [make_trial(0), make_trial(1)], sums_of(2))
        assert exact(trials.batches("opt_1")) == exact([replace(first, candidates=None), second])
        assert trials.batches("opt_2") == [make_batch(0, window=1)]
        assert trials.batches("opt_3") == []

    @exactly
    @given(batch=arbitrary_batches)
    def test_batch_exactly(self, trials: TrialStore, batch: Batch) -> None:
        """A batch comes back exactly; of its candidates every parameter keeps kind and order."""
        own = replace(batch, number=next(ids))
        trials.propose("opt_1", own)
        [found] = [row for row in trials.batches("opt_1") if row.number == own.number]
        assert exact(found) == exact(own)

    def test_taken_batch(self, trials: TrialStore) -> None:
        """A number that was proposed is not proposed again."""
        trials.propose("opt_1", make_batch(0))
        with suppress(Exception):  # how it is refused is the store's own
            trials.propose("opt_1", make_batch(0, count=1))
        assert trials.batches("opt_1") == [make_batch(0)]

    @pytest.mark.parametrize("number", [0, 7])
    def test_batch_that_does_not_wait(self, trials: TrialStore, number: int) -> None:
        """What was evaluated, or never proposed, is not evaluated: nothing is stored."""
        store(trials, [make_trial(0), make_trial(1)])
        with pytest.raises(AssertionError, match=f"batch {number} of opt_1"):
            trials.evaluate("opt_1", number, [make_trial(2)], sums_of(1))
        assert everything(trials) == [make_trial(0), make_trial(1)]
        assert [batch.count for batch in trials.batches("opt_1")] == [2]

    def test_trials_in_order(self, trials: TrialStore) -> None:
        """Trials come back exactly and in order of number, whatever batch or search they are of."""
        made = [make_trial(number, window=(None, 0, 1)[number % 3]) for number in range(350)]
        store(trials, made[200:])
        store(trials, [])
        store(trials, made[:200])
        assert exact(everything(trials)) == exact(made)
        assert exact(trials.span("opt_1", 198, 4)) == exact(made[198:202])
        assert exact(trials.span("opt_1", 349, 9)) == exact(made[349:])
        assert trials.span("opt_1", 0, 0) == trials.span("opt_1", 350, 9) == []

    def test_trials_of_one_optimization(self, trials: TrialStore) -> None:
        """Two optimizations may have trials of the same numbers."""
        store(trials, [make_trial(0)])
        store(trials, [make_trial(0, score=0.5)], "opt_2")
        assert everything(trials, "opt_1") == [make_trial(0)]
        assert everything(trials, "opt_2") == [make_trial(0, score=0.5)]
        assert everything(trials, "opt_3") == []

    @exactly
    @given(given_params=params, figures=metrics, score=scores, status=st.sampled_from(TrialStatus))
    def test_trial_exactly(self, trials: TrialStore, given_params, figures, score, status) -> None:
        """Parameters keep kind and order, figures every bit, what is undefined stays so."""
        number = next(ids)
        trial = Trial(number=number, params=given_params, status=status, score=score, metrics=figures)
        store(trials, [trial])
        assert exact(trials.span("opt_1", number, 1)) == exact([trial])

    def test_page_of_trials(self, trials: TrialStore) -> None:
        """A page begins behind its trial and is no longer than asked for, whichever way it goes."""
        store(trials, [make_trial(number) for number in range(10)])

        def numbers(order: TrialOrder, after: int) -> list[int]:
            page = trials.page("opt_1", ANY, order, after=TrialKey(after, after), limit=4)
            return [trial.number for trial in page]

        assert numbers(BY_NUMBER, 3) == [4, 5, 6, 7]
        assert numbers(BY_NUMBER, 7) == [8, 9]
        assert numbers(BY_NUMBER, 9) == []
        assert numbers(TrialOrder(descending=True), 3) == [2, 1, 0]
        assert trials.page("opt_2", ANY, BY_NUMBER, after=None, limit=4) == []

    @pytest.mark.parametrize("descending", [False, True])
    @pytest.mark.parametrize("figure", FIGURES)
    @exactly
    @given(figures=st.lists(st.none() | few, max_size=8), limit=st.integers(1, 4))
    def test_pages_by_figure(self, trials: TrialStore, figure: str, descending: bool, figures, limit) -> None:
        """Pages show each trial that has the figure once, in its order; equal ones in order of number."""
        window = next(ids)
        made = [
            make_trial(
                next(ids),
                window=window,
                score=value,
                metrics=make_metrics(
                    sharpe_ratio=value,
                    trade_count=int(value or 0),
                    refused_lot_size=None if value is None else int(value),
                ),
            )
            for value in figures
        ]
        store(trials, made)
        order = TrialOrder(figure=figure, descending=descending)
        sign = -1 if descending else 1
        having = [trial for trial in made if figure_of(trial, figure) is not None]
        expected = sorted(having, key=lambda trial: (sign * figure_of(trial, figure), trial.number))
        found = list(pages(trials, TrialFilter(window=window), order, limit=limit))
        assert [trial.number for page in found for trial in page] == [trial.number for trial in expected]
        assert all(len(page) <= limit for page in found)

    @exactly
    @given(figures=st.lists(reals, min_size=1, max_size=8))
    def test_pages_by_any_figure(self, trials: TrialStore, figures) -> None:
        """However close figures are, no trial is shown twice or left out."""
        window = next(ids)
        made = [
            make_trial(next(ids), window=window, metrics=make_metrics(calmar_ratio=value))
            for value in figures
        ]
        store(trials, made)
        order = TrialOrder(figure="calmar_ratio")
        found = [
            trial.number
            for page in pages(trials, TrialFilter(window=window), order, limit=1)
            for trial in page
        ]
        assert sorted(found) == [trial.number for trial in made]

    @pytest.mark.parametrize("figure", ["run_status", "params", "unknown", "score') --"])
    def test_no_such_figure(self, trials: TrialStore, figure: str) -> None:
        """What is no figure of a trial orders nothing."""
        with pytest.raises(ValueError, match="no figure"):
            trials.page("opt_1", ANY, TrialOrder(figure=figure), after=None, limit=1)

    def test_trials_of_a_status(self, trials: TrialStore) -> None:
        """A status chooses before the page is cut."""
        cycle = itertools.cycle(TrialStatus)
        store(trials, [make_trial(number, status=next(cycle), score=None) for number in range(12)])
        for place, status in enumerate(TrialStatus):
            page = trials.page("opt_1", TrialFilter(status=status), BY_NUMBER, after=TrialKey(2, 2), limit=2)
            assert [trial.number for trial in page] == [3 + place, 6 + place]

    def test_trials_of_a_window(self, trials: TrialStore) -> None:
        """A window's trials are its own; no window means those of the search for the best."""
        for first, window in ((0, None), (2, 0), (4, None), (6, 1)):
            store(trials, [make_trial(first, window=window), make_trial(first + 1, window=window)])
        for window, expected in ((None, [0, 1, 4, 5]), (0, [2, 3]), (1, [6, 7]), (2, [])):
            page = trials.page("opt_1", TrialFilter(window=window), BY_NUMBER, after=None, limit=9)
            assert [trial.number for trial in page] == expected

    def test_find_trial(self, trials: TrialStore) -> None:
        """A trial is found by its parameters alone, all of them, whatever order they are named in."""
        made = [make_trial(number, params={"a": number, "b": number / 2}) for number in range(150)]
        store(trials, made)
        assert exact(trials.find("opt_1", {"b": 50.0, "a": 100})) == exact(made[100])
        for absent in ({"a": 100}, {"a": 100, "b": 51.0}, {"a": 100, "b": 50.0, "c": 1}, {}):
            assert trials.find("opt_1", absent) is None
        assert trials.find("opt_2", {"a": 100, "b": 50.0}) is None

    def test_find_first_trial(self, trials: TrialStore) -> None:
        """Of trials of the same parameters the first is found, whichever search made it."""
        store(trials, [make_trial(4, params={"a": 1}), make_trial(5, params={"a": 2})])
        store(trials, [make_trial(2, params={"a": 1}, window=0), make_trial(3, params={"a": 1}, window=0)])
        assert trials.find("opt_1", {"a": 1}).number == 2

    @pytest.mark.parametrize("value", [1, 1.0, True, "1"])
    def test_find_trial_of_a_kind(self, trials: TrialStore, value: ParameterValue) -> None:
        """1, 1.0, True and "1" are different parameters."""
        store(trials, [make_trial(0, params={"a": value})])
        for other in (1, 1.0, True, "1"):
            found = trials.find("opt_1", {"a": other})
            assert (found is not None) == (type(other) is type(value))

    def test_blocks(self, trials: TrialStore) -> None:
        """Block sums come back bit by bit in order of number, of the window and status that are wanted."""
        sums = sums_of(6)
        statuses = [TrialStatus.OK, TrialStatus.UNDEFINED] * 2
        made = [make_trial(number, status=status) for number, status in enumerate(statuses)]
        store(trials, made[2:], blocks=sums[2:4])
        store(trials, made[:2], blocks=sums[:2])
        store(trials, [make_trial(4, window=0), make_trial(5, window=0)], blocks=sums[4:])
        for wanted, rows in (
            (ANY, sums[:4]),
            (TrialFilter(status=TrialStatus.OK), sums[:4:2]),
            (TrialFilter(window=0), sums[4:]),
        ):
            assert exact(trials.blocks("opt_1", wanted)) == exact(rows.copy())

    def test_no_blocks(self, trials: TrialStore) -> None:
        """Of no trials there are no blocks, of whatever number."""
        assert trials.blocks("opt_1", ANY).shape == (0, 0, 2)

    def test_trials_are_snapshots(self, trials: TrialStore) -> None:
        """Changing what was given or returned does not change what is stored."""
        batch, trial, sums = make_batch(0), make_trial(0), sums_of(1)
        trials.propose("opt_1", batch)
        batch.candidates[0].clear()
        trials.batches("opt_1")[0].candidates[1].clear()
        assert trials.batches("opt_1") == [make_batch(0)]
        trials.evaluate("opt_1", 0, [trial], sums)
        trial.params.clear()
        sums[:] = 0
        trials.page("opt_1", ANY, BY_NUMBER, after=None, limit=1)[0].params.clear()
        trials.find("opt_1", make_trial(0).params).params.clear()
        trials.span("opt_1", 0, 1)[0].params.clear()
        with suppress(ValueError):  # they may be read-only
            trials.blocks("opt_1", ANY)[:] = 0
        assert everything(trials) == [make_trial(0)]
        assert exact(trials.blocks("opt_1", ANY)) == exact(sums_of(1))

    @pytest.mark.parametrize(
        "write",
        [
            lambda trials: trials.propose("opt_1", make_batch(1)),
            lambda trials: trials.evaluate("opt_1", 0, [make_trial(0)], sums_of(1)),
            lambda trials: trials.evaluate("opt_1", 0, [make_trial(0)], sums_of(2)),
        ],
    )
    def test_nothing_stays_of_what_fails(
        self, storage: Storage, trials: TrialStore, write: Callable[[TrialStore], None]
    ) -> None:
        """A transaction that raises leaves batches and trials as they were."""
        trials.propose("opt_1", make_batch(0))
        with suppress(KeyError, ValueError), storage.transaction():
            write(trials)
            raise KeyError
        assert trials.batches("opt_1") == [make_batch(0)]
        assert everything(trials) == []
        assert storage.counts().trials == 0
