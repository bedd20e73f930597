"""What would change a gate that did not pass, in one sentence."""

import math

from stratopt_server.domain.evidence import Evidence
from stratopt_server.validation.overfitting import minimum_track_record_length


def more_trades(count: float, wanted: float) -> str:
    """How many round trips are missing."""
    return f"{math.ceil(wanted) - int(count):,} more are needed: use more bars, or parameters that trade."


def more_days_out_of_sample(evidence: Evidence, confidence: float) -> str:
    """How many days as good as these would make the out-of-sample Sharpe ratio certain enough."""
    measured = evidence.moments_oos
    if measured is None or confidence >= 1:
        return ""
    days = minimum_track_record_length(
        measured.sharpe, measured.skewness, measured.kurtosis, confidence=max(confidence, 0.501)
    )
    if days is None or math.isinf(days):
        return "It lost money or stood still out of sample: more days of the same would not help."
    return _more(days, measured.count)


def more_days_in_sample(evidence: Evidence, confidence: float) -> str:
    """How many days as good as these would deflate to the confidence."""
    found = evidence.significance
    if found is None or found.daily is None or found.expected_maximum is None or confidence >= 1:
        return ""
    daily = found.daily
    days = minimum_track_record_length(
        daily.sharpe,
        daily.skewness,
        daily.kurtosis,
        benchmark_sharpe=found.expected_maximum / math.sqrt(found.days_per_year),
        confidence=max(confidence, 0.501),
    )
    if days is None or math.isinf(days):
        return (
            "Luck among so many trials explains it: more days of the same would not help, fewer trials would."
        )
    return _more(days, daily.count)


def _more(days: float, there: int) -> str:
    more = max(math.ceil(days) - there, 1)
    return f"It needs {more:,} more daily {'bar' if more == 1 else 'bars'} as good as these."
