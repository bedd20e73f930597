"""An opportunity on its way: search, backtest, decision, package; through a crash, and cancelled."""

import asyncio
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import zmq
import zmq.asyncio
from relay_market import ROUTES, Market, Pipelines, load_bars
from relay_peers import Hearer, Speaker, enveloped, flat_a, flat_b, two_frames

from stratopt.v1 import decision_pb2, job_pb2, pipeline_pb2
from stratopt.v1 import pipeline_service_pb2 as pb
from stratopt_client import Client
from stratopt_client.packages import verify
from support import ServerProcess, eventually

APPROVE, DONE = pipeline_pb2.PIPELINE_STEP_APPROVE, pipeline_pb2.PIPELINE_STEP_DONE
SUCCEEDED = job_pb2.JOB_STATUS_SUCCEEDED


async def test_rndr_ends_as_a_decision(market: Market, pipelines: Pipelines) -> None:
    """The documented opportunity, as the scanner sends it, is judged by the default policy."""
    mark = uuid.uuid4().hex
    market.scanner.say(two_frames(enveloped(flat_b("RNDR/USDT", "grid", nonce=mark), mark)))
    begun = await pipelines.of(mark)
    assert begun.route == "ranges"
    assert [run.strategy_id for run in begun.strategy_runs] == ["grid_v1.2"]
    ended = await pipelines.ended(begun.id)
    assert ended.status == SUCCEEDED, ended.failure
    (run,) = ended.strategy_runs
    assert run.step == DONE
    async with Client(market.server.address) as client:
        decision = await client.approvals.decision(run.decision_id)
        assert decision.outcome == run.outcome
        assert decision.policy == "default/v1"
        assert decision.backtest_id == run.backtest_id
        assert decision.evidence.optimization_id == run.optimization_id
        search = await client.optimizations.get(run.optimization_id)
        backtest = await client.backtests.get(run.backtest_id)
    assert (search.symbol, search.strategy_id) == ("RNDR/USDT", "grid_v1.2")
    assert backtest.params == search.best.trial.params
    assert ended.complete_time.ToDatetime() >= ended.start_time.ToDatetime() >= ended.create_time.ToDatetime()


async def test_planted_edge_ends_as_a_published_package(market: Market, pipelines: Pipelines) -> None:
    """From the scanner's frame to the trader's frame, over real sockets, with every step watched."""
    mark = uuid.uuid4().hex
    address = market.info().relay_address
    with zmq.asyncio.Context() as context:
        trader = Hearer(context, address, b"optimizer.pool.trading", b"optimizer.progress")
        await trader.hear(b"optimizer.heartbeat")
        market.scanner.say(two_frames(flat_a("EDGE-USDT", "breakout", nonce=mark)))
        begun = await pipelines.of(mark)
        steps: list[int] = []
        sequences: list[int] = []
        async for event in pipelines.stub.WatchPipeline(pb.WatchPipelineRequest(pipeline_id=begun.id)):
            sequences.append(event.sequence)
            if event.HasField("snapshot"):
                steps.append(event.snapshot.strategy_runs[0].step)
        assert sequences == sorted(sequences)
        assert steps == sorted(steps)
        assert steps[-1] == DONE
        package = await trader.hear(b"optimizer.pool.trading")
        trader.socket.close()
    ended = (await pipelines.stub.GetPipeline(pb.GetPipelineRequest(pipeline_id=begun.id))).pipeline
    (run,) = ended.strategy_runs
    assert run.outcome == decision_pb2.DECISION_OUTCOME_APPROVE
    assert package["package_id"] == run.package_id
    assert package["symbol"] == "EDGE/USDT"
    async with Client(market.server.address) as client:
        key = (await client.approvals.signing_key()).public_key
        assert verify(package, key)["decision_id"] == run.decision_id
        assert (await client.approvals.package(run.package_id)).HasField("publish_time")


