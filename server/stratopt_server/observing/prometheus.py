"""The meters as Prometheus reads them, from an HTTP thread of its own; docs/observability.md lists them."""

import time
from collections.abc import Callable, Iterator, Mapping
from threading import Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from stratopt_server.domain.jobs import JobKind, JobStatus
from stratopt_server.domain.parts import PartStatus
from stratopt_server.observing.meters import STALE_SECONDS, Sight

RPC_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
WAIT_SECONDS = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0)
LOOKUPS = ("hit", "miss", "error")


class PrometheusMeters:
    """Counts in a registry of its own; what is counted stands in memory, so a scrape waits for nobody."""

    def __init__(self, lookups: Mapping[str, int], *, now: Callable[[], float] = time.time) -> None:
        """`lookups` are those in the cache by what came of them, and are read at each scrape."""
        disable_created_metrics()  # type: ignore[no-untyped-call]  # nobody reads them
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._seen = _Seen(lookups, now)
        registry.register(self._seen)
        self._rpcs = Counter(
            "stratopt_rpcs", "Calls that have ended, by code.", ("method", "code"), registry=registry
        )
        self._rpc_seconds = Histogram(
            "stratopt_rpc_seconds",
            "How long plain calls took; streams are not in it.",
            ("method",),
            buckets=RPC_SECONDS,
            registry=registry,
        )
        self._queue_wait = Histogram(
            "stratopt_queue_wait_seconds",
            "From a job's creation to the start of its first attempt.",
            ("kind",),
            buckets=WAIT_SECONDS,
            registry=registry,
        )
        for kind in JobKind:
            self._queue_wait.labels(kind.value)
        self._bars = Counter("stratopt_bars", "Bars that jobs ran over.", registry=registry)
        self._trials = Counter("stratopt_trials", "Trials that searches made.", registry=registry)

    def call(self, method: str, code: str, seconds: float | None) -> None:
        """Note a call that has ended with that code; a stream's time says nothing and is None."""
        self._rpcs.labels(method, code).inc()
        if seconds is not None:
            self._rpc_seconds.labels(method).observe(seconds)

    def queue_wait(self, kind: str, seconds: float) -> None:
        """Note how long a job waited for its first attempt."""
        self._queue_wait.labels(kind).observe(seconds)

    def work(self, *, bars: int, trials: int) -> None:
        """Note what an attempt at a job got done."""
        self._bars.inc(bars)
        self._trials.inc(trials)

    def see(self, sight: Sight) -> None:
        """Show this from now on."""
        self._seen.sight = sight


class _Seen(Collector):
    """What was last looked up, and the lookups in the cache."""

    def __init__(self, lookups: Mapping[str, int], now: Callable[[], float]) -> None:
        self._lookups = lookups
        self._now = now
        self._began = now()
        self.sight = Sight()

    def collect(self) -> Iterator[Metric]:
        """Yield a family for each."""
        sight = self.sight
        jobs = GaugeMetricFamily("stratopt_jobs", "Jobs in the database.", labels=["kind", "status"])
        for kind in JobKind:
            by_status = sight.jobs.get(kind.value, {})
            for status in JobStatus:
                jobs.add_metric([kind.value, status.value], by_status.get(status.value, 0))
        yield jobs
        lookups = CounterMetricFamily(
            "stratopt_cache_lookups", "Lookups in the cache, by what came of them.", labels=["outcome"]
        )
        for outcome in LOOKUPS:
            lookups.add_metric([outcome], self._lookups.get(outcome, 0))
        yield lookups
        yield GaugeMetricFamily(
            "stratopt_outbox_waiting",
            "Packages not yet handed to the ZeroMQ socket.",
            value=sight.outbox_waiting,
        )
        yield GaugeMetricFamily(
            "stratopt_outbox_lag_seconds",
            "Age of the oldest of them; 0 if there is none.",
            value=sight.outbox_lag_seconds,
        )
        yield GaugeMetricFamily(
            "stratopt_last_look_timestamp_seconds",
            "When parts, jobs and packages were last looked up; 0 until they were.",
            value=sight.looked_at or 0.0,
        )
        up = {part.name: 0.0 if part.status is PartStatus.ILL else 1.0 for part in sight.parts}
        last = self._began if sight.looked_at is None else sight.looked_at
        if self._now() - last > STALE_SECONDS:
            up["database"] = 0.0
        parts = GaugeMetricFamily("stratopt_part_up", "0 if the part is ill.", labels=["part"])
        for name, value in up.items():
            parts.add_metric([name], value)
        yield parts


class MetricsServer:
    """Prometheus' own HTTP server in a thread; it answers /metrics."""

    def __init__(self, registry: CollectorRegistry, host: str, port: int) -> None:
        """Serve from now on; raises OSError if the address cannot be had."""
        self._server: WSGIServer
        self._thread: Thread
        self._server, self._thread = start_http_server(port, host.strip("[]"), registry)
        self.address = f"{host}:{self._server.server_port}"

    def stop(self) -> None:
        """Serve no more; blocking."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
