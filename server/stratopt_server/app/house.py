"""One server: its parts, wired, and the order in which they begin and end."""

import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

from stratopt_server.app.desk import Desk
from stratopt_server.app.lookout import Lookout
from stratopt_server.app.outside import Outside
from stratopt_server.app.shared import Shared
from stratopt_server.domain.clock import Clock, Ids, SystemClock
from stratopt_server.domain.errors import StratoptError
from stratopt_server.domain.jobs import Job
from stratopt_server.domain.parts import Part
from stratopt_server.domain.speeds import Speeds
from stratopt_server.engine.names import KERNEL_NAMES
from stratopt_server.jobs.launcher import ProcessLauncher
from stratopt_server.jobs.supervisor import Templates
from stratopt_server.market.columns import ColumnStore
from stratopt_server.presence import serving
from stratopt_server.relay.publisher import OUTBOX
from stratopt_server.relay.routes_file import read_plan
from stratopt_server.settings import Settings
from stratopt_server.storage.sql import SqlStorage
from stratopt_server.strategies.catalog import Catalog
from stratopt_server.transport.advisor_service import AdvisorServicer
from stratopt_server.transport.approval_service import ApprovalServicer
from stratopt_server.transport.backtest_service import BacktestServicer
from stratopt_server.transport.market_data_service import MarketDataServicer
from stratopt_server.transport.optimization_service import OptimizationServicer
from stratopt_server.transport.pipeline_service import PipelineServicer
from stratopt_server.transport.server import GrpcServer, Servicers
from stratopt_server.transport.strategy_service import StrategyServicer
from stratopt_server.transport.system_service import RelayAddresses, SystemServicer
from stratopt_server.usecases.backtests import Backtests
from stratopt_server.usecases.datasets import Datasets
from stratopt_server.usecases.estimating import Estimating
from stratopt_server.usecases.going_on import going_on
from stratopt_server.usecases.hub import Hub
from stratopt_server.usecases.idempotency import Repeats
from stratopt_server.usecases.jobs import Jobs
from stratopt_server.usecases.optimizations import Optimizations
from stratopt_server.usecases.pipeline_runner import PipelineRunner
from stratopt_server.usecases.pipeline_steps import Steps
from stratopt_server.usecases.pipelines import Pipelines
from stratopt_server.usecases.replays import Replays
from stratopt_server.usecases.runner import Runner
from stratopt_server.usecases.runs import RunResolver
from stratopt_server.usecases.slices import SliceFinder
from stratopt_server.usecases.strategies import Strategies
from stratopt_server.usecases.system import System
from stratopt_server.usecases.tenure import Tenure
from stratopt_server.usecases.threads import StorageThread
from stratopt_server.usecases.watching import Watching

log = logging.getLogger(__name__)

STOP_SECONDS = 2.0
"""How long calls under way may still answer once the jobs are settled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """A server that is up."""

    address: str
    metrics: str | None
    """Where Prometheus reads /metrics; None where it is off."""
    templates: Templates
    reload_routes: Callable[[], Awaitable[None]]
    """Reads the routes file again; what is wrong with it is logged."""


@asynccontextmanager
async def running(settings: Settings, clock: Clock | None = None) -> AsyncIterator[App]:
    """Serve for the time of the block, then drain."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with serving(settings.data_dir):
        async with _running(settings, clock) as app:
            yield app


@asynccontextmanager
async def _running(settings: Settings, clock: Clock | None) -> AsyncIterator[App]:
    thread = StorageThread()
    storage = await thread.run(SqlStorage.open, settings.database)
    clock = clock or SystemClock()
    newest = await thread.run(storage.packages.last_place, now=clock.now())
    house = House(settings, storage, thread, clock, epoch=newest.epoch)
    templates = house.templates
    try:
        await thread.run(house.strategies.seed)
        await house.shared.start()
        await house.lookout.start()
        server = GrpcServer(house.servicers, settings, house.shared.limit, house.lookout.meters)
        address = await server.start()
        templates.sweep.start()
        if settings.report_template:
            templates.report.start()
        await thread.run(house.estimating.remember)
        house.runner.start()
        await house.relay.start()
        house.pipeline_runner.start()
        try:
            yield App(
                address=address,
                metrics=house.lookout.address,
                templates=templates,
                reload_routes=house.reload_routes,
            )
        finally:
            await house.drain(server)
    finally:
        await house.lookout.stop()
        await templates.stop()
        await house.shared.stop()
        await thread.run(storage.close)
        thread.close()


