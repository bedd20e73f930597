"""Approve on the command line, and check packages with a file and a key alone."""

import asyncio
import json
from pathlib import Path

import pytest
from cli_approvals import KEY_ID, PUBLIC, FakeApprovals, package
from client_fakes import serving
from typer.testing import CliRunner, Result

from stratopt_cli import main
from stratopt_client.packages import document_of

APPROVE = ("approve", "ma_cross_v1.0", "bt_1")


async def invoke(service: FakeApprovals, *arguments: str) -> Result:
    """Run the command line against a server."""
    async with serving(service) as target:
        return await asyncio.to_thread(CliRunner().invoke, main.app, ["--server", target, *arguments])


def offline(*arguments: str) -> Result:
    """Run the command line where there is no server."""
    return CliRunner().invoke(main.app, ["--server", "127.0.0.1:9", *arguments])


async def test_rejection_is_shown_and_is_exit_code_1(tmp_path: Path) -> None:
    """Every gate with what was measured and wanted, and what would change it; nothing is written."""
    out = tmp_path / "package.json"
    result = await invoke(FakeApprovals(), *APPROVE, "--out", str(out))
    assert result.exit_code == 1
    for told in ("rejected", "psr_oos", "failed", "0.41", ">= 0.95", "812 more daily bars", "dsr"):
        assert told in result.stdout
    assert "no package was made" in result.stderr
    assert "running all bars ..." in result.stderr
    assert not out.exists()


async def test_approval_writes_the_package(tmp_path: Path) -> None:
    """Exit code 0; the file is checked with the key alone, written in hex or in a file."""
    service, out = FakeApprovals(), tmp_path / "package.json"
    service.rejections = 0
    result = await invoke(
        service,
        *APPROVE,
        "-c",
        "psr_oos=0.9",
        "-c",
        "cost_2x=false",
        "-c",
        "data_integrity=GOOD",
        "--policy",
        "mine/v1",
        "--out",
        str(out),
    )
    assert result.exit_code == 0, result.output
    assert "approved" in result.stdout
    given = service.approvals[0].approval_criteria
    assert (given["psr_oos"].number, given["data_integrity"].word) == (0.9, "GOOD")
    assert given["cost_2x"].WhichOneof("kind") == "flag"
    assert service.approvals[0].policy == "mine/v1"
    (tmp_path / "hex").write_text(PUBLIC.hex() + "\n")
    (tmp_path / "raw").write_bytes(PUBLIC)
    as_long_as_a_key = tmp_path / ("k" * max(64 - len(str(tmp_path)) - 1, 1))
    as_long_as_a_key.write_text(PUBLIC.hex())
    for key in (PUBLIC.hex(), *(str(tmp_path / name) for name in ("hex", "raw", as_long_as_a_key))):
        checked = offline("package", "verify", str(out), "--key", key)
        assert checked.exit_code == 0, checked.output
        assert "pkg_1 is signed and unchanged" in checked.stdout


async def test_approval_as_json_is_one_document() -> None:
    """With the decision, and the package or null."""
    service = FakeApprovals()
    for outcome, code in (("reject", 1), ("approve", 0)):
        result = await invoke(service, *APPROVE, "--json")
        assert result.exit_code == code
        document = json.loads(result.stdout)
        assert document["decision"]["outcome"] == outcome
        assert (document["parameter_package"] is None) is (code == 1)


async def test_key_is_printed_alone() -> None:
    """So that it can be sent into a file."""
    assert (await invoke(FakeApprovals(), "package", "key")).stdout == PUBLIC.hex() + "\n"
    shown = json.loads((await invoke(FakeApprovals(), "package", "key", "--json")).stdout)
    assert shown == {"public_key": PUBLIC.hex(), "key_id": KEY_ID}


@pytest.mark.parametrize(
    ("change", "key", "told"),
    [
        ({"symbol": "ETH/USDT"}, PUBLIC.hex(), "symbol is not what was signed (FIELD_CHANGED)"),
        ({}, "00" * 32, "WRONG_KEY"),
        ({}, "abc", "neither 32 bytes in hex nor a file"),
        ({"signature": None}, PUBLIC.hex(), "MALFORMED"),
    ],
)
def test_bad_packages_are_refused(tmp_path: Path, change: dict[str, object], key: str, told: str) -> None:
    """Exit code 1, and why."""
    file = tmp_path / "package.json"
    file.write_text(json.dumps({**document_of(package()), **change}))
    result = offline("package", "verify", str(file), "--key", key)
    assert result.exit_code == 1
    assert told in result.stderr.replace("\n", " ")


def test_absent_file_is_told(tmp_path: Path) -> None:
    """In a line."""
    result = offline("package", "verify", str(tmp_path / "none"), "--key", PUBLIC.hex())
    assert result.exit_code == 1
    assert "none" in result.stderr
