"""`config show`: every setting with its value and where that came from, secrets hidden."""

import argparse
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import Enum

from pydantic import SecretStr

from stratopt_server.settings import Settings, UnusableSettings
from stratopt_server.settings_reading import Origins, read_settings

MASK = "***"
URL_PASSWORD = re.compile(r"(://[^:/?#\s]*):.*@", re.DOTALL)
"""A user and a password; up to the last @, for a password may have one too."""
USERINFO = re.compile(r"(?<!postgresql)(?<!postgres)://[^:/?#\s]+@")
"""What stands alone before the @ is a token, but for a database, whose users have names."""
SECRET_NAME = r"(?:password|passwd|pwd|secret|token|key)"  # noqa: S105 - a name, no secret
QUERY_PASSWORD = re.compile(rf"([?&][^=&]*{SECRET_NAME}=)[^&]*", re.IGNORECASE)
KEYWORD_PASSWORD = re.compile(
    rf"((?:^|\s)[\w.-]*{SECRET_NAME}\s*=\s*)(?:'(?:\\.|[^'\\])*(?:'|\\?$)|(?:\\.|\S)*)",
    re.IGNORECASE | re.DOTALL,
)
"""As in `host=db password=...`, where quotes may enclose the value."""

Plain = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Shown:
    """One setting as it may be shown to anybody."""

    name: str
    value: Plain
    source: str
    """`environment VARIABLE`, `file PATH` or `default`."""
    description: str


def shown(settings: Settings, origins: Origins) -> list[Shown]:
    """Tell every setting, in the order in which they are declared."""
    return [
        Shown(
            name,
            _plain(getattr(settings, name)),
            origins.of(name),
            " ".join((field.description or "").split()),
        )
        for name, field in Settings.model_fields.items()
    ]


def masked(text: str) -> str:
    """Hide the passwords in a text: those of URLs, and those of `name=value`."""
    text = USERINFO.sub(f"://{MASK}@", URL_PASSWORD.sub(rf"\1:{MASK}@", text))
    return KEYWORD_PASSWORD.sub(rf"\1{MASK}", QUERY_PASSWORD.sub(rf"\1{MASK}", text))


def _plain(value: object) -> Plain:
    match value:
        case SecretStr():
            return MASK if value.get_secret_value() else ""
        case Enum():
            return str(value.value)
        case None | bool() | int() | float():
            return value
        case _:
            return masked(str(value))


def table(settings: Sequence[Shown]) -> str:
    """Lay the settings out in aligned columns."""
    rows = [("setting", "value", "source")]
    rows += [(setting.name, _cell(setting.value), setting.source) for setting in settings]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    return "\n".join(f"{name:{widths[0]}}  {value:{widths[1]}}  {source}" for name, value, source in rows)


def _cell(value: Plain) -> str:
    match value:
        case None:
            return "(unset)"
        case "":
            return "(empty)"
        case bool():
            return str(value).lower()
        case _:
            return str(value)


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `config show` to the commands of the server."""
    config = commands.add_parser("config", help="show the settings")
    show = config.add_subparsers(metavar="COMMAND", required=True).add_parser(
        "show", help="print every setting, its value and where that came from"
    )
    show.add_argument("--json", action="store_true", help="print one JSON document")
    show.set_defaults(run=_show)


def _show(arguments: argparse.Namespace) -> None:
    """Print the settings. Raises UnusableSettings; where JSON is wanted, the faults are printed too."""
    try:
        settings = shown(read_settings(), origins := Origins.now())
    except UnusableSettings as error:
        if arguments.json:
            print(json.dumps({"faults": error.faults}, indent=2))  # noqa: T201 - this is the answer
        raise
    document = {
        "file": None if origins.file is None else str(origins.file),
        "settings": [asdict(setting) for setting in settings],
    }
    print(json.dumps(document, indent=2) if arguments.json else table(settings))  # noqa: T201 - this is the answer
