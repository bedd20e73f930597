"""The ledger of trials: how often this code was tried on this market, by whichever job.

A trial counts once for its parameters, the dates that were asked for and the terms; not for each window of a
walk-forward, and not for the dataset, which one appended bar changes.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from stratopt_server.domain.metrics import ReturnMoments
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


@dataclass(frozen=True, slots=True)
class LedgerTrial:
    """One trial, as the ledger keeps it."""

    digest: bytes
    """Its name, DIGEST_BYTES long."""
    sharpe: float | None
    """Of its daily returns; None where it is not defined, or nothing was run."""
    stream: bytes | None
    """Names its returns: trials of the same returns are one try. None where the Sharpe ratio is."""


def entered(known: Mapping[bytes, LedgerTrial], trials: Iterable[LedgerTrial]) -> dict[bytes, LedgerTrial]:
    """Enter trials beside those known: each counts once, and its first Sharpe ratio stays."""
    found = dict(known)
    for trial in trials:
        before = found.get(trial.digest)
        if before is None or before.stream is None:
            found[trial.digest] = trial
    return found


@dataclass(frozen=True, slots=True)
class TrialTally:
    """What the ledger says of all trials together."""

    count: int
    """Distinct trials: those of the same returns count as one, those without a Sharpe ratio each."""
    undefined: int
    """Those without a Sharpe ratio."""
    variance: float | None
    """Of the others' daily Sharpe ratios (ddof 1); None for fewer than two."""

    @classmethod
    def of(cls, sharpes: NDArray[np.float64], undefined: int) -> "TrialTally":
        """Tally the Sharpe ratios of distinct returns."""
        variance = float(np.var(sharpes, ddof=1)) if len(sharpes) > 1 else None
        return cls(len(sharpes) + undefined, undefined, variance)


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

    def measured(
        self, params: Params, blocks: NDArray[np.float64], daily: ReturnMoments | None
    ) -> LedgerTrial:
        """Enter a trial: `blocks` are its sums of r and r^2, `daily` the moments of its daily returns."""
        if daily is None:
            return LedgerTrial(self.of(params), None, None)
        stream = hashlib.blake2b(blocks.astype("<f8").tobytes(), digest_size=DIGEST_BYTES)
        figures = (daily.sharpe, daily.skewness, daily.kurtosis)
        stream.update(repr((daily.count, *figures)).encode())
        return LedgerTrial(self.of(params), daily.sharpe, stream.digest())


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
