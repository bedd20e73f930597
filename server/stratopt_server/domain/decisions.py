"""Decisions about parameters, what they rest on, and the packages they make."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from stratopt_server.domain.market import DataGrade
from stratopt_server.domain.metrics import Metrics, ReturnMoments
from stratopt_server.domain.parameters import ParameterValue
from stratopt_server.domain.runs import Costs

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


class EvidenceSource(Enum):
    """Where evidence comes from."""

    OPTIMIZATION = "optimization"
    FIXED_PARAMETERS = "fixed_parameters"


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
class Evidence:
    """What a decision rests on. None: not computable, and such a figure never passes a gate."""

    source: EvidenceSource
    optimization_id: str | None
    seed: int | None
    """Seed of that optimization."""
    searched_by: str | None
    """Where no search is the evidence: one that tried these parameters on bars it held none of out."""
    dataset_hash: str
    """Content of the bars that were measured."""
    start_date: datetime
    """Open time of the first of them."""
    split_date: datetime
    """Open time of the first out-of-sample bar."""
    end_date: datetime
    """Open time of the last one."""
    data_grade: DataGrade
    costs: Costs
    whole: Metrics
    """Over all bars of the evidence: those of the search, or of the backtest where there is none."""
    in_sample: Metrics
    """Over the bars the parameters were chosen on."""
    out_of_sample: Metrics
    """Over the bars they were not chosen on."""
    doubled_costs: Metrics
    """Over all bars at doubled fee and slippage."""
    out_of_sample_days: int
    """Daily returns that psr_oos is computed from."""
    psr_oos: float | None
    """Probability that the true out-of-sample Sharpe ratio is above 0."""
    var_95_oos: float | None
    """Loss that 95 % of out-of-sample days stay below, a positive fraction."""
    moments_oos: ReturnMoments | None
    """Of the daily returns that psr_oos is computed from."""
    drawdown_q95: float | None
    """95 % quantile of the maximum drawdown with the trades in another order, all cash in each."""
    position_size: float | None
    """Largest share of capital at which that quantile stays within the limit, at most 1."""
    max_drawdown_at_size: float | None
    """Maximum drawdown over all bars at that size."""
    in_position: bool
    """Whether the strategy holds a position at the last bar."""


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
