"""What each criterion measures: one pure function each, from evidence to a value with its words."""

import math
from dataclasses import dataclass

from stratopt_server.domain.evidence import Evidence, OutOfSample, SealState
from stratopt_server.domain.market import DataGrade
from stratopt_server.domain.metrics import Metrics

ESCAPE_LOSS_PROBABILITY, ESCAPE_DSR, ESCAPE_MEDIAN_RATIO, ESCAPE_SHARE_70 = 0.05, 0.95, 0.7, 0.6
"""What a search must show instead whose trials are all equally good: there PBO is a coin."""
NO_SEARCH = "No search is behind these parameters."


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One figure of the evidence."""

    value: float | bool | None
    """None where it cannot be computed, or does not apply."""
    text: str
    """What it means, or why there is none."""
    applies: bool = True
    shown: str = ""
    """The value in words, where it is no number."""
    excused: bool = False
    """A value that does not pass is let pass with a warning; the text says why."""


def _absent(why: str) -> Measurement:
    return Measurement(value=None, text=why)


def _not_applicable(why: str) -> Measurement:
    return Measurement(value=None, text=why, applies=False)


def _told(value: float | None, text: str, otherwise: str) -> Measurement:
    return _absent(otherwise) if value is None else Measurement(value=value, text=text)


def data_integrity(evidence: Evidence) -> Measurement:
    """Costs are paid, the code sees nothing to come, all trials are on record, and the bars are sound."""
    integrity, costs = evidence.integrity, evidence.costs
    if integrity is None:
        return _absent("It was not looked at when this evidence was gathered: approve again.")
    faults = {
        "trading is never free: run it with costs": costs.taker_fee <= 0 and costs.slippage <= 0,
        "the bars are graded BAD: see their quality report": evidence.data_grade is DataGrade.BAD,
        "the code is not proven free of look-ahead": not integrity.code_proven,
        "not every trial is on record": not integrity.trials_recorded,
    }
    found = [words for words, is_fault in faults.items() if is_fault]
    text = (
        f"{'; '.join(found).capitalize()}." if found else "Costs, code, record of trials and bars are sound."
    )
    return Measurement(value=not found, text=text, shown=f"{len(found)} faults" if found else "sound")


def reproduction(evidence: Evidence) -> Measurement:
    """Another process finds the same metrics from what the package says."""
    again = evidence.reproduction
    if again is None:
        return _absent("The backtest was not run once more.")
    text = "A second process found the same metrics from what the package says."
    if not again.same:
        text = f"A second process did not find the same: {'; '.join(again.differences)}."
    return Measurement(value=again.same, text=text, shown="the same" if again.same else "another")


def trades_in_sample(evidence: Evidence) -> Measurement:
    """Round trips that the parameters were chosen by."""
    count = evidence.in_sample.trade_count
    return Measurement(value=count, text=f"{count} round trips are what the parameters were chosen by.")


def trades_out_of_sample(evidence: Evidence) -> Measurement:
    """Round trips on bars that the search did not see."""
    count = evidence.out_of_sample.trade_count
    return Measurement(value=count, text=f"{count} round trips are what they were tested by.")


def dsr(evidence: Evidence) -> Measurement:
    """Probability that the in-sample Sharpe ratio is more than the best of all trials shows by luck."""
    found = evidence.significance
    if found is None:
        return _absent("Trials were not counted when this evidence was gathered: approve again.")
    if found.dsr is None:
        why = (
            "the daily returns do not vary"
            if found.daily is None
            else ("too few of them have a Sharpe ratio to be compared: run those that were only proposed")
        )
        return _absent(f"Of {found.trials:,} trials: {why}.")
    best = "" if found.expected_maximum is None else f"{found.expected_maximum:.2f}"
    text = (
        f"The chance that the true Sharpe ratio is above {best}, which the best of {found.trials:,} "
        f"worthless trials would show, is {found.dsr:.1%} by {found.days:,} days."
    )
    return Measurement(value=found.dsr, text=text)


def psr_out_of_sample(evidence: Evidence) -> Measurement:
    """Probability that the out-of-sample Sharpe ratio is above 0."""
    days = evidence.out_of_sample_days
    if evidence.searched_by is not None:
        seen = f"Search {evidence.searched_by} has seen these bars: it held none out, or had other costs."
        return _absent(f"{seen} Search at these costs with a walk-forward or a holdout.")
    psr = evidence.psr_oos
    chance = f"{psr or 0:.1%}, by {days:,} days"
    return _told(
        psr,
        f"The chance that the true out-of-sample Sharpe ratio is above 0 is {chance}.",
        f"{days:,} daily returns out of sample do not vary: nothing to judge.",
    )


def cscv(evidence: Evidence) -> Measurement:
    """PBO; where all parameters are equally good, losses, significance and the plateau in its place."""
    found = evidence.overfitting
    if evidence.optimization_id is None:
        return _not_applicable(NO_SEARCH)
    if found is None:
        return _absent("Fewer than two trials of the search vary, or it has too few bars.")
    text = f"In {found.pbo:.1%} of the halves the best of one half is in the lower half of the other."
    if _is_plateau(evidence):
        text += (
            f" It loses there in {found.loss_probability:.1%}, and stands on a plateau: all are equally good."
        )
    return Measurement(value=found.pbo, text=text, excused=_is_plateau(evidence))


def _is_plateau(evidence: Evidence) -> bool:
    found, significance, plateau = evidence.overfitting, evidence.significance, evidence.plateau
    return (
        found is not None
        and significance is not None
        and plateau is not None
        and found.loss_probability <= ESCAPE_LOSS_PROBABILITY
        and (significance.dsr or 0.0) >= ESCAPE_DSR
        and (plateau.median_ratio or 0.0) >= ESCAPE_MEDIAN_RATIO
        and (plateau.share_70 or 0.0) >= ESCAPE_SHARE_70
    )


def pbo(evidence: Evidence) -> Measurement:
    """PBO by itself."""
    if evidence.optimization_id is None:
        return _not_applicable(NO_SEARCH)
    found = evidence.overfitting
    return _told(
        None if found is None else found.pbo,
        "Above 0.5 the search does worse than choosing at random.",
        "It cannot be cross-validated.",
    )


def sealed_holdout(evidence: Evidence) -> Measurement:
    """Annual Sharpe ratio on the sealed holdout, which no job has read."""
    sealed = evidence.sealed
    if sealed is None:
        return _not_applicable("No holdout was sealed for this code on this market.")
    if sealed.state is SealState.UNOPENED:
        return _absent(f"{sealed.id} is opened once every other gate lets pass.")
    if sealed.state is SealState.SPENT or sealed.test is None:
        return _absent(f"{sealed.id} was spent on {sealed.spent_on}: seal bars that nobody has seen.")
    test = sealed.test
    return _told(
        test.sharpe,
        f"On {test.days:,} sealed days that nobody had seen it returned {test.total_return or 0:.1%}.",
        f"The returns of {test.days:,} sealed days do not vary.",
    )


def oos_sharpe(evidence: Evidence) -> Measurement:
    """Annual Sharpe ratio out of sample."""
    return _told(
        evidence.out_of_sample.sharpe_ratio,
        "The Sharpe ratio on bars that the parameters were not chosen on.",
        "The returns out of sample do not vary.",
    )


def oos_sharpe_kept(evidence: Evidence) -> Measurement:
    """Share of the in-sample Sharpe ratio that is left out of sample."""
    tests = evidence.tests
    return _told(
        None if tests is None else tests.sharpe_ratio_kept,
        "So much of the in-sample Sharpe ratio is left out of sample.",
        "The in-sample Sharpe ratio is not above 0.",
    )


def cost_2x(evidence: Evidence) -> Measurement:
    """Return and Sharpe ratio stay above 0 at doubled fee and slippage."""
    return _earns(
        evidence.doubled_costs,
        "It earns at doubled costs too.",
        "A little more cost eats the profit: trade less often.",
    )


def one_bar_delay(evidence: Evidence) -> Measurement:
    """Return and Sharpe ratio stay above 0 with every signal filled one bar later."""
    if evidence.delayed is None:
        return _not_applicable("Its orders rest in the book: there is no signal to be late for.")
    return _earns(
        evidence.delayed,
        "It earns with every signal filled one bar later too.",
        "The edge is gone one bar later: it depends on being first.",
    )


def fill_bracket(evidence: Evidence) -> Measurement:
    """A grid earns under the stricter fill models too."""
    if not evidence.fill_bracket:
        return _not_applicable("Only a grid's orders rest in the book.")
    strict = [run.metrics.total_return for run in evidence.fill_bracket if run.fill_model.value == "through"]
    found = strict[0] if strict else None
    if found is None:
        return _absent("It was not run where lines must be traded through.")
    text = "It earns where lines must be traded through too."
    if found <= 0:
        text = "Where lines must be traded through it loses: it lives on fills that may not come."
    return Measurement(value=found > 0, text=text, shown=f"return {found:.4f}")


def _earns(metrics: Metrics, yes: str, no: str) -> Measurement:
    earned, sharpe = metrics.total_return, metrics.sharpe_ratio
    if earned is None or sharpe is None:
        return _absent("It does not trade then.")
    passes = earned > 0 and sharpe > 0
    shown = f"return {earned:.4f}, Sharpe ratio {sharpe:.4f}"
    return Measurement(value=passes, text=yes if passes else no, shown=shown)


def max_drawdown(evidence: Evidence) -> Measurement:
    """Largest fall at the size the package would carry."""
    fall, size = evidence.max_drawdown_at_size, evidence.position_size
    if fall is None or size is None:
        return _absent("There is no completed trade to size by.")
    text = f"With {size:.1%} of the capital in each trade the largest fall was {fall:.1%}."
    return Measurement(value=fall, text=text)


def plateau(evidence: Evidence) -> Measurement:
    """Median score around the parameters / their own."""
    if evidence.optimization_id is None:
        return _not_applicable(NO_SEARCH)
    found = evidence.plateau
    if found is None or found.median_ratio is None:
        return _absent("No neighbours were tried, or the score is not above 0.")
    text = f"The median of the {found.neighbours} nearest trials has {found.median_ratio:.0%} of the score."
    return Measurement(value=found.median_ratio, text=text)


def plateau_share_70(evidence: Evidence) -> Measurement:
    """Share of the neighbours with at least 0.7 of the score."""
    if evidence.optimization_id is None:
        return _not_applicable(NO_SEARCH)
    found = evidence.plateau
    share = None if found is None else found.share_70
    return _told(
        share,
        f"{share or 0:.0%} of the nearest trials reach 70 % of the score.",
        "No neighbours were tried, or the score is not above 0.",
    )


def walk_forward_efficiency(evidence: Evidence) -> Measurement:
    """Mean annual return out of sample / in sample."""
    found = _of_windows(evidence)
    return found or _told(
        _tests(evidence, "efficiency"),
        "So much of the annual return in sample is left out of sample.",
        "The mean annual return in sample is not above 0.",
    )


def profitable_windows(evidence: Evidence) -> Measurement:
    """Share of the tests that earned."""
    found = _of_windows(evidence)
    return found or _told(
        _tests(evidence, "profitable_windows"), "So many of the tests earned.", "There are no tests."
    )


def largest_window(evidence: Evidence) -> Measurement:
    """Share of the gains that one test has."""
    found = _of_windows(evidence)
    return found or _told(
        _tests(evidence, "largest_window"), "So much of all gains came in one test.", "No test earned."
    )


def _of_windows(evidence: Evidence) -> Measurement | None:
    tests = evidence.tests
    if tests is not None and tests.windows < 2:
        return _not_applicable("A single test has no windows.")
    return None


def _tests(evidence: Evidence, name: str) -> float | None:
    tests: OutOfSample | None = evidence.tests
    value: float | None = None if tests is None else getattr(tests, name)
    return value


def monte_carlo_drawdown(evidence: Evidence) -> Measurement:
    """Drawdown that 95 % of the orders of the trades stay within, all cash in each."""
    return _told(
        evidence.drawdown_q95,
        "With the trades in another order 95 % of the falls are smaller, all cash in each.",
        "There is no completed trade.",
    )


def spa(evidence: Evidence) -> Measurement:
    """p-value that no trial is better than staying out."""
    if evidence.optimization_id is None:
        return _not_applicable(NO_SEARCH)
    found = evidence.superiority
    if found is None:
        return _absent("No trial varies, or there are too few days.")
    text = f"{found.superior} of the {found.tested} best trials are better than staying out, taken as a set."
    return Measurement(value=found.p_value, text=text)


def buy_and_hold(evidence: Evidence) -> Measurement:
    """Better than holding, by Sharpe or Calmar ratio."""
    held, whole = evidence.holding, evidence.whole
    if held is None or held.sharpe is None or whole.sharpe_ratio is None:
        return _absent("The returns do not vary.")
    better = whole.sharpe_ratio >= held.sharpe
    if held.calmar is not None and whole.calmar_ratio is not None:
        better = better or whole.calmar_ratio >= held.calmar
    text = (
        "Holding does worse by Sharpe or Calmar ratio." if better else "Holding does better by both ratios."
    )
    shown = f"Sharpe ratio {whole.sharpe_ratio:.2f}, holding {held.sharpe:.2f}"
    return Measurement(value=better, text=text, shown=shown)


def regimes(evidence: Evidence) -> Measurement:
    """Share of the regimes in which the Sharpe ratio is above 0."""
    if not evidence.regimes:
        return _absent("There are too few days to tell regimes apart.")
    bad = [regime.name for regime in evidence.regimes if regime.sharpe is None or regime.sharpe <= 0]
    text = f"It does not earn in: {', '.join(bad)}." if bad else "It earns in every regime."
    return Measurement(value=1 - len(bad) / len(evidence.regimes), text=text)


def sharpe_interval(evidence: Evidence) -> Measurement:
    """Low end of the interval of the out-of-sample Sharpe ratio."""
    return _told(
        _tests(evidence, "sharpe_low"),
        "The low end of the 95 % interval of the out-of-sample Sharpe ratio.",
        "The returns out of sample do not vary, or are too few.",
    )


def ljung_box(evidence: Evidence) -> Measurement:
    """p-value that out-of-sample returns have no memory."""
    return _told(
        _tests(evidence, "ljung_box_p"),
        "Where returns remember those before them, their number says less than it seems.",
        "The returns out of sample do not vary, or are too few.",
    )


def min_backtest_length(evidence: Evidence) -> Measurement:
    """There are as many years of bars as so many trials need."""
    found = evidence.significance
    if found is None or found.sharpe is None:
        return _absent("The daily returns do not vary.")
    shown = f"{found.backtest_years:.1f} years"
    if found.minimum_backtest_years is None:
        return Measurement(value=False, text="No length is enough: it does not earn.", shown=shown)
    enough = found.backtest_years >= found.minimum_backtest_years
    text = (
        f"So many worthless trials are expected to show this Sharpe ratio on less than "
        f"{found.minimum_backtest_years:.1f} years."
    )
    return Measurement(value=enough and math.isfinite(found.backtest_years), text=text, shown=shown)
