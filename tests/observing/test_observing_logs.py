"""One call and one job can be followed through the log lines of every process."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from gateway_process import GatewayProcess
from log_lines import line_of, lines
from observing_samples import RUN, SYMBOL

from stratopt.v1.backtest_service_pb2 import GetBacktestRequest
from stratopt.v1.backtest_service_pb2_grpc import BacktestServiceStub
from stratopt_client import Client
from stratopt_server import logs
from support import ServerProcess


@pytest.fixture(scope="module")
def gateway(seen: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway in front of it that logs JSON too."""
    settings = {"STRATOPT_GATEWAY_LOG_FORMAT": "json", "STRATOPT_GATEWAY_LOG_LEVEL": "DEBUG"}
    process = GatewayProcess(seen.address, tmp_path_factory.mktemp("gateway") / "log", settings)
    yield process
    process.stop()


async def test_job_is_followed_through_every_process(seen: ServerProcess) -> None:
    """The line that accepts a job has both ids; the job's own lines come from two processes."""
    async with Client(seen.address, caller="desk-7") as client:
        handle = await client.backtests.start(SYMBOL, **RUN, request_id="follow-me")
        await handle.result(timeout=60)
    accepted = line_of(seen, lambda line: line["message"] == f"job {handle.id}: accepted")
    assert accepted["request_id"] == "follow-me"
    assert accepted["job_id"] == handle.id
    assert accepted["caller"] == "desk-7"
    assert accepted["method"] == "stratopt.v1.BacktestService/StartBacktest"
    told = lines(seen, job_id=handle.id)
    assert len({line["pid"] for line in told}) == 2, told
    assert "stratopt_server.jobs.child" in {line["logger"] for line in told}
    moments = [datetime.fromisoformat(line["time"]) for line in told]
    assert all(moment.utcoffset() == timedelta(0) for moment in moments)
    assert all(abs(datetime.now(UTC) - moment) < timedelta(minutes=5) for moment in moments)
    assert {line["level"] for line in told} <= {"DEBUG", "INFO"}


async def test_calls_without_an_id_get_one(seen: ServerProcess) -> None:
    """Two calls that name themselves in no way have ids of their own, and the metadata's is kept."""
    async with grpc.aio.insecure_channel(seen.address) as channel:
        stub = BacktestServiceStub(channel)
        for metadata in ((), (), (("x-request-id", "named\x20here"),)):
            with pytest.raises(grpc.aio.AioRpcError):
                await stub.GetBacktest(GetBacktestRequest(backtest_id="bt_none"), metadata=metadata)
    line_of(seen, lambda line: line.get("request_id") == "named here")
    ids = [line["request_id"] for line in lines(seen, method="stratopt.v1.BacktestService/GetBacktest")]
    assert len(set(ids)) >= 3
    assert all(ids)


def test_gateway_passes_its_id_on(seen: ServerProcess, gateway: GatewayProcess) -> None:
    """What the sender called its request is in the answer and in the lines of both processes."""
    with gateway.open() as http:
        answer = http.get("/api/metrics", headers={"X-Request-ID": "from-outside-1"})
        assert answer.headers["X-Request-ID"] == "from-outside-1"
        line = line_of(seen, lambda line: line.get("request_id") == "from-outside-1")
        assert line["method"] == "stratopt.v1.SystemService/GetMetrics"
        # The client gives each start a request_id of its own, so that it may be repeated: both are told.
        body = {"symbol": SYMBOL, "start_date": "2023-01-01", "end_date": "2023-02-01", **RUN}
        started = http.post("/api/backtest/start", json=body, headers={"X-Request-ID": "from-outside-2"})
        assert started.status_code == 200, started.text
        job_id = started.json()["task_id"]
        line = line_of(seen, lambda line: line.get("job_id") == job_id)
        assert line["x_request_id"] == "from-outside-2"
        assert line["request_id"] not in ("", "from-outside-2")
    own = [json.loads(line) for line in gateway.log().splitlines()]
    assert any(line.get("request_id") == "from-outside-1" for line in own)


