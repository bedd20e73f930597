"""Pipelines, of the sync face."""

from collections.abc import Iterator, Sequence
from typing import Unpack

from stratopt.v1.opportunity_pb2 import DeadLetter
from stratopt.v1.pipeline_pb2 import Pipeline, Route
from stratopt.v1.pipeline_service_pb2 import WatchPipelineResponse
from stratopt_client._loop import BackgroundLoop
from stratopt_client._options import PipelineFilter
from stratopt_client._pipelines import PipelineHandle, Pipelines
from stratopt_client._sync_handles import SyncPager


class SyncPipelineHandle:
    """One pipeline on the server. Dropping the handle does not stop it."""

    def __init__(self, loop: BackgroundLoop, handle: PipelineHandle) -> None:
        """Nothing is called yet."""
        self.id = handle.id
        self._loop = loop
        self._handle = handle

    def get(self) -> Pipeline:
        """Return the pipeline as it stands."""
        return self._loop.run(self._handle.get())

    def result(self, *, timeout: float | None = None) -> Pipeline:
        """Wait until it succeeded and return it; raises as PipelineHandle.result does."""
        return self._loop.run(self._handle.result(timeout=timeout))

    def watch(self, after_sequence: int = 0) -> Iterator[WatchPipelineResponse]:
        """Follow it until its final status: first a snapshot, then one at each change."""
        return self._loop.iterate(self._handle.watch(after_sequence))

    def cancel(self) -> Pipeline:
        """Stop it and the job it waits for; FailedPrecondition if it succeeded or failed before."""
        return self._loop.run(self._handle.cancel())


class SyncPipelines:
    """The pipelines of a server, the routes they take, and what could not become one."""

    def __init__(self, loop: BackgroundLoop, pipelines: Pipelines) -> None:
        """Nothing is called yet."""
        self._loop = loop
        self._pipelines = pipelines

    def handle(self, pipeline_id: str) -> SyncPipelineHandle:
        """Return the handle of a pipeline whose id is known; nothing is called."""
        return SyncPipelineHandle(self._loop, self._pipelines.handle(pipeline_id))

    def get(self, pipeline_id: str) -> Pipeline:
        """Return one pipeline as it stands; NotFound if there is none of that id."""
        return self._loop.run(self._pipelines.get(pipeline_id))

    def list(self, **wanted: Unpack[PipelineFilter]) -> SyncPager[Pipeline]:
        """Return the pipelines that fit, newest first."""
        return SyncPager(self._loop, self._pipelines.list(**wanted))

    def routes(self) -> Sequence[Route]:
        """Return the routes in force; an opportunity takes the first that takes it."""
        return self._loop.run(self._pipelines.routes())

    def reload_routes(self) -> Sequence[Route]:
        """Have the routes file read again and return the routes; InvalidRequest if it is wrong."""
        return self._loop.run(self._pipelines.reload_routes())

    def dead_letters(self, *, cause: str | None = None) -> SyncPager[DeadLetter]:
        """Return what came in over ZeroMQ and could not be used, newest first."""
        return SyncPager(self._loop, self._pipelines.dead_letters(cause=cause))
