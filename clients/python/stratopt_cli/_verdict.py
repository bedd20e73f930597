"""What the result of a search means, in plain words."""

from stratopt.v1.metrics_pb2 import Metrics
from stratopt.v1.optimization_pb2 import Optimization

KEPT_MIN = 0.5
"""Share of the in-sample Sharpe ratio below which "it held in part" is said as "it did not hold"."""
ROUND_TRIPS_MIN = 20
"""Fewer of them out of sample are named: chance decides over so few."""


def verdict(optimization: Optimization) -> str:
    """Say what the best trial is worth as evidence; the out-of-sample bars decide."""
    if not optimization.HasField("best"):
        return (
            "No trial qualifies: none traded often enough with a defined target. "
            "Widen the ranges, or lower --min-trades."
        )
    unseen = _unseen(optimization)
    if unseen is None:
        return (
            "No bars were held out, so nothing here says how these parameters do on bars the search "
            "has not seen. Search again with --validation walk-forward before believing them."
        )
    seen = _seen(optimization)
    tried = f"the best of {optimization.progress.done:,} trials looks good by selection alone"
    if not unseen.HasField("sharpe_ratio"):
        return (
            "On the bars the search never saw, these parameters did not trade: "
            f"there is no evidence for them, and {tried}."
        )
    if not seen.HasField("sharpe_ratio") or seen.sharpe_ratio <= 0:
        return (
            "Even the best trial did not earn its risk on the bars the search saw. "
            "This strategy, over these ranges, does not fit these bars."
        )
    told = _compared(seen.sharpe_ratio, unseen.sharpe_ratio, tried, _stretch(optimization))
    if unseen.trade_count < ROUND_TRIPS_MIN:
        told += f" It rests on {unseen.trade_count:,} round trips out of sample; over so few, chance decides."
    return told


def _compared(seen: float, unseen: float, tried: str, stretch: str) -> str:
    fell = f"The Sharpe ratio fell from {seen:.2f} to {unseen:.2f} on bars the search never saw"
    if unseen <= 0:
        return (
            f"{fell}: it did not hold at all. The search most likely fitted noise; {tried}. "
            "Do not trade these parameters on this evidence."
        )
    if unseen < KEPT_MIN * seen:
        return (
            f"{fell}: most of it did not hold. What was found is largely fitted to the bars the search "
            f"saw; {tried}. This is not enough to trade on."
        )
    if unseen < seen:
        return (
            f"{fell}: it held in part. That is how an edge looks, and also how luck looks: "
            f"{tried}, and {stretch} is thin evidence."
        )
    return (
        f"The Sharpe ratio was {seen:.2f} on the bars the search saw and {unseen:.2f} on bars it never "
        f"saw: it held. Yet {stretch} can be a kind one; check other periods and symbols before trading it."
    )


def _unseen(optimization: Optimization) -> Metrics | None:
    """What was earned on bars that no search saw: of the best, or of each window's."""
    if optimization.best.HasField("out_of_sample"):
        return optimization.best.out_of_sample
    walked = optimization.walk_forward
    return walked.out_of_sample if walked.HasField("out_of_sample") else None


def _seen(optimization: Optimization) -> Metrics:
    """What was earned on bars that a search saw: of the best, or on the mean of the windows' best."""
    metrics = Metrics()
    metrics.CopyFrom(optimization.best.trial.metrics)
    windows = [window.best.trial.metrics for window in optimization.walk_forward.windows]
    sharpes = [one.sharpe_ratio for one in windows if one.HasField("sharpe_ratio")]
    if sharpes:
        metrics.sharpe_ratio = sum(sharpes) / len(sharpes)
    return metrics


def _stretch(optimization: Optimization) -> str:
    """What the bars are that no search saw."""
    windows = len(optimization.walk_forward.windows)
    return f"one history in {windows} windows" if windows else "one held-out stretch"