class House:
    """Every part of one server, wired."""

    def __init__(
        self, settings: Settings, storage: SqlStorage, thread: StorageThread, clock: Clock, *, epoch: str
    ) -> None:
        """`epoch` names the life of the database."""
        ids = Ids(clock)
        self._settings = settings
        self._thread = thread
        self._owner = secrets.token_hex(8)
        self.templates = self._make_templates()
        self._launcher = ProcessLauncher(self.templates, settings)
        self._catalog = Catalog(KERNEL_NAMES)
        hub = self._hub = Hub()
        self.shared = Shared(
            settings, storage, hub, epoch=epoch, thread=thread, clock=clock, owner=self._owner
        )
        self._repeats = repeats = Repeats(storage, clock, kept=timedelta(hours=settings.request_id_hours))
        slices = SliceFinder(storage.datasets, ColumnStore(settings.bars_dir), settings=settings)
        runs = RunResolver(storage.strategies, storage.seals, slices, self._catalog, settings=settings)
        self.strategies = Strategies(storage, clock, self._catalog, repeats, settings=settings)
        self._datasets = Datasets(storage, clock, ids, settings=settings)
        self._jobs = Jobs(storage, clock, ids, repeats, pending_max=settings.jobs_pending_max)
        self._backtests = Backtests(self._jobs, runs, storage.reports, self.shared.results, thread)
        self.estimating = self._make_estimating(storage, clock)
        self._optimizations = Optimizations(
            self._jobs, runs, storage.trials, set_seconds=self.estimating.set_seconds, settings=settings
        )
        self._desk = Desk(
            settings,
            storage,
            self._jobs,
            launcher=self._launcher,
            slices=slices,
            catalog=self._catalog,
            repeats=repeats,
            thread=thread,
            clock=clock,
            ids=ids,
        )
        beat = settings.watch_heartbeat_seconds
        self._watching = Watching(self._jobs, storage.jobs, hub, thread, beat_seconds=beat)
        self._system = self._make_system(storage, clock)
        self.lookout = Lookout(
            settings, storage, self._system, thread=thread, clock=clock, lookups=self.shared.lookups
        )
        self.runner = self._make_runner(storage, hub, clock)
        self._tenure = self._make_tenure(storage, clock)
        self._replays = Replays(storage.packages, storage.revocations, clock)
        self._pipelines = Pipelines(storage, clock, repeats, hub=hub, thread=thread, beat_seconds=beat)
        self.pipeline_runner = self._make_pipeline_runner(storage, hub, clock)
        self._outside = Outside(
            settings, storage, self._desk, tenure=self._tenure, thread=thread, clock=clock, ids=ids
        )
        self.servicers = self._make_servicers()
        self.relay = self._outside.relay(
            self.servicers, hub, replays=self._replays, on_pipeline=self.pipeline_runner.wake
        )

    def _make_templates(self) -> Templates:
        settings = self._settings
        return Templates(
            settings.cache_dir,
            log_level=settings.log_level,
            log_format=settings.log_format,
            on_ready=self._template_ready,
        )

    def _make_estimating(self, storage: SqlStorage, clock: Clock) -> Estimating:
        return Estimating(
            storage.jobs,
            clock,
            self._catalog,
            ready_in=self._launcher.ready_in,
            running_max=self._settings.jobs_running_max,
        )

    def _make_system(self, storage: SqlStorage, clock: Clock) -> System:
        return System(
            storage,
            clock,
            parts=self._parts,
            traffic=lambda: self.relay,
            jobs_running=lambda: self.runner.running,
            jobs_running_max=self._settings.jobs_running_max,
        )

    def _make_tenure(self, storage: SqlStorage, clock: Clock) -> Tenure:
        return Tenure(
            "relay",
            storage,
            owner=self._owner,
            thread=self._thread,
            clock=clock,
            lease_seconds=self._settings.relay_lease_seconds,
        )

    def _make_runner(self, storage: SqlStorage, hub: Hub, clock: Clock) -> Runner:
        settings = self._settings
        return Runner(
            storage,
            self._launcher,
            hub=hub,
            thread=self._thread,
            clock=clock,
            owner=self._owner,
            running_max=settings.jobs_running_max,
            attempts_max=settings.job_attempts_max,
            lease_seconds=settings.lease_seconds,
            began=self.lookout.began,
            learn=self._learn,
        )

    def _make_pipeline_runner(self, storage: SqlStorage, hub: Hub, clock: Clock) -> PipelineRunner:
        steps = Steps(
            storage,
            self._jobs,
            repeats=self._repeats,
            optimizations=self._optimizations,
            backtests=self._backtests,
            approvals=self._desk.approvals,
            runner=self.runner,
            watching=self._watching,
            hub=hub,
            thread=self._thread,
            publishes=lambda: self.relay.publisher.life.is_on,
            announce=self._announce,
        )
        return PipelineRunner(
            storage,
            steps,
            read_plan,
            hub=hub,
            thread=self._thread,
            clock=clock,
            owner=self._owner,
            running_max=self._settings.pipelines_running_max,
            lease_seconds=self._settings.lease_seconds,
        )

    def _learn(self, job: Job) -> None:
        """Learn from an attempt that has ended; on the thread of the database."""
        self.lookout.ended(job)
        self.estimating.learn(job)

    def _announce(self) -> None:
        """Tell the relay, here or on the server that publishes."""
        self._hub.notify(OUTBOX)

    def _addresses(self) -> RelayAddresses:
        """Where to subscribe and to ask; on the thread of the database."""
        publishing = self.relay.publisher.address
        if publishing is None:
            with suppress(StratoptError):  # the database is away: that is told of it itself
                publishing = self._tenure.holder()
        return RelayAddresses(publishing, self.relay.answerer.address)

    async def reload_routes(self) -> None:
        """Read the routes file again; what is wrong with it leaves the routes as they were."""
        try:
            routes = await self._thread.run(self._outside.routes.reload)
        except StratoptError as error:
            log.error("the routes were not reloaded: %s", error)  # noqa: TRY400 - nobody needs its traceback
        else:
            log.info("%d routes are in force", len(routes))

    def _parts(self) -> list[Part]:
        """How every part of the server is."""
        return [self.shared.part(), *self.relay.parts(), *self.templates.parts()]

    def _template_ready(self, speeds: Speeds) -> None:
        """Have the queue looked at; the runner is made after the templates that ask for it."""
        self.estimating.calibrate(speeds)
        self.runner.wake()

    def _make_servicers(self) -> Servicers:
        """The services over the use-cases."""
        runner, watching, thread = self.runner, self._watching, self._thread
        estimating = self.estimating
        return Servicers(
            strategies=StrategyServicer(self.strategies, self._catalog, thread),
            market_data=MarketDataServicer(self._datasets, self._launcher, thread, settings=self._settings),
            backtests=BacktestServicer(
                self._backtests,
                self._jobs,
                estimating=estimating,
                runner=runner,
                watching=watching,
                kept=self.shared.kept,
                thread=thread,
            ),
            optimizations=OptimizationServicer(
                self._optimizations,
                self._jobs,
                self._launcher,
                estimating=estimating,
                runner=runner,
                watching=watching,
                thread=thread,
                data_dir=self._settings.data_dir,
            ),
            approvals=ApprovalServicer(
                self._desk.approvals,
                self._desk.reviews,
                self._desk.seals,
                self._desk.key,
                revoking=self._desk.revoking,
                replays=self._replays,
                announce=self._announce,
                thread=thread,
            ),
            pipelines=PipelineServicer(
                self._pipelines,
                self.pipeline_runner,
                self._outside.routes,
                self._outside.dead_letters,
                thread=thread,
            ),
            advisor=AdvisorServicer(self._desk.advising),
            system=SystemServicer(self._system, self._jobs, self._addresses, thread),
        )

    async def drain(self, server: GrpcServer) -> None:
        """Leave in order: out of rotation, no new jobs, running ones settled, watchers sent away."""
        log.info("draining for up to %.0f s", self._settings.drain_seconds)
        self._jobs.draining = True
        await server.leave_rotation()
        with going_on(log, "the pipelines were not let go of: their leases lapse"):
            await self.pipeline_runner.stop()
        await self.runner.drain(self._settings.drain_seconds)
        self._watching.close()
        self._pipelines.close()
        await server.stop(STOP_SECONDS)
        await self.relay.stop()
