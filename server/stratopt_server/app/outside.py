"""Opportunities, desks and the relay, wired."""

from collections.abc import Callable, Sequence
from datetime import timedelta

from stratopt_server.app.desk import Desk
from stratopt_server.domain.clock import Clock, Ids
from stratopt_server.domain.errors import StratoptError
from stratopt_server.relay.answerer import Answerer
from stratopt_server.relay.curve import Curve
from stratopt_server.relay.listener import Listener
from stratopt_server.relay.methods import PackageMethods, Rpcs, methods
from stratopt_server.relay.progress import ProgressFeed
from stratopt_server.relay.publisher import OUTBOX, Publisher, Wording
from stratopt_server.relay.reading import (
    APPROVED_TOPICS,
    OPPORTUNITIES_TOPIC,
    REJECTED_TOPICS,
    read_opportunity,
    read_word,
)
from stratopt_server.relay.relay import Relay
from stratopt_server.relay.routes_file import read_routes
from stratopt_server.relay.sockets import Sockets
from stratopt_server.settings import Settings
from stratopt_server.storage.sql import SqlStorage
from stratopt_server.transport.server import Servicers
from stratopt_server.usecases.dead_letters import DeadLetters
from stratopt_server.usecases.desk_words import DeskWords
from stratopt_server.usecases.hub import Hub
from stratopt_server.usecases.opportunities import Intake, IntakeLimits
from stratopt_server.usecases.policies import Policies
from stratopt_server.usecases.replays import Replays
from stratopt_server.usecases.routes import Routes
from stratopt_server.usecases.tenure import Tenure
from stratopt_server.usecases.threads import StorageThread
from stratopt_server.wire.packages import event_bytes


class Outside:
    """Everything about opportunities and the relay, wired."""

    def __init__(
        self,
        settings: Settings,
        storage: SqlStorage,
        desk: Desk,
        *,
        tenure: Tenure,
        thread: StorageThread,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._tenure = tenure
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
            public=settings.public_without_tls,
            public_host=settings.relay_public_host,
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
            tenure=self._tenure,
            bind=settings.relay_bind,
            heartbeat_seconds=settings.relay_heartbeat_seconds,
        )
        hub.follow(lambda changed: publisher.wake() if changed == OUTBOX else None)
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
