"""Sealed holdouts through the front door: nothing reads them, until one decision does, once."""

from pathlib import Path

import pytest

from stratopt.v1 import decision_pb2, sealed_holdout_pb2
from stratopt.v1.sealed_holdout_pb2 import SealedHoldout
from stratopt_client import (
    AlreadyExists,
    BacktestHandle,
    Client,
    FailedPrecondition,
    InvalidRequest,
    NotFound,
)
from support import LAX, write_bars

STRATEGY = "ma_cross_v1.0"
PARAMS = {"fast_period": 5, "slow_period": 20, "signal_threshold": 0.0}


@pytest.fixture
async def symbol(client: Client, tmp_path: Path) -> str:
    """Bars that no job has read."""
    path = write_bars(tmp_path / "bars.csv", count=3_000, regime_bars=100, regime_drift=0.001)
    await client.market_data.import_file(path, symbol="SEAL/USDT", exchange="test")
    return "SEAL/USDT"


async def test_sealed_bars_are_read_once(client: Client, symbol: str) -> None:
    """Sealing, runs that end before the seal, runs that ask for more, the decision that opens it."""
    strategy = STRATEGY
    with pytest.raises(InvalidRequest) as unfit:
        await client.approvals.seal_holdout(strategy, symbol, share=0.9)
    assert unfit.value.violations[0].field == "share"
    with pytest.raises(NotFound):
        await client.approvals.seal_holdout("none", symbol)
    seal = await client.approvals.seal_holdout(strategy, symbol, share=0.25, request_id="seal-once")
    assert seal == await client.approvals.seal_holdout(strategy, symbol, share=0.25, request_id="seal-once")
    with pytest.raises(AlreadyExists):
        await client.approvals.seal_holdout(strategy, symbol)
    first = seal.first_bar_time.ToDatetime()

    search = await client.optimizations.start(
        symbol=symbol, strategy_id=strategy, param_ranges={"fast_period": [3, 9]}, max_iterations=7
    )
    done = await search.result(timeout=60)
    assert (await search.get()).end_date.ToDatetime() < first
    for asked in ({"end_date": "2023-05-01"}, {"start_date": "2023-04-25"}):
        with pytest.raises(FailedPrecondition) as refusal:
            await client.backtests.start(symbol=symbol, strategy_id=strategy, **asked)
        assert refusal.value.reason == "SEALED_HOLDOUT"
        assert seal.id in str(refusal.value)
    other = await client.backtests.start(symbol=symbol, strategy_id="momentum_v1.0")
    await other.result(timeout=60)
    assert (await other.get()).metrics.bar_count == 3_000  # other code is not held back
    assert done.best.trial.params

    handles = [await backtested(client, symbol, fast) for fast in (5, 6)]
    await opened_once(client, seal, handles)

    whole = await backtested(client, symbol, 5)
    assert (await whole.get()).metrics.bar_count == 3_000
    with pytest.raises(FailedPrecondition) as seen:
        await client.approvals.seal_holdout(strategy, symbol)
    assert seen.value.reason == "HOLDOUT_SEEN"


async def backtested(client: Client, symbol: str, fast: int) -> BacktestHandle:
    """A succeeded backtest over all bars that are open."""
    handle = await client.backtests.start(
        symbol=symbol, strategy_id=STRATEGY, params={**PARAMS, "fast_period": fast}
    )
    await handle.result(timeout=60)
    return handle


async def opened_once(client: Client, seal: SealedHoldout, handles: list[BacktestHandle]) -> None:
    """A rejection leaves it sealed; a decision reads it; the same question hears the same, others nothing."""
    stages: list[str] = []
    strict = await client.approvals.approve(STRATEGY, handles[0].id, policy="conservative/v1")
    assert strict.decision.outcome == decision_pb2.DECISION_OUTCOME_REJECT
    assert strict.decision.evidence.sealed.state == sealed_holdout_pb2.SEAL_STATE_UNOPENED
    plain = await client.approvals.approve(STRATEGY, handles[0].id, policy=LAX)  # asks for no sealed holdout
    assert not plain.decision.evidence.HasField("sealed")

    opened = await client.approvals.approve(
        STRATEGY, handles[0].id, policy="sealed/v1", on_stage=stages.append
    )
    assert "opening the sealed holdout" in stages
    sealed = opened.decision.evidence.sealed
    assert (sealed.id, sealed.state) == (seal.id, sealed_holdout_pb2.SEAL_STATE_TESTED)
    assert sealed.test.first_bar_time == seal.first_bar_time
    assert 30 <= sealed.test.days <= 33
    row = (await client.approvals.sealed_holdouts().page(size=1)).rows[0]
    assert (row.id, row.spent_on, row.test) == (seal.id, handles[0].id, sealed.test)

    again = await client.approvals.approve(STRATEGY, handles[0].id, policy="sealed/v1")
    assert again.decision.evidence.sealed == sealed  # the same question has the same answer
    late = await client.approvals.approve(STRATEGY, handles[1].id, policy="sealed/v1")
    assert late.decision.evidence.sealed.state == sealed_holdout_pb2.SEAL_STATE_SPENT
    assert late.decision.outcome == decision_pb2.DECISION_OUTCOME_REJECT
    assert "seal bars that nobody has seen" in late.decision.reason
