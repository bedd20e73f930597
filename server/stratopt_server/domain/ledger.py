"""The ledger of trials: how often this code was tried on this market, by whichever job.

A trial counts once for its parameters, the dates that were asked for and the terms; not for each window of a
walk-forward, and not for the dataset, which one appended bar changes.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import Enum

from stratopt_server.domain.parameters import Params
from stratopt_server.domain.runs import Scenario

DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class LedgerKey:
    """What trials are counted by."""

    code_hash: str
    """Codes of one lineage count as one: text that replaced another under the same id."""
    exchange: str
    symbol: str
    timeframe: str

    @classmethod
    def of(cls, scenario: Scenario) -> "LedgerKey":
        """The key of a run."""
        return cls(scenario.code_hash, scenario.exchange, scenario.symbol, scenario.timeframe)


class TrialDigests:
    """Names the trials of one scenario."""

    def __init__(self, scenario: Scenario) -> None:
        ground = asdict(scenario.terms) | {"from": scenario.start_date, "to": scenario.end_date}
        self._ground = hashlib.blake2b(_canonical(ground), digest_size=DIGEST_BYTES)

    def of(self, params: Params) -> bytes:
        """Name the trial of these parameters: equal trials are equal bytes, DIGEST_BYTES long."""
        digest = self._ground.copy()
        digest.update(_canonical(dict(params)))
        return digest.digest()


def _plain(value: object) -> str:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat()
        case Enum():
            return str(value.value)
    raise TypeError(f"{value!r} has no canonical form")


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False, default=_plain)


def _canonical(document: object) -> bytes:
    return _ENCODER.encode(document).encode()
