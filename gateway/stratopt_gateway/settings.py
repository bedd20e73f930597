"""Every setting of the gateway: `STRATOPT_GATEWAY_<NAME>` in the environment or its default."""

import difflib
import os
from collections.abc import Iterable
from typing import Any, Literal, Self

from pydantic import PositiveFloat, PositiveInt, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from stratopt_client import DEFAULT_TARGET
from stratopt_gateway.logs import LogFormat

PREFIX = "STRATOPT_GATEWAY_"
SHARED_PREFIX = "STRATOPT_"
"""Of every program of ours."""
MISSPELT = 0.85
"""How like a name of ours one of that prefix must be to be meant for us; those of the server are less so."""
LOOPBACK = ("127.0.0.1", "[::1]", "localhost")
PORT_MAX = 65_535


class Settings(BaseSettings):
    """What an operator may decide. Limits carry their unit in the name."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    listen: str = "127.0.0.1:8080"
    """Address of the HTTP port; port 0 takes a free one. Only loopback, unless the next setting is on."""
    allow_public_listen: bool = False
    """Listen where others can reach it, although there is neither TLS nor authentication yet."""
    server: str = DEFAULT_TARGET
    """Address of the gRPC server behind this gateway."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severity of what is logged, on standard error."""
    log_format: LogFormat = "text"
    """How it is written: text for people, or json, one object a line, for machines."""

    body_bytes_max: PositiveInt = 4_194_304
    """Size of a request's body, decades of funding included; a larger one is refused with 413."""
    call_seconds_max: PositiveFloat = 30.0
    """How long the server may take for a plain call; over it the answer is 504."""
    long_call_seconds_max: PositiveFloat = 120.0
    """The same for an approval, whose evidence is gathered first, and for the download of a report."""
    health_seconds_max: PositiveFloat = 2.0
    """How long the server may take to say how it is, before it counts as ill."""
    streams_max: PositiveInt = 200
    """Server-Sent Event streams open at a time; one more is refused with 429."""
    stream_retry_ms: PositiveInt = 2_000
    """How soon a browser should come back after a broken event stream."""
    drain_seconds: PositiveFloat = 5.0
    """How long requests under way may finish after SIGTERM."""

    @property
    def host(self) -> str:
        """Host part of `listen`, as a socket takes it."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """Port part of `listen`."""
        return int(self.listen.rpartition(":")[2])

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_variables(cls, given: Any) -> Any:
        """A misspelt setting would be one that silently does nothing."""
        known = [f"{PREFIX}{name.upper()}" for name in cls.model_fields]
        faults = [
            f"{name} is no setting: did you mean {meant}?"
            for name in os.environ
            if (upper := name.upper()) not in known and (meant := _meant(upper, known))
        ]
        if faults:
            raise ValueError("\n".join(faults))
        return given

    @model_validator(mode="after")
    def _check_listen(self) -> Self:
        host, _, port = self.listen.rpartition(":")
        if not (host and port.isdecimal() and int(port) <= PORT_MAX):
            raise ValueError(f"STRATOPT_GATEWAY_LISTEN={self.listen}: must be HOST:PORT")
        if host not in LOOPBACK and not self.allow_public_listen:
            raise ValueError(
                f"STRATOPT_GATEWAY_LISTEN={self.listen}: without TLS and authentication only loopback "
                f"({', '.join(LOOPBACK)}) is served; STRATOPT_GATEWAY_ALLOW_PUBLIC_LISTEN=true serves it "
                "all the same"
            )
        return self


def _meant(name: str, known: Iterable[str]) -> str | None:
    """Return the setting that a variable is probably to be; None if it is none of ours."""
    if not name.startswith(SHARED_PREFIX):
        return None
    cutoff = 0 if name.startswith(PREFIX) else MISSPELT
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=cutoff)), None)