@pytest.mark.parametrize("given", ["", "two words", "é", "x" * 129])
def test_gateway_makes_an_id(gateway: GatewayProcess, given: str) -> None:
    """Where there is none, or none that can be passed on, one is made; problems have it too."""
    with gateway.open() as http:
        for path in ("/health", "/nowhere"):
            answer = http.get(path, headers={"X-Request-ID": given.encode()})
            assert answer.headers["X-Request-ID"] not in ("", given)
            assert len(answer.headers["X-Request-ID"]) == 16


async def test_watch_is_logged_under_the_id(seen: ServerProcess) -> None:
    """Streams carry the id like plain calls."""
    async with Client(seen.address, request_id=lambda: "watching-1") as client:
        handle = await client.backtests.start(SYMBOL, **RUN)
        await handle.result(timeout=60)
    line = line_of(
        seen,
        lambda line: line.get("request_id") == "watching-1" and line["method"].endswith("WatchBacktest"),
    )
    assert line["level"] == "DEBUG"


UNCAUGHT = """
import logging, os, sys
from stratopt_server import logs
from stratopt_server.jobs import child
from stratopt_server.jobs.messages import ExportTrials, RunJob
logs.configure("INFO", sys.argv[1])
def broken(task, channel):
    raise ZeroDivisionError("one\\ntwo")
child._do = broken
child.limit_memory = lambda megabytes: None
task = ExportTrials(optimization_id="o", path="p", table_format=None, database_url="", memory_mb_max=1)
logs.bind(job_id="bt_broken")
child.run(task, os.open(os.devnull, os.O_WRONLY))
"""


def test_uncaught_is_one_record() -> None:
    """What nobody caught in a job's process is one line, with its traceback inside and the job's id."""
    done = subprocess.run(
        [sys.executable, "-c", UNCAUGHT, "json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    *_, last = [json.loads(line) for line in done.stderr.splitlines()]
    assert (last["level"], last["job_id"]) == ("CRITICAL", "bt_broken")
    assert last["exc"].startswith("Traceback")
    assert "ZeroDivisionError: one\ntwo" in last["exc"]
    done = subprocess.run(
        [sys.executable, "-c", UNCAUGHT, "text"], capture_output=True, text=True, check=False
    )
    assert "[job_id=bt_broken]" in done.stderr
    assert "ZeroDivisionError: one" in done.stderr


def test_an_id_cannot_forge_a_line() -> None:
    """Line ends and endless ids are cut before they are written."""
    record = logging.LogRecord("a", logging.INFO, "", 0, "said", None, None)
    with logs.bound(request_id="x\nINFO forged: " + "y" * 999, job_id=""):
        logs.add_ids(record)
        written = logs.TextFormatter().format(record)
    assert "\n" not in written
    assert len(written) < 250
    assert "job_id" not in written
    assert logs.known() == {}


def test_a_caller_cannot_forge_a_field() -> None:
    """In a line of text an id is one word, whatever a caller names itself."""
    record = logging.LogRecord("a", logging.INFO, "", 0, "said", None, None)
    with logs.bound(caller="me job_id=bt_other] [x"):
        logs.add_ids(record)
        written = logs.TextFormatter().format(record)
        whole = json.loads(logs.JsonFormatter().format(record))
    assert written.endswith(" [caller=me_job_id_bt_other___x]")
    assert whole["caller"] == "me job_id=bt_other] [x"


def test_gateway_setting_is_checked(tmp_path: Path) -> None:
    """A format that there is not is one line on standard error."""
    with pytest.raises(AssertionError, match="STRATOPT_GATEWAY_LOG_FORMAT"):
        GatewayProcess("127.0.0.1:9", tmp_path / "log", {"STRATOPT_GATEWAY_LOG_FORMAT": "xml"})