async def test_a_strategy_that_cannot_run_fails_with_its_reason(market: Market, pipelines: Pipelines) -> None:
    """A route may name a strategy that is not there; the pipeline says so, and reloads put it right."""
    broken = ROUTES.replace("kinds: [slow]", "kinds: [slow, broken]").replace(
        "  - name: slow",
        "  - name: broken\n    match: {kinds: [broken]}\n    strategies:\n"
        "      - strategy_id: no_such\n        param_ranges: {a: [1, 2]}\n  - name: slow",
    )
    market.routes.write_text(broken)
    try:
        routes = (await pipelines.stub.ReloadRoutes(pb.ReloadRoutesRequest())).routes
        assert [route.name for route in routes] == ["ranges", "asked", "breakouts", "broken", "slow"]
        mark = uuid.uuid4().hex
        market.scanner.say(two_frames(flat_b("EDGE/USDT", "broken", nonce=mark)))
        ended = await pipelines.ended((await pipelines.of(mark)).id)
    finally:
        market.routes.write_text(ROUTES)
        await pipelines.stub.ReloadRoutes(pb.ReloadRoutesRequest())
    assert ended.status == job_pb2.JOB_STATUS_FAILED
    assert ended.failure.reason == ended.strategy_runs[0].failure.reason == "STRATEGY_NOT_FOUND"
    assert "no_such" in ended.failure.message


async def test_a_bad_routes_file_changes_nothing(market: Market, pipelines: Pipelines) -> None:
    """A reload names everything that is wrong with the file, by RPC and in the log; the routes stay."""
    market.routes.write_text(
        ROUTES.replace("confidence_min: 0.5", "confidence_min: 5")
        .replace("policy: lax/v1", "policy: laxer/v1")
        .replace("pick: best", "pik: best")
    )
    try:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await pipelines.stub.ReloadRoutes(pb.ReloadRoutesRequest())
        before = len(market.server.log())
        market.server.hang_up()

        async def said() -> bool:
            return "not reloaded" in market.server.log()[before:]

        await eventually(said, within=5, because="SIGHUP reads the file")
    finally:
        market.routes.write_text(ROUTES)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    details = caught.value.details() or ""
    assert "routes[2].match.confidence_min" in details
    assert "routes[2].strategies[0].policy" in details
    assert "routes[0].strategies[0].pik: no such field; did you mean 'pick'?" in details
    routes = (await pipelines.stub.ListRoutes(pb.ListRoutesRequest())).routes
    assert [route.name for route in routes] == ["ranges", "asked", "breakouts", "slow"]
    assert routes[2].confidence_min == 0.5
    before = len(market.server.log())
    market.server.hang_up()

    async def in_force() -> bool:
        return "4 routes are in force" in market.server.log()[before:]

    await eventually(in_force, within=5, because="the file is sound again")


async def test_cancelled_pipeline_stops_its_search(market: Market, pipelines: Pipelines) -> None:
    """Its job is cancelled with it; again is no error, and one that succeeded cannot be cancelled."""
    mark = uuid.uuid4().hex
    market.scanner.say(two_frames(flat_b("EDGE/USDT", "slow", nonce=mark)))
    begun = await pipelines.of(mark)

    async def searching() -> bool:
        found = (await pipelines.stub.GetPipeline(pb.GetPipelineRequest(pipeline_id=begun.id))).pipeline
        return found.progress.done > 0

    await eventually(searching, within=20, because="its progress shows")
    for _ in range(2):
        assert (await pipelines.cancel(begun.id)).status == job_pb2.JOB_STATUS_CANCELLED
    ended = await pipelines.ended(begun.id)
    async with Client(market.server.address) as client:
        search = await client.optimizations.get(ended.strategy_runs[0].optimization_id)
    assert search.status == job_pb2.JOB_STATUS_CANCELLED
    done = (await pipelines.page(status=SUCCEEDED))[0]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await pipelines.cancel(done.id)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    for call in (pipelines.cancel, pipelines.ended):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call("pl_none")
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.fixture
def crashing(
    tmp_path: Path, neighbours: Any, market_bars: Path
) -> Iterator[tuple[Speaker, dict[str, str], list[ServerProcess]]]:
    """A scanner, the settings of a server that hears it, and the servers that were started."""
    scanner = Speaker(neighbours)
    (tmp_path / "routes.yaml").write_text(ROUTES)
    settings = {
        "STRATOPT_SCANNER_CONNECT": scanner.address,
        "STRATOPT_ROUTES_FILE": str(tmp_path / "routes.yaml"),
        "STRATOPT_LEASE_SECONDS": "1",
        "STRATOPT_PIPELINES_RUNNING_MAX": "1",
        "STRATOPT_PIPELINES_PENDING_MAX": "2",
    }
    servers = [ServerProcess(tmp_path / "data", settings)]
    load_bars(servers[0].address, market_bars)
    yield scanner, settings, servers
    for server in servers:
        server.stop()
    scanner.socket.close()


