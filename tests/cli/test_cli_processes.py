"""What the command line starts, it stops; and what Ctrl-C does."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cli_fakes import FakeService
from client_fakes import serving

from stratopt_cli import _local_server
from stratopt_cli._session import CommandFailed, Session, require

FAKE_SERVER = Path(__file__).with_name("fake_server")
SEARCH = ("optimize", "run", "ma_cross_v1.0", "BTC/USDT", "--range", "fast_period=5:50")


@asynccontextmanager
async def started(
    *arguments: str, behaviour: str = "SUCCEEDED", folder: Path | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the command line as a program, with a stand-in where it would start the server."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith("STRATOPT_")}
    environment |= {"PYTHONPATH": str(FAKE_SERVER), "FAKE_BEHAVIOUR": behaviour}
    environment |= {"STRATOPT_SERVER": "127.0.0.1:9", "STRATOPT_LOG_LEVEL": "DEBUG"}
    if folder is not None:
        environment |= {"FAKE_PID_FILE": str(folder / "pid"), "TMPDIR": str(folder)}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "stratopt_cli.main",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def output_of(process: asyncio.subprocess.Process) -> tuple[str, str]:
    """Return what a program wrote, once it has ended."""
    async with asyncio.timeout(30):
        out, err = await process.communicate()
    return out.decode(), err.decode()


def left_behind(folder: Path) -> list[str]:
    """Return what a demo with its temporary files in the folder did not clean up."""
    left = [path.name for path in folder.glob("stratopt-demo-*")]
    pid = int((folder / "pid").read_text())
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return left
    return [*left, f"process {pid}"]


def bars(folder: Path) -> str:
    """Write a file of bars whose name tells what is in it."""
    file = folder / "binance_BTC-USDT_1h.csv"
    file.write_text("timestamp,open,high,low,close,volume\n")
    return str(file)


@pytest.mark.parametrize(
    ("ends", "told"),
    [("RUNNING", "cancelled: opt_1"), ("TOO LATE", "it had ended already: it succeeded")],
)
async def test_interrupt_cancels_the_search(ends: str, told: str) -> None:
    """Ctrl-C asks the server to cancel, says so, says how that went, and exits with 130."""
    service = FakeService(ends=ends)
    async with serving(service) as target, started("--server", target, *SEARCH) as process:
        await asyncio.wait_for(service.watched.wait(), 20)
        # The last event before the wait has to arrive.
        assert process.stderr is not None
        await process.stderr.readuntil(b"searching")
        process.send_signal(signal.SIGINT)
        out, err = await output_of(process)
    assert service.cancelled.is_set()
    assert process.returncode == 130
    assert out == ""
    assert "interrupted: asking the server to cancel opt_1" in err
    assert told in err
    assert "Traceback" not in err


async def test_serve_becomes_the_server() -> None:
    """The options are passed as settings; those of the environment stay; the client's is not one."""
    options = ("--listen", "127.0.0.1:0", "--data-dir", "/tmp/x", "--database-url", "sqlite:///y")
    async with started("serve", *options, behaviour="echoes") as process:
        out, err = await output_of(process)
    assert process.returncode == 0, err
    assert json.loads(out)["environment"] == {
        "STRATOPT_LISTEN": "127.0.0.1:0",
        "STRATOPT_DATA_DIR": "/tmp/x",
        "STRATOPT_DATABASE_URL": "sqlite:///y",
        "STRATOPT_LOG_LEVEL": "DEBUG",
    }


async def test_demo_shows_everything_and_leaves_nothing(tmp_path: Path) -> None:
    """Import, search, meaning, backtests and a report; then its server and its files are gone."""
    report = tmp_path / "report.html"
    arguments = ("demo", "--data", bars(tmp_path), "--report", str(report))
    async with started(*arguments, folder=tmp_path) as process:
        out, err = await output_of(process)
    assert process.returncode == 0, err
    assert "created: BTC/USDT" in out
    assert "out of sample" in out
    assert "it did not hold at all" in out
    assert "best found" in out
    assert "Buying and holding made 50.00% over the same bars" in out.replace("\n", " ")
    assert "they made -10.00%, buying and holding 25.00%: it was not worth" in out.replace("\n", " ")
    assert "rejected" in out
    assert "It needs 812 more daily bars" in out
    assert "The edge is planted" in err
    assert "approved" in out
    assert "pkg_1, number 1, signature checked" in out
    assert "curl -s -H 'Content-Type: application/json' $U/api/strategies/approve" in out
    assert str(report) in err
    assert report.read_text() == "<html>report</html>"
    assert left_behind(tmp_path) == []


async def test_demo_as_json_is_one_document(tmp_path: Path) -> None:
    """With every part in it."""
    arguments = ("demo", "--data", bars(tmp_path), "--report", str(tmp_path / "r.html"), "--json")
    async with started(*arguments, folder=tmp_path) as process:
        out, _ = await output_of(process)
    assert set(json.loads(out)) == {
        "import",
        "optimization",
        "verdict",
        "backtest_defaults",
        "backtest_best",
        "buy_and_hold_return",
        "report",
        "decision",
        "planted_import",
        "planted_best",
        "planted_decision",
        "planted_package",
        "curl",
    }


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
async def test_interrupted_demo_leaves_nothing(tmp_path: Path, name: str) -> None:
    """Whatever ends it, its server and its files go with it."""
    arguments = ("demo", "--data", bars(tmp_path), "--report", str(tmp_path / "r.html"))
    async with started(*arguments, behaviour="RUNNING", folder=tmp_path) as process:
        assert process.stderr is not None
        await asyncio.wait_for(process.stderr.readuntil(b"searching"), 20)
        process.send_signal(signal.Signals[name])
        _, err = await output_of(process)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert left_behind(tmp_path) == []


async def test_server_that_dies_is_shown_with_its_words(tmp_path: Path) -> None:
    """The end of what it wrote says why."""
    async with started("demo", "--data", bars(tmp_path), behaviour="dies", folder=tmp_path) as process:
        _, err = await output_of(process)
    assert process.returncode == 1
    assert "error: the server ended before it was ready; it wrote:" in err
    assert "the data folder is locked" in err


async def test_server_that_never_gets_ready_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait has an end, and so has the server."""
    monkeypatch.setattr(_local_server, "START_SECONDS_MAX", 0.5)
    monkeypatch.setenv("PYTHONPATH", str(FAKE_SERVER))
    monkeypatch.setenv("FAKE_BEHAVIOUR", "mute")
    with pytest.raises(CommandFailed, match=r"not ready after 0\.5 s; it wrote nothing"):
        async with _local_server.local_server(tmp_path):
            pass


def test_absent_part_is_told_with_what_to_install(capsys: pytest.CaptureFixture[str]) -> None:
    """A base install has no server; the message has the command that brings it."""
    with pytest.raises(BaseException) as ended, Session().failures_told():  # noqa: PT011 - typer's own
        require("stratopt_absent", extra="server")
    assert getattr(ended.value, "exit_code", None) == 1
    assert "pip install 'stratopt[server]'" in capsys.readouterr().err
