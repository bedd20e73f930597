"""Reading the settings: every fault at once, and where each value came from."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from stratopt_server.settings import (
    Settings,
    UnusableSettings,
    config_file,
    file_source,
    given_variables,
    nearest,
    unknown_settings,
    variable_of,
)


@dataclass(frozen=True, slots=True)
class Origins:
    """What was given, and by whom: without it, a value is the default."""

    environment: frozenset[str]
    """Names of all variables that count, in upper case."""
    file: Path | None
    """The TOML file, if there is one."""
    keys: Mapping[str, Any]
    """What stands in it."""

    @classmethod
    def now(cls) -> Self:
        """Look at the environment and the file. Raises UnusableSettings if the file is unusable."""
        path = config_file()
        return cls(given_variables(os.environ), path, file_source(path).toml_data)

    def of(self, name: str) -> str:
        """Say where the value of a setting came from."""
        if (variable := variable_of(name)) in self.environment:
            return f"environment {variable}"
        return f"file {self.file}" if name in self.keys else "default"

    def place(self, name: str) -> str:
        """Name the variable, or the file and its key, that holds the value of a setting."""
        variable = variable_of(name)
        return variable if variable in self.environment or name not in self.keys else f"{self.file}: {name}"


def read_settings() -> Settings:
    """Read every setting. Raises UnusableSettings with every fault of the environment and the file."""
    faults = [
        f"{name} is no setting: did you mean {near}?" for name, near in unknown_settings(os.environ).items()
    ]
    try:
        settings = Settings()
    except ValidationError as error:
        origins = Origins.now()
        faults += [_told(fault, origins) for fault in error.errors()]
    except UnusableSettings as error:
        faults += error.faults
    if faults:
        raise UnusableSettings(*faults)
    return settings


def _told(fault: ErrorDetails, origins: Origins) -> str:
    name = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        near = nearest(name.lower(), Settings.model_fields)
        return f"{origins.file}: {name} is no setting: did you mean {near}?"
    told = fault["msg"].removeprefix("Value error, ")
    return f"{origins.place(name)}: {told}" if name else told
