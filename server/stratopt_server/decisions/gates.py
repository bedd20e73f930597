"""The gates: one pure function each, from evidence and a threshold to a finding with its reasons."""

import math
from dataclasses import dataclass

from stratopt_server.domain.decisions import CriterionValue, GateResult
from stratopt_server.domain.evidence import Evidence
from stratopt_server.domain.market import DataGrade
from stratopt_server.validation.overfitting import minimum_track_record_length

GRADES = (DataGrade.BAD, DataGrade.USABLE, DataGrade.GOOD)
"""From worst to best."""


@dataclass(frozen=True, slots=True)
class Finding:
    """How a gate ended, and why."""

    result: GateResult
    measured: str
    wanted: str
    explanation: str


def _finding(passed: bool, measured: str, wanted: str, explanation: str) -> Finding:
    return Finding(GateResult.PASSED if passed else GateResult.FAILED, measured, wanted, explanation)


def _absent(wanted: str, explanation: str) -> Finding:
    return Finding(GateResult.NOT_COMPUTABLE, "", wanted, explanation)


def costs_above_zero(evidence: Evidence, wanted: CriterionValue) -> Finding:
    """The backtest paid fees or slippage."""
    costs = evidence.costs
    measured = f"fee {costs.taker_fee:g}, slippage {costs.slippage:g}"
    if wanted is False:
        return _finding(True, measured, "any", "Costs are not asked for.")  # noqa: FBT003 - the verdict
    passed = costs.taker_fee > 0 or costs.slippage > 0
    text = "The backtest paid for its trades." if passed else "Trading is never free: run it with costs."
    return _finding(passed, measured, "above 0", text)


def data_grade(evidence: Evidence, wanted: CriterionValue) -> Finding:
    """The bars can be trusted as far as asked."""
    passed = GRADES.index(evidence.data_grade) >= GRADES.index(DataGrade(wanted))
    text = "The bars are sound." if passed else "The bars are not sound enough: see their quality report."
    return _finding(passed, evidence.data_grade.value, f"{wanted} or better", text)


def trades_in_sample(evidence: Evidence, wanted: CriterionValue) -> Finding:
    """There were enough round trips to choose by."""
    return _trades(evidence.in_sample.trade_count, wanted, "the parameters were chosen by")


def trades_out_of_sample(evidence: Evidence, wanted: CriterionValue) -> Finding:
    """There were enough round trips on bars the search did not see."""
    return _trades(evidence.out_of_sample.trade_count, wanted, "they were tested by")


def _trades(count: int, wanted: CriterionValue, role: str) -> Finding:
    passed = count >= float(wanted)
    text = f"{count} round trips are what {role}."
    if not passed:
        text += (
            f" {math.ceil(float(wanted)) - count} more are needed: use more bars, or parameters that trade."
        )
    return _finding(passed, str(count), f">= {wanted:g}", text)


def psr_out_of_sample(evidence: Evidence, wanted: CriterionValue) -> Finding:
    """The out-of-sample Sharpe ratio is above zero for more than chance."""
    psr, days = evidence.psr_oos, evidence.out_of_sample_days
    if evidence.searched_by is not None:
        seen = f"Search {evidence.searched_by} has seen these bars: it held none out, or had other costs."
        return _absent(f">= {wanted:g}", f"{seen} Search at these costs with a holdout.")
    if psr is None:
        return _absent(f">= {wanted:g}", f"{days} daily returns out of sample do not vary: nothing to judge.")
    passed = psr >= float(wanted)
    text = f"The chance that the true out-of-sample Sharpe ratio is above 0 is {psr:.1%}, by {days} days."
    if not passed:
        text += _what_would_help(evidence, confidence=float(wanted))
    return _finding(passed, f"{psr:.4f}", f">= {wanted:g}", text)


def _what_would_help(evidence: Evidence, *, confidence: float) -> str:
    measured = evidence.moments_oos
    if measured is None or confidence >= 1:
        return ""
    days = minimum_track_record_length(
        measured.sharpe, measured.skewness, measured.kurtosis, confidence=confidence
    )
    if days is None or math.isinf(days):
        return " It lost money or stood still out of sample: more days of the same would not help."
    more = max(math.ceil(days) - measured.count, 1)
    return f" It needs {more:,} more daily {'bar' if more == 1 else 'bars'} as good as these."


def profitable_at_doubled_costs(evidence: Evidence, wanted: CriterionValue) -> Finding:
    """Return and Sharpe ratio stay above zero at doubled fee and slippage."""
    doubled = evidence.doubled_costs
    if wanted is False:
        return _finding(True, "", "any", "Doubled costs are not asked for.")  # noqa: FBT003 - the verdict
    if doubled.total_return is None or doubled.sharpe_ratio is None:
        return _absent("return and Sharpe ratio above 0", "It did not trade at doubled costs.")
    passed = doubled.total_return > 0 and doubled.sharpe_ratio > 0
    measured = f"return {doubled.total_return:.4f}, Sharpe ratio {doubled.sharpe_ratio:.4f}"
    text = (
        "It earns at doubled costs too."
        if passed
        else "A little more cost eats the profit: trade less often."
    )
    return _finding(passed, measured, "return and Sharpe ratio above 0", text)


def drawdown_at_size(evidence: Evidence, wanted: CriterionValue) -> Finding:
    """The largest fall stays within the limit at the size the package would carry."""
    drawdown, size = evidence.max_drawdown_at_size, evidence.position_size
    if drawdown is None or size is None:
        return _absent(f"<= {wanted:g}", "There is no completed trade to size by.")
    passed = drawdown <= float(wanted)
    text = f"With {size:.1%} of the capital in each trade the largest fall was {drawdown:.1%}."
    if not passed:
        text += (
            " The trades in their real order fall deeper than in most others: a smaller limit sizes it down."
        )
    return _finding(passed, f"{drawdown:.4f}", f"<= {wanted:g}", text)
