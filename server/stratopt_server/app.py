"""Composition root: the only module of the server that knows everything."""

import importlib.util
import logging
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from stratopt_server.advisor.breaker import Breaker
from stratopt_server.advisor.rules import RuleAdvisor
from stratopt_server.decisions.documents import load_policies
from stratopt_server.decisions.signing import SigningKey
from stratopt_server.domain.advice import Advisor
from stratopt_server.domain.clock import Clock, Ids, SystemClock
from stratopt_server.domain.speeds import Speeds
from stratopt_server.engine.names import KERNEL_NAMES
from stratopt_server.jobs.launcher import ProcessLauncher
from stratopt_server.jobs.supervisor import Templates
from stratopt_server.market.columns import ColumnStore
from stratopt_server.relay.publisher import Publisher
from stratopt_server.settings import Settings
from stratopt_server.storage.sql import SqlStorage
from stratopt_server.strategies.catalog import Catalog
from stratopt_server.transport.advisor_service import AdvisorServicer
from stratopt_server.transport.approval_service import ApprovalServicer
from stratopt_server.transport.backtest_service import BacktestServicer
from stratopt_server.transport.market_data_service import MarketDataServicer
from stratopt_server.transport.optimization_service import OptimizationServicer
from stratopt_server.transport.server import GrpcServer, Servicers
from stratopt_server.transport.strategy_service import StrategyServicer
from stratopt_server.transport.system_service import SystemServicer
from stratopt_server.usecases.advising import Advising
from stratopt_server.usecases.approvals import Approvals
from stratopt_server.usecases.backtests import Backtests
from stratopt_server.usecases.datasets import Datasets
from stratopt_server.usecases.estimating import Estimating
from stratopt_server.usecases.hub import Hub
from stratopt_server.usecases.idempotency import Repeats
from stratopt_server.usecases.jobs import Jobs
from stratopt_server.usecases.optimizations import Optimizations
from stratopt_server.usecases.packaging import Packaging
from stratopt_server.usecases.policies import Policies
from stratopt_server.usecases.reviews import Reviews
from stratopt_server.usecases.runner import Runner
from stratopt_server.usecases.runs import RunResolver
from stratopt_server.usecases.seals import SealedHoldouts
from stratopt_server.usecases.slices import SliceFinder
from stratopt_server.usecases.strategies import Strategies
from stratopt_server.usecases.system import Part, System
from stratopt_server.usecases.threads import StorageThread
from stratopt_server.usecases.watching import Watching

log = logging.getLogger(__name__)

STOP_SECONDS = 2.0
"""How long calls under way may still answer once the jobs are settled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """A server that is up."""

    address: str
    templates: Templates


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
        server = GrpcServer(house.servicers(), settings)
        address = await server.start()
        templates.sweep.start()
        if settings.report_template:
            templates.report.start()
        await thread.run(house.estimating.remember)
        house.runner.start()
        house.publisher.start()
        try:
            yield App(address=address, templates=templates)
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
        self.templates = Templates(settings.cache_dir, on_ready=self._template_ready)
        self._launcher = ProcessLauncher(self.templates, settings)
        self._catalog = Catalog(KERNEL_NAMES)
        hub = Hub()
        repeats = Repeats(storage, clock, kept=timedelta(hours=settings.request_id_hours))
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
        self.publisher = Publisher(storage.packages, thread, clock, bind=settings.relay_bind)
        beat = settings.watch_heartbeat_seconds
        self._watching = Watching(self._jobs, storage.jobs, hub, thread, beat_seconds=beat)
        self.runner = Runner(
            storage,
            self._launcher,
            hub=hub,
            thread=thread,
            clock=clock,
            owner=secrets.token_hex(8),
            running_max=settings.jobs_running_max,
            attempts_max=settings.job_attempts_max,
            lease_seconds=settings.lease_seconds,
            learn=self.estimating.learn,
        )
        self._system = System(
            storage,
            clock,
            parts=self._parts,
            jobs_running=lambda: self.runner.running,
            jobs_running_max=settings.jobs_running_max,
        )

    def _parts(self) -> list[Part]:
        """How every part of the server is."""
        return [self.publisher.part(), *self.templates.parts()]

    def _template_ready(self, speeds: Speeds) -> None:
        """Have the queue looked at; the runner is made after the templates that ask for it."""
        self.estimating.calibrate(speeds)
        self.runner.wake()

    def servicers(self) -> Servicers:
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
                publisher=self.publisher,
                thread=thread,
            ),
            advisor=AdvisorServicer(self._desk.advising),
            system=SystemServicer(self._system, self._jobs, self.publisher, thread),
        )

    async def drain(self, server: GrpcServer) -> None:
        """Leave in order: out of rotation, no new jobs, running ones settled, watchers sent away."""
        log.info("draining for up to %.0f s", self._settings.drain_seconds)
        self._jobs.draining = True
        await server.leave_rotation()
        await self.runner.drain(self._settings.drain_seconds)
        self._watching.close()
        await server.stop(STOP_SECONDS)
        await self.publisher.stop()


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
