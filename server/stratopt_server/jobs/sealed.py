"""Inside the process that reads a sealed holdout, for one decision."""

import math
from pathlib import Path

import numpy as np

from stratopt_server.domain.jobs import JobKind
from stratopt_server.domain.market import from_microseconds, to_microseconds
from stratopt_server.domain.runs import BacktestSpec
from stratopt_server.domain.seals import SealedTest
from stratopt_server.domain.validation import Span
from stratopt_server.jobs.messages import OpenSeal
from stratopt_server.jobs.running import contract_of
from stratopt_server.jobs.walking import Walk
from stratopt_server.market.columns import ColumnStore
from stratopt_server.storage.codec import to_json
from stratopt_server.storage.sql import SqlStorage
from stratopt_server.validation.overfitting import moments, probabilistic_sharpe_ratio
from stratopt_server.validation.risk import MICROSECONDS_A_DAY, daily_returns


def open_seal(task: OpenSeal) -> object:
    """Run the backtest's parameters over the sealed bars; return what they did, for the server."""
    storage = SqlStorage.open(task.database_url, migrated=True)
    try:
        backtest = storage.jobs.get(JobKind.BACKTEST, task.backtest_id)
    finally:
        storage.close()
    assert backtest is not None, "the use-case has found it"
    spec = backtest.spec
    assert isinstance(spec, BacktestSpec), "a backtest has a BacktestSpec"
    bars = ColumnStore(Path(task.bars_dir)).open(task.dataset_hash)
    terms = spec.scenario.terms
    walk = Walk(contract_of(backtest).kernel, bars, terms)
    span = Span(task.first_bar_time, from_microseconds(int(bars.time[-1])))
    stitched = walk.stitched([walk.test(span, spec.params)])
    returns = daily_returns(stitched.time, stitched.equity, terms.initial_cash)
    daily = moments(returns)
    days_per_year = (
        terms.bars_per_year * len(np.unique(stitched.time // MICROSECONDS_A_DAY)) / len(stitched.time)
    )
    psr = None
    if daily is not None:
        psr = probabilistic_sharpe_ratio(daily.sharpe, daily.count, daily.skewness, daily.kurtosis)
    assert to_microseconds(task.first_bar_time) <= int(stitched.time[0]), "nothing before the seal is tested"
    test = SealedTest(
        first_bar_time=from_microseconds(int(stitched.time[0])),
        last_bar_time=from_microseconds(int(stitched.time[-1])),
        days=len(returns),
        sharpe=None if daily is None else daily.sharpe * math.sqrt(days_per_year),
        psr=psr,
        total_return=stitched.metrics.total_return,
        trade_count=stitched.metrics.trade_count,
    )
    return to_json(SealedTest, test)
