"""Figures of evidence that a search and a decision have in common: of parameters on certain bars."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stratopt_server.domain.evidence import Holding, OutOfSample, Regime, Significance, Superiority
from stratopt_server.domain.ledger import TrialTally
from stratopt_server.domain.market import Bars, FloatColumn
from stratopt_server.domain.metrics import Metrics
from stratopt_server.domain.parameters import Params
from stratopt_server.domain.runs import RunTerms
from stratopt_server.engine.stitch import Stitched
from stratopt_server.engine.sweep import Sweeper
from stratopt_server.validation import evidence
from stratopt_server.validation.overfitting import effective_trials
from stratopt_server.validation.risk import MICROSECONDS_A_DAY, daily_returns

Floats = NDArray[np.float64]


class Findings:
    """Measures on bars and terms that stay."""

    def __init__(self, kernel: str, bars: Bars, terms: RunTerms) -> None:
        self._kernel = kernel
        self._bars = bars
        self._terms = terms
        self._sweeper = Sweeper(kernel, bars, terms)
        self._days = np.unique(bars.time // MICROSECONDS_A_DAY)
        self._days_per_year = terms.bars_per_year * len(self._days) / len(bars)

    def significance(self, params: Params, tally: TrialTally) -> Significance:
        """Hold all trials against the parameters' daily returns on the bars."""
        daily = self._sweeper.measure([params]).daily[0]
        return evidence.significance(daily, tally, days=len(self._days), days_per_year=self._days_per_year)

    def best_as_a_set(self, params: Sequence[Params], trials: int) -> tuple[Superiority | None, float | None]:
        """Test the best trials as a set; tell how many independent ones so many `trials` would be, too."""
        returns = self._many_daily(params)
        return evidence.superiority(returns), effective_trials(returns, trials)

    def _many_daily(self, params: Sequence[Params]) -> Floats:
        """Returns of many runs, shape (days, runs): sums over equal blocks of bars, one for each day."""
        sweeper = Sweeper(self._kernel, self._bars, self._terms, blocks=len(self._days))
        returns: Floats = np.ascontiguousarray(sweeper.measure(params).blocks[:, :, 0].T)
        return returns

    def out_of_sample(
        self, tested: Stitched, windows: Sequence[float], *, in_sample: Metrics, efficiency: float | None
    ) -> OutOfSample:
        """Measure a run on bars that the parameters were not chosen on; `windows` are its tests' returns."""
        return evidence.out_of_sample(
            daily_returns(tested.time, tested.equity, self._terms.initial_cash),
            windows,
            days_per_year=self._days_per_year,
            in_sample=in_sample,
            tested=tested.metrics,
            efficiency=efficiency,
        )

    def regimes(self, equity: FloatColumn) -> tuple[Regime, ...]:
        """Tell kinds of days apart in a run over all the bars."""
        time, close = self._bars.time, self._bars.close
        return evidence.regimes(
            daily_returns(time, equity, self._terms.initial_cash),
            daily_returns(time, close, float(self._bars.open[0])),
            self._days,
            days_per_year=self._days_per_year,
        )

    def holding(self) -> Holding:
        """Measure buying the bars and holding."""
        first = float(self._bars.open[0])
        return evidence.holding(self._bars.close, first, bars_per_year=self._terms.bars_per_year)
