"""Pipelines, routes, packages and keys on the command line, against a real server."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import zmq.auth
from relay_market import ROUTES, Market, Pipelines
from relay_peers import flat_b, two_frames
from typer.testing import CliRunner, Result

from stratopt_cli import main


async def cli(market: Market, *arguments: str, code: int = 0) -> Result:
    """Run the command line against the server."""
    command = ["--server", market.server.address, *arguments]
    result = await asyncio.to_thread(CliRunner().invoke, main.app, command)
    assert result.exit_code == code, result.output
    return result


async def sent(market: Market, pipelines: Pipelines, kind: str) -> str:
    """Send an opportunity; return its pipeline's id."""
    mark = uuid.uuid4().hex
    market.scanner.say(two_frames(flat_b("EDGE/USDT", kind, nonce=mark)))
    return (await pipelines.of(mark)).id


async def test_pipelines_are_followed_listed_and_shown(market: Market, pipelines: Pipelines) -> None:
    """Watch shows it to its end; list and show tell what was decided; a cancelled one is exit code 1."""
    pipeline_id = await sent(market, pipelines, "breakout")
    watched = await cli(market, "pipeline", "watch", pipeline_id)
    for told in (pipeline_id, "EDGE/USDT", "breakouts", "succeeded", "approve", "pkg_"):
        assert told in watched.stdout
    listed = json.loads((await cli(market, "pipeline", "list", "--limit", "1", "--json")).stdout)
    assert [row["id"] for row in listed] == [pipeline_id]
    assert "ma_cross_v1.0 approve" in (await cli(market, "pipeline", "list", "--status", "succeeded")).stdout
    shown = json.loads((await cli(market, "pipeline", "show", pipeline_id, "--json")).stdout)
    assert shown["strategy_runs"][0]["step"] == "done"
    slow = await sent(market, pipelines, "slow")
    assert "cancelled" in (await cli(market, "pipeline", "cancel", slow)).stdout
    assert "cancelled" in (await cli(market, "pipeline", "watch", slow, code=1)).stdout
    assert "there is no pipeline 'pl_x'" in (await cli(market, "pipeline", "show", "pl_x", code=1)).stderr


async def test_dead_letters_and_routes(market: Market, pipelines: Pipelines) -> None:
    """What could not be used is listed with its cause; the routes are listed and reloaded."""
    before = (await pipelines.messages_in()).get("unknown_symbol", 0)
    market.scanner.say(two_frames(flat_b("NOPE/USDT")))
    await pipelines.counted("unknown_symbol", before + 1)
    letters = await cli(market, "pipeline", "dead-letters", "--cause", "UNKNOWN_SYMBOL")
    assert "NOPE/USDT" in letters.stdout
    assert (
        "must be one of" in (await cli(market, "pipeline", "dead-letters", "--cause", "LUCK", code=1)).stderr
    )
    for command in ("list", "reload"):
        table = (await cli(market, "route", command)).stdout
        assert "breakouts" in table
        assert ">= 0.5" in table
    market.routes.write_text("version: 2")
    try:
        refused = await cli(market, "route", "reload", code=1)
    finally:
        market.routes.write_text(ROUTES)
    assert "version: must be 1" in refused.stderr
    assert "routes: must be a list" in refused.stderr


async def test_packages_are_seen_arriving_and_taken_back(
    market: Market, pipelines: Pipelines, tmp_path: Path
) -> None:
    """Tail shows what comes, goes on behind its place, shows revocations, and ends with Ctrl-C."""
    first = await pipelines.ended(await sent(market, pipelines, "breakout"))
    package_id = first.strategy_runs[0].package_id
    state = tmp_path / "tail.db"
    seq = market.packages()
    tail = ("packages", "tail", "--state", str(state), "--json")
    lines = (await cli(market, *tail, "--count", str(seq - market.revoked()))).stdout.splitlines()
    documents = [json.loads(line) for line in lines]
    assert documents[-1]["package_id"] == package_id
    following = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "stratopt_cli.main", "--server", market.server.address, *tail[:-1]),
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert following.stdout is not None
    revoked = await cli(market, "package", "revoke", package_id, "--reason", "a test", "--by", "ada")
    assert "may trade no more" in revoked.stdout
    async with asyncio.timeout(20):
        while f"{package_id}  REVOKED by ada: a test" not in (await following.stdout.readline()).decode():
            pass
    following.send_signal(signal.SIGINT)
    await asyncio.wait_for(following.communicate(), 10)
    assert following.returncode == 130


def test_keys_are_made_once(tmp_path: Path) -> None:
    """Readable by their owner, never overwritten; each client has what it needs."""

    def keys(*arguments: str, code: int = 0) -> Any:
        result = CliRunner().invoke(main.app, ["keys", "zmq", "--out", str(tmp_path / "k"), *arguments])
        assert result.exit_code == code, result.output
        return result

    folder = tmp_path / "k"
    assert "STRATOPT_RELAY_CURVE_DIR" in keys("--client", "trader").stdout
    secret = (folder / "server.key_secret").read_bytes()
    for path in (folder / "server.key_secret", folder / "trader.key_secret"):
        assert path.stat().st_mode & 0o777 == 0o600
    assert zmq.auth.load_certificate(folder / "clients" / "trader.key")[1] is None
    keys("--client", "other", "--json")
    assert (folder / "server.key_secret").read_bytes() == secret
    assert "no key is overwritten" in keys("--client", "trader", code=1).stderr
    assert "letters" in keys("--client", "../trader", code=1).stderr
    assert set(zmq.auth.load_certificates(folder / "clients")) == {
        zmq.auth.load_certificate(folder / f"{name}.key_secret")[0] for name in ("trader", "other")
    }
