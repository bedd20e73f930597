"""Following a job: a snapshot, then its events until the final status."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import NamedTuple

from stratopt_server.domain.errors import Unavailable, Violations
from stratopt_server.domain.jobs import Job, JobEvent, JobKind, Progress, StatusChanged
from stratopt_server.domain.optimization import Trial
from stratopt_server.domain.ports import JobStore
from stratopt_server.usecases.hub import Hub
from stratopt_server.usecases.jobs import Jobs
from stratopt_server.usecases.threads import StorageThread

POLL_SECONDS = 1.0
"""Rows are looked at this often even without news: another server may run the job."""


@dataclass(frozen=True, slots=True)
class Beat:
    """Nothing happened for a while."""


@dataclass(frozen=True, slots=True)
class Watched:
    """One thing a watcher is told."""

    sequence: int
    event: Job | Progress | Trial | Beat


class _Place(NamedTuple):
    """Up to where a watcher has read."""

    kind: JobKind
    job_id: str
    sequence: int


class _Read(NamedTuple):
    """What came behind a place, and the job as it then was."""

    events: list[JobEvent]
    job: Job


class Watching:
    """Serves every Watch of this server from the rows, so any server can."""

    def __init__(
        self, jobs: Jobs, store: JobStore, hub: Hub, thread: StorageThread, *, beat_seconds: float
    ) -> None:
        """`beat_seconds` is the longest silence."""
        self._jobs = jobs
        self._store = store
        self._hub = hub
        self._thread = thread
        self._beat_seconds = beat_seconds
        self._closing = False
        self._reads: dict[_Place, asyncio.Task[_Read]] = {}  # about to begin

    def close(self) -> None:
        """Tell every watcher to come back later, or elsewhere."""
        self._closing = True
        self._hub.notify_all()

    async def watch(self, kind: JobKind, job_id: str, *, after_sequence: int) -> AsyncIterator[Watched]:
        """Yield a snapshot, then each later event, up to the final status; raises NotFound.

        A reader that is slow misses only progress that was overwritten meanwhile: there is no queue.
        """
        check_after_sequence(after_sequence)
        with self._hub.listening(job_id) as news:
            job = await self._thread.run(self._jobs.get, kind, job_id)
            sequence = min(after_sequence, job.last_sequence) or job.last_sequence
            yield Watched(sequence, job)
            while not (job.status.is_final and sequence >= job.last_sequence):
                if self._closing:
                    raise Unavailable("the server is shutting down: watch again", reason="DRAINING")
                news.clear()
                events, job = await self._read(_Place(kind, job_id, sequence))
                for event in events:
                    sequence = event.sequence
                    yield Watched(sequence, job if isinstance(event.event, StatusChanged) else event.event)
                if not events and not await self._hear(news, _Place(kind, job_id, sequence)):
                    yield Watched(sequence, Beat())

    async def _read(self, place: _Place) -> _Read:
        """Read what came behind that place. Watchers that ask at once are answered by one read.

        Nobody joins a read that has begun: what happened since would be missing.
        """
        if place not in self._reads:
            self._reads[place] = asyncio.create_task(self._begin_read(place))
        return await asyncio.shield(self._reads[place])

    async def _begin_read(self, place: _Place) -> _Read:
        await asyncio.sleep(0)  # whoever was woken with us may join
        del self._reads[place]
        return await self._thread.run(self._rows, place)

    def _rows(self, place: _Place) -> _Read:
        events = self._store.events(place.job_id, place.sequence)
        return _Read(events, self._jobs.get(place.kind, place.job_id))

    async def _hear(self, news: asyncio.Event, place: _Place) -> bool:
        """Wait for news; False if there was none for so long that a beat is due."""
        loop = asyncio.get_running_loop()
        beat_at = loop.time() + self._beat_seconds
        while (left := beat_at - loop.time()) > 0:
            try:
                async with asyncio.timeout(min(left, POLL_SECONDS)):
                    await news.wait()
            except TimeoutError:
                if (await self._read(place)).events:
                    return True
            else:
                return True
        return False


def check_after_sequence(after_sequence: int) -> None:
    """Refuse to resume a watch before its beginning."""
    if after_sequence < 0:
        violations = Violations()
        violations.add("after_sequence", "OUT_OF_RANGE", f"at least 0, not {after_sequence}")
        violations.refuse_if_any()
