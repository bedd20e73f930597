"""Composition root: the only module of the server that knows everything."""

import importlib.util
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from stratopt_server.advisor.breaker import Breaker
from stratopt_server.advisor.rules import RuleAdvisor
from stratopt_server.decisions.documents import load_policies
from stratopt_server.decisions.signing import SigningKey
from stratopt_server.domain.advice import Advisor
from stratopt_server.domain.clock import Clock, Ids, SystemClock
from stratopt_server.domain.errors import StratoptError
from stratopt_server.domain.speeds import Speeds
from stratopt_server.engine.names import KERNEL_NAMES
from stratopt_server.jobs.launcher import ProcessLauncher
from stratopt_server.jobs.supervisor import Templates
from stratopt_server.market.columns import ColumnStore
from stratopt_server.relay.answerer import Answerer
from stratopt_server.relay.curve import Curve
from stratopt_server.relay.listener import Listener
from stratopt_server.relay.methods import PackageMethods, Rpcs, methods
from stratopt_server.relay.progress import ProgressFeed
from stratopt_server.relay.publisher import Publisher, Wording
from stratopt_server.relay.reading import (
    APPROVED_TOPICS,
    OPPORTUNITIES_TOPIC,
    REJECTED_TOPICS,
    read_opportunity,
    read_word,
)
from stratopt_server.relay.relay import Relay
from stratopt_server.relay.routes_file import read_plan, read_routes
from stratopt_server.relay.sockets import Sockets
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
from stratopt_server.usecases.advising import Advising
from stratopt_server.usecases.approvals import Approvals
from stratopt_server.usecases.backtests import Backtests
from stratopt_server.usecases.datasets import Datasets
from stratopt_server.usecases.dead_letters import DeadLetters
from stratopt_server.usecases.desk_words import DeskWords
from stratopt_server.usecases.estimating import Estimating
from stratopt_server.usecases.hub import Hub
from stratopt_server.usecases.idempotency import Repeats
from stratopt_server.usecases.jobs import Jobs
from stratopt_server.usecases.opportunities import Intake, IntakeLimits
from stratopt_server.usecases.optimizations import Optimizations
from stratopt_server.usecases.packaging import Packaging
from stratopt_server.usecases.pipeline_runner import PipelineRunner
from stratopt_server.usecases.pipeline_steps import Steps
from stratopt_server.usecases.pipelines import Pipelines
from stratopt_server.usecases.policies import Policies
from stratopt_server.usecases.replays import Replays
from stratopt_server.usecases.reviews import Reviews
from stratopt_server.usecases.revoking import Revoking
from stratopt_server.usecases.routes import Routes
from stratopt_server.usecases.runner import Runner
from stratopt_server.usecases.runs import RunResolver
from stratopt_server.usecases.seals import SealedHoldouts
from stratopt_server.usecases.slices import SliceFinder
from stratopt_server.usecases.strategies import Strategies
from stratopt_server.usecases.system import Part, System
from stratopt_server.usecases.threads import StorageThread
from stratopt_server.usecases.watching import Watching
from stratopt_server.wire.packages import event_bytes

log = logging.getLogger(__name__)