async def test_pipelines_outlive_a_crash_and_the_oldest_is_dropped_first(
    crashing: tuple[Speaker, dict[str, str], list[ServerProcess]], tmp_path: Path
) -> None:
    """Kill -9 in the search: the same search goes on to a decision. Beyond the queue the oldest goes."""
    scanner, settings, servers = crashing
    scanner.wait_heard()
    marks = [uuid.uuid4().hex for _ in range(4)]
    async with grpc.aio.insecure_channel(servers[0].address) as channel:
        before = Pipelines(channel)
        for number, mark in enumerate(marks):
            scanner.say(two_frames(flat_b("EDGE/USDT", "breakout", nonce=mark)))
            waits_for = await before.of(mark)
            if number == 0:
                await asyncio.wait_for(has_search(before, waits_for.id), 20)
        ids = [(await before.of(mark)).id for mark in marks]
        dropped = (await before.stub.GetPipeline(pb.GetPipelineRequest(pipeline_id=ids[1]))).pipeline
        first = (await before.stub.GetPipeline(pb.GetPipelineRequest(pipeline_id=ids[0]))).pipeline
        assert dropped.failure.reason == "DROPPED"
        assert (await before.messages_in())["dropped"] == 1
    servers[0].kill()
    servers.append(ServerProcess(tmp_path / "data", settings))
    async with grpc.aio.insecure_channel(servers[1].address) as channel:
        await asyncio.wait_for(reaches(Pipelines(channel), ids[0], APPROVE), 60)
    servers[1].kill()
    servers.append(ServerProcess(tmp_path / "data", settings))
    async with grpc.aio.insecure_channel(servers[2].address) as channel:
        after = Pipelines(channel)
        for pipeline_id in (ids[0], ids[2], ids[3]):
            ended = await after.ended(pipeline_id)
            assert ended.status == SUCCEEDED, ended.failure
            assert ended.strategy_runs[0].package_id
        resumed = (await after.stub.GetPipeline(pb.GetPipelineRequest(pipeline_id=ids[0]))).pipeline
        same = resumed.strategy_runs[0].optimization_id
        assert same == first.strategy_runs[0].optimization_id
        assert json.loads(resumed.opportunity.document_json)["nonce"] == marks[0]
    async with Client(servers[2].address) as client:
        backtest_id = resumed.strategy_runs[0].backtest_id
        decisions = [row.id async for row in client.approvals.decisions(backtest_id=backtest_id)]
        searches = [row.id async for row in client.optimizations.list(symbol="EDGE/USDT")]
    assert decisions == [resumed.strategy_runs[0].decision_id]
    assert len(searches) == 3


async def reaches(pipelines: Pipelines, pipeline_id: str, step: int) -> None:
    """Follow a pipeline until its strategy is at a step, or beyond."""
    async for event in pipelines.stub.WatchPipeline(pb.WatchPipelineRequest(pipeline_id=pipeline_id)):
        if event.HasField("snapshot") and event.snapshot.strategy_runs[0].step >= step:
            return


async def has_search(pipelines: Pipelines, pipeline_id: str) -> None:
    """Follow a pipeline until it has begun a search."""
    async for event in pipelines.stub.WatchPipeline(pb.WatchPipelineRequest(pipeline_id=pipeline_id)):
        if event.HasField("snapshot") and event.snapshot.strategy_runs[0].optimization_id:
            return
