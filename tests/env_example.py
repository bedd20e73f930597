"""Write `.env.example` from the settings of the server and the gateway: the only way to do it.

`python tests/env_example.py` rewrites the file; `--check` fails if it would change.
"""

import argparse
import sys
import textwrap
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

from pydantic import SecretStr
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from stratopt_gateway.settings import Settings as GatewaySettings
from stratopt_server.settings import CONFIG_FILE
from stratopt_server.settings import Settings as ServerSettings

TARGET = Path(__file__).parent.parent / ".env.example"
WIDTH = 100

HEAD = """\
Every setting of the server and of the gateway, commented out, with its default. Where the default is
in words, what stands behind = is no value. Neither program reads this file by itself: give it to the shell,
to Docker or to systemd. docs/configuration.md says more."""
CONFIG_FILE_SAYS = "TOML file with settings of the server; what stands in the environment outweighs it."
CONFIG_FILE_DEFAULT = (
    "$XDG_CONFIG_HOME/stratopt/stratopt.toml or else ~/.config/stratopt/stratopt.toml, if it is there"
)

IN_WORDS = {
    "STRATOPT_DATA_DIR": "$XDG_DATA_HOME/stratopt or else ~/.local/share/stratopt",
    "STRATOPT_CACHE_DIR": "$XDG_CACHE_HOME/stratopt or else ~/.cache/stratopt",
    "STRATOPT_JOBS_RUNNING_MAX": "the number of processors, at least 2",
}
"""Defaults that the machine decides."""


def example() -> str:
    """Return what the file should have."""
    parts = [
        _comment(HEAD),
        "# --- server ---",
        f"{_comment(CONFIG_FILE_SAYS)}\n{_line(CONFIG_FILE, words=CONFIG_FILE_DEFAULT)}",
        *_settings(ServerSettings),
        "# --- gateway ---",
        *_settings(GatewaySettings),
    ]
    return "\n\n".join(parts) + "\n"


def _settings(settings: type[BaseSettings]) -> Iterator[str]:
    prefix = settings.model_config.get("env_prefix", "")
    for name, field in settings.model_fields.items():
        assert field.description, f"{name} has no docstring"
        variable = f"{prefix}{name.upper()}"
        if field.default is PydanticUndefined:
            line = _line(variable, words=IN_WORDS[variable])
        elif field.default is None:
            line = _line(variable, words="unset")
        else:
            line = _line(variable, value=_text(field.default))
        yield f"{_comment(field.description)}\n{line}"


def _text(value: object) -> str:
    match value:
        case SecretStr():
            return value.get_secret_value()
        case Enum():
            return str(value.value)
        case bool():
            return str(value).lower()
        case _:
            return str(value)


def _line(variable: str, *, value: str = "", words: str = "") -> str:
    return f"# {variable}=   (default: {words})" if words else f"# {variable}={value}"


def _comment(text: str) -> str:
    wrapped = textwrap.wrap(" ".join(text.split()), WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n".join(f"# {line}" for line in wrapped)


def main() -> None:
    """Write the file, or check that what is committed is current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if out of date")
    if not parser.parse_args().check:
        TARGET.write_text(example(), encoding="utf-8")
    elif not TARGET.is_file() or TARGET.read_text(encoding="utf-8") != example():
        sys.exit("out of date, run `python tests/env_example.py`: .env.example")


if __name__ == "__main__":
    main()