STOP_SECONDS = 2.0
"""How long calls under way may still answer once the jobs are settled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """A server that is up."""

    address: str
    templates: Templates
    reload_routes: Callable[[], Awaitable[None]]
    """Reads the routes file again; what is wrong with it is logged."""


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[App]:
    """Serve for the time of the block, then drain."""
    thread = StorageThread()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    storage = await thread.run(SqlStorage.open, settings.database)
    house = House(settings, storage, thread)
    templates = house.templates
    try:
        await thread.run(house.strategies.seed)
        server = GrpcServer(house.servicers, settings)
        address = await server.start()
        templates.sweep.start()
        if settings.report_template:
            templates.report.start()
        await thread.run(house.estimating.remember)
        house.runner.start()
        await house.relay.start()
        house.pipeline_runner.start()
        try:
            yield App(address=address, templates=templates, reload_routes=house.reload_routes)
        finally:
            await house.drain(server)
    finally:
        await templates.stop()
        await thread.run(storage.close)
        thread.close()


class House:
    """Every part of one server, wired."""

    def __init__(self, settings: Settings, storage: SqlStorage, thread: StorageThread) -> None:
        clock: Clock = SystemClock()
        ids = Ids(clock)
        self._settings = settings
        self._thread = thread
        self._owner = secrets.token_hex(8)
        self.templates = Templates(settings.cache_dir, on_ready=self._template_ready)
        self._launcher = ProcessLauncher(self.templates, settings)
        self._catalog = Catalog(KERNEL_NAMES)
        hub = Hub()
        self._repeats = repeats = Repeats(storage, clock, kept=timedelta(hours=settings.request_id_hours))
        slices = SliceFinder(storage.datasets, ColumnStore(settings.bars_dir), settings=settings)
        runs = RunResolver(storage.strategies, storage.seals, slices, self._catalog, settings=settings)
        self.strategies = Strategies(storage, clock, self._catalog, repeats, settings=settings)
        self._datasets = Datasets(storage, clock, ids, settings=settings)
        self._jobs = Jobs(storage, clock, ids, repeats, pending_max=settings.jobs_pending_max)
        self._backtests = Backtests(self._jobs, runs, storage.reports)
        self.estimating = Estimating(
            storage.jobs,
            clock,
            self._catalog,
            ready_in=self._launcher.ready_in,
            running_max=settings.jobs_running_max,
        )
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
        self.runner = self._make_runner(storage, hub, clock)
        self._replays = Replays(storage.packages, storage.revocations, clock)
        self._pipelines = Pipelines(storage, clock, repeats, hub=hub, thread=thread, beat_seconds=beat)
        self.pipeline_runner = self._make_pipeline_runner(storage, hub, clock)
        self._outside = Outside(settings, storage, self._desk, thread=thread, clock=clock, ids=ids)
        self.servicers = self._make_servicers(storage, clock)
        self.relay = self._outside.relay(
            self.servicers, hub, replays=self._replays, on_pipeline=self.pipeline_runner.wake
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
            learn=self.estimating.learn,
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

    def _announce(self) -> None:
        """Tell the relay, which is made after those who have news for it."""
        self.relay.publisher.wake()

    def _addresses(self) -> RelayAddresses:
        return RelayAddresses(self.relay.publisher.address, self.relay.answerer.address)

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
        return [*self.relay.parts(), *self.templates.parts()]

    def _template_ready(self, speeds: Speeds) -> None:
        """Have the queue looked at; the runner is made after the templates that ask for it."""
        self.estimating.calibrate(speeds)
        self.runner.wake()

    def _make_servicers(self, storage: SqlStorage, clock: Clock) -> Servicers:
        """The services over the use-cases."""
        system = System(
            storage,
            clock,
            parts=self._parts,
            traffic=lambda: self.relay,
            jobs_running=lambda: self.runner.running,
            jobs_running_max=self._settings.jobs_running_max,
        )
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
            system=SystemServicer(system, self._jobs, self._addresses, thread),
        )

    async def drain(self, server: GrpcServer) -> None:
        """Leave in order: out of rotation, no new jobs, running ones settled, watchers sent away."""
        log.info("draining for up to %.0f s", self._settings.drain_seconds)
        self._jobs.draining = True
        await server.leave_rotation()
        await self.pipeline_runner.stop()
        await self.runner.drain(self._settings.drain_seconds)
        self._watching.close()
        self._pipelines.close()
        await server.stop(STOP_SECONDS)
        await self.relay.stop()


class Outside:
    """Everything about opportunities and the relay, wired."""

    def __init__(
        self,
        settings: Settings,
        storage: SqlStorage,
        desk: "Desk",
        *,
        thread: StorageThread,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._thread = thread
        self._clock = clock
        self.routes = open_routes(settings, desk.approvals.policies)
        self.dead_letters = DeadLetters(storage, clock, ids, kept_max=settings.dead_letters_max)
        self._intake = Intake(
            storage,
            clock,
            ids,
            routes=self.routes,
            dead_letters=self.dead_letters,
            limits=IntakeLimits(
                age_max=timedelta(seconds=settings.opportunity_age_seconds_max),
                duplicate_window=timedelta(seconds=settings.opportunity_duplicate_seconds),
                pending_max=settings.pipelines_pending_max,
            ),
        )
        self._words = DeskWords(
            storage, desk.reviews, desk.revoking, dead_letters=self.dead_letters, clock=clock
        )

    def relay(
        self, servicers: Servicers, hub: Hub, *, replays: Replays, on_pipeline: Callable[[], None]
    ) -> Relay:
        """Make the relay over the services; `on_pipeline` is called when one was added."""
        settings, storage, thread, clock = self._settings, self._storage, self._thread, self._clock
        curve = None if settings.relay_curve_dir is None else Curve(settings.relay_curve_dir)
        sockets = Sockets(
            curve,
            message_bytes_max=settings.relay_message_bytes_max,
            queue_messages_max=settings.relay_queue_messages_max,
        )
        publisher = Publisher(
            sockets,
            storage.packages,
            storage.revocations,
            ProgressFeed(storage, hub, thread, clock),
            thread=thread,
            clock=clock,
            wording=Wording(
                framing=settings.relay_framing,
                event_bytes=event_bytes if settings.relay_protobuf else None,
            ),
            bind=settings.relay_bind,
            heartbeat_seconds=settings.relay_heartbeat_seconds,
        )
        answerer = Answerer(
            sockets,
            methods(rpcs_of(servicers), PackageMethods(storage.packages, replays, thread)),
            clock,
            bind=settings.relay_requests_bind,
            bytes_max=settings.relay_message_bytes_max,
            running_max=settings.relay_requests_running_max,
        )
        listeners = (
            Listener(
                sockets,
                self._take_opportunities,
                peer="scanner",
                addresses=settings.scanners,
                topics=(OPPORTUNITIES_TOPIC,),
                thread=thread,
                on_taken=on_pipeline,
            ),
            Listener(
                sockets,
                self._take_words,
                peer="review",
                addresses=settings.review_desks,
                topics=(*APPROVED_TOPICS, *REJECTED_TOPICS),
                thread=thread,
                on_taken=publisher.wake,
            ),
        )
        return Relay(sockets, publisher, answerer, listeners, self.dead_letters)

    def _take_opportunities(self, batch: Sequence[list[bytes]]) -> int:
        now, limit = self._clock.now(), self._settings.relay_message_bytes_max
        return self._intake.take([read_opportunity(frames, now=now, bytes_max=limit) for frames in batch])

    def _take_words(self, batch: Sequence[list[bytes]]) -> int:
        limit = self._settings.relay_message_bytes_max
        return self._words.take([read_word(frames, bytes_max=limit) for frames in batch])


def rpcs_of(servicers: Servicers) -> Rpcs:
    """Return the RPCs that the relay answers with."""
    return Rpcs(
        start_backtest=servicers.backtests.StartBacktest,
        get_backtest=servicers.backtests.GetBacktest,
        start_optimization=servicers.optimizations.StartOptimization,
        get_optimization=servicers.optimizations.GetOptimization,
        approve_strategy=servicers.approvals.ApproveStrategy,
        list_strategies=servicers.strategies.ListStrategies,
        get_server_info=servicers.system.GetServerInfo,
    )


class UnusableRoutes(ValueError):
    """The routes file cannot be used."""


def open_routes(settings: Settings, policies: Policies) -> Routes:
    """Read the routes file; raises UnusableRoutes with everything that is wrong with it."""
    path = settings.routes_file
    if path is None:
        return Routes(None)
    try:
        return Routes(lambda: read_routes(path, tuple(policies.known)))
    except StratoptError as error:
        raise UnusableRoutes(f"STRATOPT_ROUTES_FILE={path}: {error}") from None


class Desk:
    """Everything about decisions, wired."""

    def __init__(
        self,
        settings: Settings,
        storage: SqlStorage,
        jobs: Jobs,
        *,
        launcher: ProcessLauncher,
        slices: SliceFinder,
        catalog: Catalog,
        repeats: Repeats,
        thread: StorageThread,
        clock: Clock,
        ids: Ids,
    ) -> None:
        policies = open_policies(settings)
        self.key = SigningKey.open(settings.signing_key_path)
        packaging = Packaging(storage, key=self.key, catalog=catalog)
        self.seals = SealedHoldouts(
            storage, slices, launcher, repeats=repeats, thread=thread, clock=clock, ids=ids
        )
        self.approvals = Approvals(
            storage,
            jobs,
            gatherer=launcher,
            policies=policies,
            packaging=packaging,
            seals=self.seals,
            repeats=repeats,
            thread=thread,
            clock=clock,
            ids=ids,
        )
        self.reviews = Reviews(storage, packaging, policies, repeats=repeats, clock=clock)
        self.revoking = Revoking(storage, self.key, repeats=repeats, clock=clock)
        self.advising = Advising(
            storage, make_advisor(settings), catalog, repeats=repeats, thread=thread, clock=clock, ids=ids
        )


def make_advisor(settings: Settings) -> Advisor:
    """By rules; with a key, by a model whose answers are checked. Its SDK is loaded only then."""
    rules = RuleAdvisor()
    key = settings.groq_api_key.get_secret_value()
    if not key:
        return rules
    if importlib.util.find_spec("groq") is None:
        raise AdvisorAbsent(
            "STRATOPT_GROQ_API_KEY is set and groq is not installed: 'stratopt[advisor]' has it"
        )
    from stratopt_server.advisor.checked import CheckedAdvisor  # noqa: PLC0415 - loads the SDK
    from stratopt_server.advisor.model import GroqModel, ModelSettings  # noqa: PLC0415 - likewise

    model = GroqModel(
        ModelSettings(
            api_key=key,
            base_url=settings.advisor_base_url or None,
            model=settings.advisor_model,
            timeout_seconds=settings.advisor_timeout_seconds,
            retries_max=settings.advisor_retries_max,
            answer_bytes_max=settings.advisor_answer_bytes_max,
            answer_tokens_max=settings.advisor_answer_tokens_max,
        )
    )
    breaker = Breaker(settings.advisor_breaker_failures, settings.advisor_breaker_seconds, time.monotonic)
    return CheckedAdvisor(model, rules, breaker)


class AdvisorAbsent(ValueError):
    """A key is set for a model whose SDK is not installed."""


class UnknownPolicy(ValueError):
    """The setting names a policy that there is not."""


def open_policies(settings: Settings) -> Policies:
    """Read the policies; raises PolicyFault, or UnknownPolicy for a setting that names none of them."""
    known = load_policies(settings.policies_dir)
    if settings.policy not in known:
        raise UnknownPolicy(f"STRATOPT_POLICY={settings.policy}: there are {', '.join(known)}")
    return Policies(known, settings.policy, settings.hard_gates_may_loosen)
