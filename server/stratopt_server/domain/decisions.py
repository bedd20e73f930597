"""Decisions about parameters, what they rest on, and the packages they make."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from stratopt_server.domain.evidence import Evidence
from stratopt_server.domain.metrics import Metrics
from stratopt_server.domain.parameters import ParameterValue

CriterionValue = float | bool | str
"""What a criterion is set to: a threshold, a switch or a word."""


class DecisionOutcome(Enum):
    """What was decided."""

    APPROVE = "approve"
    REJECT = "reject"


class GateKind(Enum):
    """How much a gate weighs."""

    HARD = "hard"
    WARN = "warn"


class GateResult(Enum):
    """How a gate ended; only PASSED passes."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_COMPUTABLE = "not_computable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One criterion of a policy, measured."""

    criterion: str
    kind: GateKind
    result: GateResult
    measured: str
    """What was measured, as text; empty where it could not be."""
    wanted: str
    explanation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A decision about the parameters of one backtest."""

    id: str
    backtest_id: str
    strategy_id: str
    symbol: str
    policy: str
    """Name and version, e.g. `starter/v1`."""
    criteria: dict[str, CriterionValue]
    """Criteria that the request set to other values than the policy."""
    outcome: DecisionOutcome
    reason: str
    gates: tuple[Gate, ...]
    not_measured: tuple[str, ...]
    evidence: Evidence
    package_id: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterPackage:
    """Parameters that may trade, signed."""

    id: str
    decision_id: str
    backtest_id: str
    strategy_id: str
    symbol: str
    exchange: str
    timeframe: str
    params: dict[str, ParameterValue]
    metrics: Metrics
    """Of the backtest."""
    epoch: str
    seq: int
    signed_payload: bytes
    """Everything the package says, as canonical JSON."""
    signature: bytes
    key_id: str
    valid_until: datetime
    created_at: datetime
    published_at: datetime | None


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the order of published packages."""

    epoch: str
    """Made once per database."""
    seq: int
    """From 1, rising by one within the epoch."""
