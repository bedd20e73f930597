"""Pictures of evidence that the pages of decisions and of searches share."""

from collections.abc import Iterable

from stratopt_server.domain.evidence import (
    Holding,
    MonteCarlo,
    OutOfSample,
    Overfitting,
    Regime,
    Significance,
)
from stratopt_server.pages.bars import Bar, Mark, bar_chart
from stratopt_server.pages.frame import number, percent


def sharpe_picture(
    significance: Significance | None, tests: OutOfSample | None, holding: Holding | None
) -> str:
    """The Sharpe ratio in and out of sample, beside what luck and holding show."""
    bars: list[Bar] = []
    if significance is not None:
        bars.append(Bar("in sample", significance.sharpe))
        bars.append(Bar(f"luck of {significance.trials:,} trials", significance.expected_maximum))
    if tests is not None:
        bars.append(Bar("out of sample, 95 %", tests.sharpe, tests.sharpe_low, tests.sharpe_high))
        bars.append(Bar("with its memory (Lo)", tests.sharpe_lo))
    if holding is not None:
        bars.append(Bar("buy and hold", holding.sharpe))
    return bar_chart("Sharpe ratio a year", bars, shown=number)


def chance_picture(
    significance: Significance | None, tests: OutOfSample | None, overfitting: Overfitting | None
) -> str:
    """Probabilities: of more than luck, of more than nothing, of having overfitted."""
    bars = [
        Bar("more than luck (DSR)", None if significance is None else significance.dsr),
        Bar("above 0 out of sample (PSR)", None if tests is None else tests.psr),
    ]
    if overfitting is not None:
        bars.append(Bar("overfitted (PBO)", overfitting.pbo))
        bars.append(Bar("loses in the other half", overfitting.loss_probability))
    return bar_chart("Probabilities", bars, shown=percent, marks=[Mark("0.95", 0.95), Mark("0.5", 0.5)])


def regime_picture(regimes: Iterable[Regime]) -> str:
    """The Sharpe ratio in each kind of market."""
    bars = [Bar(regime.name, regime.sharpe) for regime in regimes]
    return bar_chart("Sharpe ratio by kind of market", bars, shown=number)


def drawdown_picture(found: MonteCarlo | None) -> str:
    """Drawdowns with the trades in another order."""
    if found is None:
        return ""
    bars = [
        Bar("half of the orders", found.drawdown_q50),
        Bar("95 % of the orders", found.drawdown_q95),
        Bar("99 % of the orders", found.drawdown_q99),
    ]
    marks = [Mark(f"limit {percent(found.limit)}", found.limit)]
    return bar_chart("Drawdown stays below, trades in another order", bars, shown=percent, marks=marks)
