"""What the server shows of itself, wired: meters, and a task that looks the rest up from time to time."""

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from stratopt_server.domain.clock import Clock
from stratopt_server.domain.jobs import Job, JobStatus
from stratopt_server.domain.ports import Storage
from stratopt_server.domain.runs import BacktestSpec
from stratopt_server.observing.meters import LOOK_SECONDS, Meters, NoMeters, Sight
from stratopt_server.settings import Settings
from stratopt_server.tasks import end
from stratopt_server.transport.server import AddressInUse, check_loopback
from stratopt_server.usecases.going_on import going_on
from stratopt_server.usecases.system import System
from stratopt_server.usecases.threads import StorageThread

if TYPE_CHECKING:
    from stratopt_server.observing.prometheus import MetricsServer

log = logging.getLogger(__name__)


class Lookout:
    """Counts and looks, if somebody may read it: else it does nothing at all."""

    def __init__(
        self,
        settings: Settings,
        storage: Storage,
        system: System,
        *,
        thread: StorageThread,
        clock: Clock,
        lookups: Mapping[str, int],
    ) -> None:
        """`lookups` are those in the cache, by what came of them."""
        self._listen = settings.metrics_listen
        self._public = settings.public_without_tls
        self._storage = storage
        self._system = system
        self._thread = thread
        self._clock = clock
        self._sight = Sight()
        self._looking: asyncio.Task[None] | None = None
        self._server: MetricsServer | None = None
        self.meters: Meters = NoMeters()
        if self._listen:
            from stratopt_server.observing.prometheus import PrometheusMeters  # noqa: PLC0415 - loads a lot

            self._prometheus = PrometheusMeters(lookups)
            self.meters = self._prometheus

    @property
    def address(self) -> str | None:
        """Where /metrics is served; None while it is not."""
        return None if self._server is None else self._server.address

    async def start(self) -> None:
        """Begin, if it is asked for; raises PublicAddress or AddressInUse."""
        if not self._listen:
            return
        from stratopt_server.observing.prometheus import MetricsServer  # noqa: PLC0415 - likewise

        variable = "STRATOPT_METRICS_LISTEN"
        check_loopback(variable, self._listen, public=self._public)
        host, _, port = self._listen.rpartition(":")
        try:
            self._server = MetricsServer(self._prometheus.registry, host, int(port))
        except OSError as error:
            raise AddressInUse(f"{variable}={self._listen}: the address cannot be taken: {error}") from None
        log.info("metrics: http://%s/metrics", self._server.address)
        self._looking = asyncio.create_task(self._look_for_ever(), name="look for metrics")

    async def stop(self) -> None:
        """End."""
        await end(self._looking)
        if self._server is not None:
            await asyncio.to_thread(self._server.stop)

    def began(self, job: Job) -> None:
        """Note how long a job has waited, at its first attempt."""
        if job.attempt == 1 and job.started_at is not None:
            waited = (job.started_at - job.created_at).total_seconds()
            self.meters.queue_wait(job.kind.value, max(waited, 0.0))

    def ended(self, job: Job) -> None:
        """Note what an attempt at a job got done; the job is as it was when the attempt began.

        On the thread of the database.
        """
        if self._server is None:
            return
        now = self._storage.jobs.get(job.kind, job.id)
        if now is None:
            return
        bars = job.spec.scenario.bar_count
        if isinstance(job.spec, BacktestSpec):
            self.meters.work(bars=bars if now.status is JobStatus.SUCCEEDED else 0, trials=0)
        else:
            trials = max(now.progress.done - job.progress.done, 0)
            self.meters.work(bars=bars * trials, trials=trials)

    async def _look_for_ever(self) -> None:
        while True:
            with going_on(log, "metrics could not be looked up"):
                await self._look()
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self) -> None:
        """Ask every part first: where the database is ill, the rest stays as it was."""
        parts = await self._thread.run(self._system.parts)
        self._see(replace(self._sight, parts=tuple(parts)))
        self._see(await self._thread.run(self._with_rows, self._sight))

    def _see(self, sight: Sight) -> None:
        self._sight = sight
        self.meters.see(sight)

    def _with_rows(self, sight: Sight) -> Sight:
        packages = self._storage.packages
        oldest = packages.oldest_unpublished()
        lag = 0.0 if oldest is None else (self._clock.now() - oldest).total_seconds()
        return replace(
            sight,
            jobs=self._storage.jobs.tally(),
            outbox_waiting=packages.count_unpublished(),
            outbox_lag_seconds=max(lag, 0.0),
            looked_at=time.time(),
        )
