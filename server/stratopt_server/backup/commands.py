"""`backup FILE` and `restore FILE` of the server's command line."""

import argparse
import json
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

from stratopt_server.backup.archive import UnusableBackup
from stratopt_server.backup.making import MB, Made, make_backup
from stratopt_server.backup.restoring import Restored, restore_backup
from stratopt_server.domain.errors import StratoptError
from stratopt_server.settings_reading import read_settings
from stratopt_server.strategies.catalog import BUILTINS

Done = TypeVar("Done", Made, Restored)


def add_backup(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `backup` to the commands of the server."""
    parser = commands.add_parser("backup", help="write everything into one file, while servers run")
    force = "replace the file if it is there"
    _add_arguments(parser, force=force, allow="go on if bars of a dataset are missing or damaged")
    parser.set_defaults(run=_backup)


def add_restore(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `restore` to the commands of the server."""
    parser = commands.add_parser("restore", help="fill an empty database from a backup")
    force = "move another signing key away, if one is there"
    _add_arguments(parser, force=force, allow="leave out bars that are damaged in the file")
    parser.set_defaults(run=_restore)


def _add_arguments(parser: argparse.ArgumentParser, *, force: str, allow: str) -> None:
    """Add what both take; `force` and `allow` say what these flags do."""
    parser.add_argument("file", metavar="FILE", type=Path)
    parser.add_argument("--force", action="store_true", help=force)
    parser.add_argument("--allow-missing-bars", action="store_true", help=allow)
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def _backup(arguments: argparse.Namespace) -> None:
    settings = read_settings()
    made = _done(
        lambda: make_backup(
            settings,
            arguments.file,
            force=arguments.force,
            progress=_say,
            allow_missing_bars=arguments.allow_missing_bars,
        )
    )
    told = f"{made.file}: {made.rows:,} rows, {made.bars:,} sets of bars, {made.bytes / MB:,.1f} MB"
    warning = "it holds the signing key: keep it as secret" if made.has_key else "there is no signing key yet"
    _answer(arguments, made, f"{told}\n{warning}")


def _restore(arguments: argparse.Namespace) -> None:
    settings, seeds = read_settings(), {builtin.id for builtin in BUILTINS}
    restored = _done(
        lambda: restore_backup(
            settings,
            arguments.file,
            seeds=seeds,
            force=arguments.force,
            progress=_say,
            allow_missing_bars=arguments.allow_missing_bars,
        )
    )
    told = f"{restored.rows:,} rows as of {restored.created_at}; the new epoch is {restored.epoch}"
    then = (
        f"{restored.jobs_pending_again:,} jobs go on when a server starts; "
        f"{restored.pipelines_failed:,} pipelines had not ended, and have failed"
    )
    _answer(arguments, restored, f"{told}\n{then}")


def _done(work: Callable[[], Done]) -> Done:
    """Do it; being told to stop leaves nothing behind, and what is wrong becomes one line."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        return work()
    except StratoptError as error:
        raise UnusableBackup(str(error)) from error


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - progress


def _answer(arguments: argparse.Namespace, result: Made | Restored, told: str) -> None:
    print(json.dumps(asdict(result), indent=2) if arguments.json else told)  # noqa: T201 - this is the answer
