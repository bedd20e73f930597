"""A server between a scanner and a review desk, and its pipelines, waited for."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from relay_peers import Speaker

from stratopt.v1 import job_pb2, pipeline_pb2, system_service_pb2
from stratopt.v1 import pipeline_service_pb2 as pb
from stratopt.v1.pipeline_service_pb2_grpc import PipelineServiceStub
from stratopt.v1.system_service_pb2_grpc import SystemServiceStub
from stratopt_client.sync import SyncClient
from support import ServerProcess, eventually

ROUTES = """
version: 1
routes:
  - name: ranges
    match: {kinds: [grid]}
    strategies:
      - strategy_id: grid_v1.2
        param_ranges: {grid_num: {min: 10, max: 30, step: 10}}
        fixed_params: {profit_ratio: 0.015}
        pick: best
  - name: asked
    match: {kinds: [asked]}
    policy: asking/v1
    strategies:
      - strategy_id: ma_cross_v1.0
        param_ranges: {fast_period: {choices: [5, 9]}, slow_period: {choices: [30]}}
        fixed_params: {signal_threshold: 0.0}
        validation: holdout
  - name: breakouts
    match: {kinds: [breakout], confidence_min: 0.5}
    policy: lax/v1
    strategies:
      - strategy_id: ma_cross_v1.0
        param_ranges: {fast_period: {choices: [5, 9]}, slow_period: {choices: [30]}}
        fixed_params: {signal_threshold: 0.0}
        validation: holdout
  - name: slow
    match: {kinds: [slow]}
    strategies:
      - strategy_id: ma_cross_v1.0
        param_ranges: {fast_period: [2, 60], slow_period: [61, 400], signal_threshold: [0.0, 0.02]}
        algorithm: random
        max_iterations: 100000
"""
FINAL = {job_pb2.JOB_STATUS_SUCCEEDED, job_pb2.JOB_STATUS_FAILED, job_pb2.JOB_STATUS_CANCELLED}


@dataclass(frozen=True)
class Market:
    """A server, its neighbours, and where its sockets are."""

    server: ServerProcess
    scanner: Speaker
    desk: Speaker
    routes: Path

    def info(self) -> system_service_pb2.GetServerInfoResponse:
        """What the server says of itself."""
        with SyncClient(self.server.address) as client:
            return client.system.info()

    def packages(self) -> int:
        """Count the packages that were published."""
        with SyncClient(self.server.address) as client:
            return sum(1 for _ in client.approvals.replay())

    def revoked(self) -> int:
        """Count those that were revoked."""
        with SyncClient(self.server.address) as client:
            return sum(1 for _ in client.approvals.revocations())


def load_bars(address: str, bars: Path) -> None:
    """Import them under the symbols of these tests."""
    with SyncClient(address) as client:
        for symbol in ("RNDR/USDT", "EDGE/USDT"):
            client.market_data.import_file(bars, symbol=symbol, exchange="test")


class Pipelines:
    """PipelineService, waited for."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.stub = PipelineServiceStub(channel)
        self.system = SystemServiceStub(channel)

    async def page(self, **wanted: Any) -> list[pipeline_pb2.Pipeline]:
        """Return the newest that match."""
        return list((await self.stub.ListPipelines(pb.ListPipelinesRequest(**wanted))).pipelines)

    async def letters(self, cause: str) -> list[Any]:
        """Return the newest dead letters of a cause."""
        return list((await self.stub.ListDeadLetters(pb.ListDeadLettersRequest(cause=cause))).dead_letters)

    async def messages_in(self) -> dict[str, int]:
        """Count what came in."""
        return dict((await self.system.GetMetrics(system_service_pb2.GetMetricsRequest())).messages_in)

    async def of(self, mark: str, *, within: float = 10.0) -> pipeline_pb2.Pipeline:
        """Wait for the pipeline of the opportunity that holds the mark."""
        found: list[pipeline_pb2.Pipeline] = []

        async def there() -> bool:
            found[:] = await self.marked(mark)
            return bool(found)

        await eventually(there, within=within, because=f"there is a pipeline of {mark}")
        return found[0]

    async def marked(self, mark: str) -> list[pipeline_pb2.Pipeline]:
        """Return the pipelines of opportunities that hold the mark."""
        return [
            pipeline
            for pipeline in await self.page()
            if mark in pipeline.opportunity.document_json or mark == pipeline.opportunity.correlation_id
        ]

    async def counted(self, word: str, at_least: int, *, within: float = 10.0) -> dict[str, int]:
        """Wait until so many messages became that; return all counts."""
        counts: dict[str, int] = {}

        async def there() -> bool:
            counts.update(await self.messages_in())
            return counts.get(word, 0) >= at_least

        await eventually(there, within=within, because=f"{at_least} messages are {word}: {counts}")
        return counts

    async def cancel(self, pipeline_id: str) -> pipeline_pb2.Pipeline:
        """Stop one."""
        return (await self.stub.CancelPipeline(pb.CancelPipelineRequest(pipeline_id=pipeline_id))).pipeline

    async def ended(self, pipeline_id: str, *, within: float = 60.0) -> pipeline_pb2.Pipeline:
        """Follow it to its end."""
        async with asyncio.timeout(within):
            stream = self.stub.WatchPipeline(pb.WatchPipelineRequest(pipeline_id=pipeline_id))
            last = None
            async for event in stream:
                last = event
        assert last is not None
        assert last.snapshot.status in FINAL
        return last.snapshot
