"""The windows of a walk-forward: what the best of each window's search does in its test."""

from collections.abc import Sequence
from dataclasses import dataclass

from stratopt_server.domain.market import Bars, to_microseconds
from stratopt_server.domain.metrics import Metrics
from stratopt_server.domain.optimization import Trial
from stratopt_server.domain.parameters import Params
from stratopt_server.domain.runs import RunTerms
from stratopt_server.domain.validation import Span
from stratopt_server.engine.stitch import Stitched, Test, no_test, run_test, stitch
from stratopt_server.strategies.look_back import look_back


@dataclass(frozen=True, slots=True, eq=False)
class WindowTests:
    """One window: the trials it picked, and their tests."""

    best: Trial | None
    test: Test
    robust_test: Test


class Walk:
    """The tests of one strategy on one dataset."""

    def __init__(self, kernel: str, bars: Bars, terms: RunTerms) -> None:
        self._kernel = kernel
        self._bars = bars
        self._terms = terms

    def bars_of(self, span: Span) -> Bars:
        """The bars of a span."""
        return self._bars.slice(*self._range(span))

    def test(self, span: Span, params: Params | None, *, warm_up: bool = True) -> Test:
        """Run the parameters over the span; without any, stay out of the market.

        The bars before the span that the strategy needs to decide on its first bar are there to be looked at,
        unless it is told to warm up inside the span.
        """
        first, stop = self._range(span)
        if params is None:
            return no_test(self._bars.slice(first, stop), self._terms)
        before = min(look_back(self._kernel, params) - 1, first) if warm_up else 0
        bars = self._bars.slice(first - before, stop)
        return run_test(self._kernel, bars, params, self._terms, warm_up=before)

    def stitched(self, tests: Sequence[Test]) -> Stitched:
        """Measure tests one behind the other."""
        return stitch(tests, self._terms)

    def _range(self, span: Span) -> tuple[int, int]:
        time = self._bars.time
        first = int(time.searchsorted(to_microseconds(span.first)))
        return first, int(time.searchsorted(to_microseconds(span.last), side="right"))


def efficiency(in_sample: Sequence[Metrics], out_of_sample: Metrics) -> float | None:
    """Mean annual return out of sample / in sample; None unless the latter is above 0 (Pardo).

    The annual return is mean(r) * bars_per_year, which is Sharpe ratio times volatility.
    """
    if not in_sample:
        return None
    inside = sum(_annual(metrics) for metrics in in_sample) / len(in_sample)
    return _annual(out_of_sample) / inside if inside > 0 else None


def _annual(metrics: Metrics) -> float:
    if metrics.sharpe_ratio is None or metrics.volatility is None:
        return 0.0
    return metrics.sharpe_ratio * metrics.volatility
