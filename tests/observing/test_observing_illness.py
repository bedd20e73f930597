"""What is said of a server whose database or template is ill."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stratopt.v1.system_service_pb2 import GetMetricsResponse
from stratopt.v1.system_service_pb2 import Part as PartMessage
from stratopt.v1.system_service_pb2 import PartStatus as PartStatusMessage
from stratopt_gateway.observing import Observed
from stratopt_server.domain.clock import SystemClock
from stratopt_server.domain.counts import Counts
from stratopt_server.domain.errors import Unavailable
from stratopt_server.domain.parts import Part, PartStatus
from stratopt_server.jobs import supervisor
from stratopt_server.jobs.supervisor import Template
from stratopt_server.observing.meters import STALE_SECONDS, Sight
from stratopt_server.observing.prometheus import PrometheusMeters
from stratopt_server.usecases.system import NO_COUNTS, System
from support import eventually

RELAY = Part("relay", PartStatus.OK)


class AwayStorage:
    """A database that is away, or goes between two questions."""

    def __init__(self, *, pings: bool) -> None:
        self._pings = pings

    def ping(self) -> None:
        """Answer, or not."""
        if not self._pings:
            raise OSError("nobody there")

    def counts(self) -> Counts:
        """Never answer."""
        raise Unavailable("the database is away", reason="DATABASE")


class NoTraffic:
    """Nothing goes in or out."""

    def messages_in(self) -> dict[str, int]:
        """Count none."""
        return {}

    def messages_out(self) -> dict[str, int]:
        """Count none."""
        return {}


@pytest.mark.parametrize(("pings", "why"), [(False, "nobody there"), (True, "the database is away")])
def test_metrics_without_database(why: str, *, pings: bool) -> None:
    """The parts are told all the same; nothing is counted."""
    storage: Any = AwayStorage(pings=pings)
    system = System(
        storage,
        SystemClock(),
        parts=lambda: [RELAY],
        traffic=NoTraffic,
        jobs_running=lambda: 2,
        jobs_running_max=4,
    )
    metrics = system.metrics()
    assert metrics.counts == NO_COUNTS
    assert metrics.jobs_running == 2
    database, relay = metrics.parts
    assert (database.name, database.status, relay) == ("database", PartStatus.ILL, RELAY)
    assert why in database.detail


def test_gateway_shows_no_counts_of_an_ill_database() -> None:
    """The server is up; what is in its database is not known."""
    ill = PartMessage(name="database", status=PartStatusMessage.PART_STATUS_ILL)
    text = Observed().text(GetMetricsResponse(jobs_running=2, parts=[ill])).decode()
    assert "stratopt_up 1.0" in text
    assert "stratopt_jobs_running 2.0" in text
    assert "stratopt_strategies" not in text
    assert "stratopt_backtests" not in text


def test_old_looks_mean_a_hanging_database() -> None:
    """The database is down when nothing could be looked up for three rounds, ever or again."""
    now = 1_000.0
    meters = PrometheusMeters({}, now=lambda: now)
    get: Callable[..., Any] = meters.registry.get_sample_value
    database = ("stratopt_part_up", {"part": "database"})
    assert (get(*database), get("stratopt_last_look_timestamp_seconds")) == (None, 0)
    now += STALE_SECONDS + 1
    assert get(*database) == 0
    meters.see(Sight(parts=(Part("database", PartStatus.OK), RELAY), looked_at=now))
    assert (get(*database), get("stratopt_last_look_timestamp_seconds")) == (1, now)
    now += STALE_SECONDS + 1
    assert (get(*database), get("stratopt_part_up", {"part": "relay"})) == (0, 1)


async def test_template_that_crashes_is_ill(tmp_path: Path) -> None:
    """Its first load is none of an illness; being started again is."""
    template = Template(
        "sweep", "--no-such-argument", cache_dir=tmp_path, loads_seconds=1, on_ready=lambda _: None
    )
    assert template.part().status is PartStatus.IDLE
    template.start()
    assert template.part() == Part("sweep_template", PartStatus.IDLE, "loading")

    async def ill() -> bool:
        return template.part().status is PartStatus.ILL

    try:
        await eventually(ill, within=20, because="the template crashed")
        assert "starting again" in template.part().detail
        await asyncio.sleep(1.5)  # it is being started again
        assert template.part().status is PartStatus.ILL
    finally:
        await template.stop()
    assert template.part().status is PartStatus.IDLE


async def test_template_that_loads_too_long_is_ill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing loads for ever."""
    monkeypatch.setattr(supervisor, "READY_SECONDS_MAX", 0.0)
    template = Template("sweep", cache_dir=tmp_path, loads_seconds=1, on_ready=lambda _: None)
    template.start()
    try:
        await asyncio.sleep(0.01)
        part = template.part()
    finally:
        await template.stop()
    assert (part.status, part.detail) == (PartStatus.ILL, "loading for 0 s")
