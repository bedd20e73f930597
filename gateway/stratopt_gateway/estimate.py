"""How long a backtest will take, roughly: from its bars and from the queue in front of it.

Measured on two cores: a warm backtest takes about half a second, and a second more for every 15,000 bars;
the first one after a start waits until what makes reports is loaded.
"""

import math
from datetime import timedelta

from stratopt.v1.backtest_pb2 import Backtest
from stratopt.v1.system_service_pb2 import GetMetricsResponse

FIXED_SECONDS = 0.5
SECONDS_A_BAR = 1 / 15_000
LOADING_SECONDS = 12.0
"""From the start of a server until it makes reports."""
UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def bar_count(backtest: Backtest) -> int:
    """Return how many bars lie between its dates, gaps and nights counted in."""
    unit = UNITS.get(backtest.timeframe[-1:])
    if unit is None:
        return 0
    step = int(backtest.timeframe[:-1] or 1) * unit
    span = backtest.end_date.ToDatetime() - backtest.start_date.ToDatetime()
    return int(span / step) + 1


def seconds(backtest: Backtest, metrics: GetMetricsResponse) -> int:
    """Return whole seconds until it should be done, at least 1; jobs ahead are taken to be like it."""
    alone = FIXED_SECONDS + SECONDS_A_BAR * bar_count(backtest)
    pending = metrics.backtests.get("pending", 0) + metrics.optimizations.get("pending", 0)
    ahead = max(pending - 1, 0) + metrics.jobs_running
    turns = ahead // max(metrics.jobs_running_max, 1)
    loading = max(LOADING_SECONDS - metrics.uptime_seconds, 0.0)
    return max(math.ceil(loading + alone * (turns + 1)), 1)
