""".env.example is current, and does what it says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from stratopt_gateway.settings import Settings as GatewaySettings
from stratopt_server.settings import CONFIG_FILE, Settings

ROOT = Path(__file__).parents[2]
LINE = re.compile(r"# (?P<name>STRATOPT_[A-Z0-9_]+)=(?P<value>.*)")


def entries() -> dict[str, str]:
    """Return the text behind each variable of the file."""
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    return {found["name"]: found["value"] for line in lines if (found := LINE.fullmatch(line))}


def test_example_is_current() -> None:
    """It has what the script would write."""
    command = [sys.executable, str(ROOT / "tests" / "env_example.py"), "--check"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_example_has_every_setting_and_no_other() -> None:
    """Of the server and of the gateway, and the variable that names the file."""
    server = {f"STRATOPT_{name.upper()}" for name in Settings.model_fields}
    gateway = {f"STRATOPT_GATEWAY_{name.upper()}" for name in GatewaySettings.model_fields}
    assert set(entries()) == {CONFIG_FILE} | server | gateway


def test_example_is_all_comments() -> None:
    """Whoever copies it has changed nothing."""
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("# ")] == []


def test_example_says_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the marks of the comments gone, every setting has the value it had without."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    before = Settings(), GatewaySettings()
    for name, value in entries().items():
        if "(default: " not in value:
            monkeypatch.setenv(name, value)
    after = Settings(), GatewaySettings()
    assert after == before
    assert after[0].model_fields_set > {"listen", "trials_max"}


def test_example_knows_nothing_of_this_machine() -> None:
    """Folders of a home and counts of processors are told in words."""
    assert str(Path.home()) not in "".join(entries().values())
    assert "processors" in entries()["STRATOPT_JOBS_RUNNING_MAX"]
