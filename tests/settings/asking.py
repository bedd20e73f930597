"""How tests of settings start our programs: with nothing of ours in the environment but what they give."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SHOW = ("stratopt_server", "config", "show")


def run(
    home: Path, given: Mapping[str, str] | None = None, *, command: tuple[str, ...] = SHOW
) -> subprocess.CompletedProcess[str]:
    """Run `python -m command` to its end, for a user whose home is that folder."""
    ours = ("STRATOPT_", "XDG_")
    environment = {name: text for name, text in os.environ.items() if not name.startswith(ours)}
    return subprocess.run(
        [sys.executable, "-m", *command],
        env={**environment, "HOME": str(home), **(given or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def settings(home: Path, given: Mapping[str, str] | None = None) -> dict[str, dict[str, Any]]:
    """Return what `config show --json` tells, by name."""
    ended = run(home, given, command=(*SHOW, "--json"))
    assert ended.returncode == 0, ended.stderr
    return {setting["name"]: setting for setting in json.loads(ended.stdout)["settings"]}


def faults(home: Path, given: Mapping[str, str] | None = None) -> list[str]:
    """Return the lines in which `config show` refuses what it was given."""
    ended = run(home, given)
    assert ended.returncode == 2
    assert ended.stdout == ""
    return ended.stderr.splitlines()


def toml(folder: Path, *lines: str) -> Path:
    """Write a TOML file and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "stratopt.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path
