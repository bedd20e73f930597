"""The whole way over gRPC: from bars to a verified package on a real ZeroMQ socket."""

import pytest

from stratopt_client import Client, FailedPrecondition, NotFound, params_to_python
from stratopt_client.packages import document_of, subscribed, verify
from stratopt_client.sync import SyncClient
from support import LAX, MARKET_FILES, ServerProcess

BTC = MARKET_FILES / "binance_BTC-USDT_1h.parquet"
DATES = {"start_date": "2020-01-01", "end_date": "2022-12-31"}


@pytest.mark.skipif(not BTC.exists(), reason="the shared market data are not here")
async def test_from_bars_to_a_verified_package_over_grpc(client: Client) -> None:
    """Import, search, backtest, a rejection with its reasons, an approval, the package as published."""
    await client.market_data.import_file(BTC, symbol="BTC/USDT", exchange="binance", timeframe="1h")
    search = await client.optimizations.start(
        "BTC/USDT",
        "ma_cross_v1.0",
        {"fast_period": {"min": 10, "max": 40, "step": 10}, "slow_period": {"choices": [60, 120]}},
        fixed_params={"signal_threshold": 0.005},
        start_date=DATES["start_date"],
        end_date=DATES["end_date"],
    )
    best = (await search.result(timeout=60)).best.trial.params
    handle = await client.backtests.start(
        "BTC/USDT",
        "ma_cross_v1.0",
        params=best,
        start_date=DATES["start_date"],
        end_date=DATES["end_date"],
    )
    with pytest.raises(FailedPrecondition):
        await client.approvals.approve("ma_cross_v1.0", handle.id)
    await handle.result(timeout=60)
    rejected = await client.approvals.approve("ma_cross_v1.0", handle.id)
    assert not rejected.HasField("parameter_package")
    assert rejected.decision.evidence.optimization_id == search.id

    key = (await client.approvals.signing_key()).public_key
    address = (await client.system.info()).relay_address
    async with subscribed(address) as messages:
        answer = await client.approvals.approve("ma_cross_v1.0", handle.id, policy=LAX)
        assert answer.HasField("parameter_package"), answer.decision.reason
        package = verify(await anext(messages), key)
    assert package["parameters"] == params_to_python(best)
    assert package["decision_id"] == answer.decision.id
    stored = await client.approvals.package(package["package_id"])
    assert verify(document_of(stored), key) == package


async def test_decisions_and_packages_are_found(client: Client, server: ServerProcess, walk: str) -> None:
    """By id and by filter, newest first, async and sync; what does not exist is NotFound."""
    handle = await client.backtests.start(walk, "ma_cross_v1.0", end_date="2023-02-15")
    await handle.result(timeout=60)
    made = await client.approvals.approve("ma_cross_v1.0", handle.id, request_id="packages-once")
    again = await client.approvals.approve("ma_cross_v1.0", handle.id, request_id="packages-once")
    assert again == made
    newer = await client.approvals.approve("ma_cross_v1.0", handle.id, policy=LAX)
    found = [row.id async for row in client.approvals.decisions(backtest_id=handle.id)]
    assert found == [newer.decision.id, made.decision.id]
    rejected = client.approvals.decisions(backtest_id=handle.id, outcome="reject")
    assert made.decision.id in [row.id async for row in rejected]
    assert await client.approvals.decision(made.decision.id) == made.decision
    with pytest.raises(NotFound):
        await client.approvals.decision("dec_none")
    with pytest.raises(NotFound):
        await client.approvals.package("pkg_none")

    def without_asyncio() -> None:
        with SyncClient(server.address) as sync:
            assert sync.approvals.decision(made.decision.id) == made.decision
            assert [row.id for row in sync.approvals.decisions(backtest_id=handle.id)] == found
            assert len(sync.approvals.signing_key().public_key) == 32
            packages = [row.id for row in sync.approvals.packages(symbol=walk)]
            assert all(sync.approvals.package(package_id).id == package_id for package_id in packages)
            assert sync.system.info().relay_address.startswith("tcp://127.0.0.1:")
            assert sync.system.metrics().strategies >= 2
            best = sync.backtests.reports(symbol=walk, order="sharpe").page(size=1).rows
            assert best[0].HasField("metrics")
            assert sync.backtests.handle(handle.id).report().id == handle.id

    import asyncio

    await asyncio.to_thread(without_asyncio)
