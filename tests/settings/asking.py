"""How tests of settings ask our programs: with nothing of ours in the environment but what they give."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

from stratopt_server import __main__ as server

SHOW = ("stratopt_server", "config", "show")


def environment(home: Path, given: Mapping[str, str] | None) -> dict[str, str]:
    """What a program gets that runs for a user whose home is that folder."""
    ours = ("STRATOPT_", "XDG_")
    clean = {name: text for name, text in os.environ.items() if not name.startswith(ours)}
    return {**clean, "HOME": str(home), **(given or {})}


def run(
    home: Path, given: Mapping[str, str] | None = None, *, command: tuple[str, ...] = SHOW
) -> subprocess.CompletedProcess[str]:
    """Run `python -m command` to its end, for a user whose home is that folder."""
    return subprocess.run(
        [sys.executable, "-m", *command],
        env=environment(home, given),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def asked(
    home: Path, given: Mapping[str, str] | None = None, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Do what `config show` does in this process, which is quicker than a new one."""
    command = [*SHOW, *arguments]
    code, out, err = 0, io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, environment(home, given), clear=True),
        mock.patch.object(sys, "argv", command),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            server.main()
        except SystemExit as end:
            code = int(end.code or 0)
    return subprocess.CompletedProcess(command, code, out.getvalue(), err.getvalue())


def settings(home: Path, given: Mapping[str, str] | None = None) -> dict[str, dict[str, Any]]:
    """Return what `config show --json` tells, by name."""
    ended = asked(home, given, "--json")
    assert ended.returncode == 0, ended.stderr
    return {setting["name"]: setting for setting in json.loads(ended.stdout)["settings"]}


def faults(home: Path, given: Mapping[str, str] | None = None) -> list[str]:
    """Return the lines in which `config show` refuses what it was given."""
    ended = asked(home, given)
    assert ended.returncode == 2
    assert ended.stdout == ""
    return ended.stderr.splitlines()


def toml(folder: Path, *lines: str) -> Path:
    """Write a TOML file and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "stratopt.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path
