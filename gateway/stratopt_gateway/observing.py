"""Prometheus: what the server counts, and what the gateway itself has seen."""

import time
from collections.abc import Iterator

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stratopt.v1.system_service_pb2 import GetMetricsResponse, PartStatus

CONTENT_TYPE = CONTENT_TYPE_LATEST
BY_WORD = (
    ("backtests", "Backtests in the database.", "status"),
    ("optimizations", "Optimizations in the database.", "status"),
    ("decisions", "Decisions in the database.", "outcome"),
    ("pipelines", "Pipelines in the database.", "status"),
    ("messages_in", "Messages that came in over ZeroMQ, by what became of them.", "became"),
    ("messages_out", "Messages that went out over ZeroMQ, by topic, and answers by status.", "topic"),
)
SINGLE = (
    ("uptime_seconds", "Seconds since the server began to serve."),
    ("jobs_running", "Jobs the server works on now."),
    ("jobs_running_max", "Jobs the server may work on at a time."),
    ("strategies", "Strategies in the database."),
    ("datasets", "Datasets in the database."),
    ("trials", "Trials in the database."),
    ("packages_unpublished", "Parameter packages not yet handed to the ZeroMQ socket."),
)
OF_DATABASE = frozenset(
    {
        *("backtests", "optimizations", "decisions", "pipelines"),
        *("strategies", "datasets", "trials", "packages_unpublished"),
    }
)
"""Not known while the database is ill, and left out then."""
VERBS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Others are counted as one: what callers make up would make a series each."""


class Observed:
    """What one gateway has seen: requests by route, verb and status, and how long they took."""

    def __init__(self) -> None:
        """Nothing yet."""
        disable_created_metrics()  # type: ignore[no-untyped-call]  # nobody reads them
        self._registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self._requests = Counter(
            "stratopt_gateway_requests", "Requests answered.", labels, registry=self._registry
        )
        self._seconds = Histogram(
            "stratopt_gateway_request_seconds",
            "Time until an answer began.",
            ("method", "route"),
            registry=self._registry,
        )

    def note(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        method = method if method in VERBS else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def text(self, metrics: GetMetricsResponse | None) -> bytes:
        """Return everything in Prometheus' text format; without the server only what is our own."""
        registry = CollectorRegistry()
        registry.register(_Server(metrics))
        return generate_latest(self._registry) + generate_latest(registry)


class _Server(Collector):
    """The server's own counts, as it last said them."""

    def __init__(self, metrics: GetMetricsResponse | None) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield a family for each."""
        up = 0.0 if self._metrics is None else 1.0
        yield GaugeMetricFamily("stratopt_up", "1 if the server answers.", value=up)
        if self._metrics is None:
            return
        ill = {part.name for part in self._metrics.parts if part.status == PartStatus.PART_STATUS_ILL}
        unknown = OF_DATABASE if "database" in ill else frozenset()
        for name, text in SINGLE:
            if name in unknown:
                continue
            yield GaugeMetricFamily(f"stratopt_{name}", text, value=float(getattr(self._metrics, name)))
        for name, text, label in BY_WORD:
            if name in unknown:
                continue
            family = GaugeMetricFamily(f"stratopt_{name}", text, labels=[label])
            for word, count in sorted(getattr(self._metrics, name).items()):
                family.add_metric([word], count)
            yield family


class Observing:
    """ASGI middleware that notes every answer when it begins."""

    def __init__(self, app: ASGIApp, *, observed: Observed) -> None:
        """Answers are noted in `observed`."""
        self._app = app
        self._observed = observed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def send_noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                # The pattern, not the path: ids would make a series each.
                route = getattr(scope.get("route"), "path", "none")
                self._observed.note(scope["method"], route, message["status"], time.perf_counter() - began)
            await send(message)

        await self._app(scope, receive, send_noted)
