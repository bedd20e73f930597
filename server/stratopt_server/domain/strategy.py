"""Strategies: source code with default parameters."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime

from stratopt_server.domain.parameters import ParameterSpec, ParameterValue

STRATEGY_ID = re.compile(r"[A-Za-z0-9._-]{1,50}")


def hash_code(code: str) -> str:
    """SHA-256 of the source, in hex: which code ran, whatever it is called."""
    return hashlib.sha256(code.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """A strategy as it is stored."""

    id: str
    name: str
    version: str
    code: str
    default_params: dict[str, ParameterValue]
    created_at: datetime
    updated_at: datetime

    @property
    def code_hash(self) -> str:
        """SHA-256 of the code, in hex."""
        return hash_code(self.code)


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyContract:
    """What the code of a strategy declares, once it is known without running it."""

    params: dict[str, ParameterSpec]
    constraints: tuple[str, ...]
    """Relations between parameters that must hold, e.g. `fast_period < slow_period`."""
    kernel: str
    """Name of the compiled strategy in the engine."""
    strategy_type: str
    """What kind of strategy it is, in the word of the services around us, e.g. `momentum`."""
