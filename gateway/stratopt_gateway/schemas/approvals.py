"""Approvals."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from stratopt.v1.approval_service_pb2 import ApproveStrategyResponse, RecordReviewResponse
from stratopt.v1.decision_pb2 import Decision as pb_Decision
from stratopt.v1.policy_pb2 import Policy as pb_Policy
from stratopt_client import to_dict
from stratopt_client.packages import document_of
from stratopt_gateway.schemas.backtests import TASK_ID
from stratopt_gateway.schemas.base import Metrics, Moment, Params, Request
from stratopt_gateway.schemas.evidence import (
    FillBracketRun,
    Holding,
    MonteCarlo,
    OutOfSample,
    Overfitting,
    Regime,
    Reproduction,
    SealedEvidence,
    Significance,
    Superiority,
)
from stratopt_gateway.schemas.optimizations import Plateau

Criteria = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {"anyOf": [{"type": "number"}, {"type": "boolean"}, {"type": "string"}]},
        }
    ),
]


class Approve(Request):
    """Whose parameters to judge."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "strategy_id": "ma_cross_v1.0",
                "backtest_id": TASK_ID,
                "approval_criteria": {"psr_oos": 0.99, "max_drawdown": 0.15},
            }
        }
    )

    strategy_id: str = Field(description="The strategy; the backtest must be of it.")
    backtest_id: str = Field(description="The backtest (task_id) whose parameters are judged.")
    approval_criteria: Criteria | None = Field(
        None,
        description="Criteria of the policy to set to other values, by name; they are recorded. None may let "
        "more pass in a hard gate than the server's policy, unless the server may loosen.",
    )
    policy: str | None = Field(None, description="Name and version; not given: the server's own.")
    request_id: str | None = Field(None, description="The same id and body again give the same answer.")


class Gate(BaseModel):
    """One criterion of the policy, measured."""

    criterion: str = Field(examples=["psr_oos"])
    kind: Literal["hard", "review", "warn"]
    result: Literal["passed", "warning", "review", "failed", "not_computable", "not_applicable"]
    measured: str = Field(description="Empty where it could not be measured.", examples=["0.9712"])
    wanted: str = Field(examples=[">= 0.95"])
    explanation: str = Field(description="One sentence for a trader.")


class Evidence(BaseModel):
    """What a decision rests on."""

    source: Literal["optimization", "fixed_parameters"]
    optimization_id: str
    searched_by: str = Field(description="A search that spoils the evidence, where there is one.")
    whole: Metrics | None
    in_sample: Metrics
    out_of_sample: Metrics
    doubled_costs: Metrics
    out_of_sample_days: int
    psr_oos: float | None
    drawdown_q95: float | None
    position_size: float | None
    max_drawdown_at_size: float | None
    significance: Significance | None
    overfitting: Overfitting | None
    superiority: Superiority | None
    plateau: Plateau | None
    tests: OutOfSample | None
    regimes: list[Regime]
    monte_carlo: MonteCarlo | None
    holding: Holding | None
    delayed: Metrics | None = Field(description="Every signal filled one bar later.")
    fill_bracket: list[FillBracketRun]
    reproduction: Reproduction | None
    sealed: SealedEvidence | None = Field(description="Null where none was sealed.")


class Review(BaseModel):
    """A person's word on a decision."""

    word: Literal["approved", "rejected"]
    reviewer: str
    note: str
    create_time: Moment


class RecordReview(Request):
    """A person's word."""

    word: Literal["approved", "rejected"] = Field(description="approved signs and publishes the package.")
    reviewer: str = Field(description="Who says it.", max_length=100)
    note: str = Field("", description="Why.", max_length=2_000)
    request_id: str | None = Field(None, description="The same id and body again give the same answer.")


class Reevaluate(Request):
    """Which policy to look with."""

    policy: str | None = Field(None, description="Name and version; not given: the server's own.")
    approval_criteria: Criteria | None = Field(None, description="Criteria to set to other values, by name.")


class PolicyCriterion(BaseModel):
    """One thing that a policy asks for."""

    name: str
    kind: Literal["hard", "review", "warn"]
    wanted: str = Field(examples=[">= 0.95"])
    threshold: float | bool | str
    review: float | None = Field(
        description="What does not pass and is no worse than this, a person decides."
    )
    warn: float | None = Field(description="What passes with a warning if it is no better.")
    description: str
    allowed: str


class Policy(BaseModel):
    """A versioned set of criteria."""

    name: str = Field(examples=["default/v1"])
    description: str
    validity_days: int
    criteria: list[PolicyCriterion]
    is_default: bool

    @classmethod
    def of(cls, policy: pb_Policy) -> Self:
        """Describe a policy."""
        return cls.model_validate(to_dict(policy))


class Policies(BaseModel):
    """All policies of the server, its own first."""

    policies: list[Policy]


class RiskMetrics(BaseModel):
    """Out of sample, at the declared size."""

    model_config = ConfigDict(extra="allow")

    sharpe_ratio: float | None
    max_drawdown: float | None
    var_95: float | None
    expected_return: float | None


class BacktestResults(BaseModel):
    """Over all bars of the backtest."""

    model_config = ConfigDict(extra="allow")

    total_return: float | None
    sharpe_ratio: float | None
    max_drawdown: float | None
    win_rate: float | None
    profit_factor: float | None


class ParameterPackage(BaseModel):
    """Parameters that may trade, signed: the document that is published on `optimizer.pool.trading`."""

    model_config = ConfigDict(extra="allow")

    schema_version: str
    package_id: str
    epoch: str
    seq: int
    source: str
    timestamp: Moment
    valid_until: Moment
    strategy_id: str
    strategy_name: str
    strategy_type: str
    symbol: str
    parameters: Params
    action: Literal["BUY", "SELL", "HOLD"]
    position_size: float | None
    stop_loss: float | None
    take_profit: float | None
    expected_return: float | None
    max_drawdown: float | None
    risk_level: Literal["low", "medium", "high"]
    confidence: float | None
    risk_metrics: RiskMetrics
    backtest_results: BacktestResults
    signature: str = Field(description="Ed25519 signature of signed_payload, base64.")
    signed_payload: str = Field(description="Every other field as canonical JSON, base64: what is signed.")
    key_id: str = Field(description="SHA-256 of the public key that verifies it, in hex.")


class Decision(BaseModel):
    """A decision with its gates and evidence."""

    decision_id: str
    strategy_id: str
    symbol: str
    backtest_id: str
    approved: bool = Field(description="Whether the parameters may trade: by policy, or by a person's word.")
    outcome: Literal["approve", "review", "reject"]
    reason: str = Field(description="Why, in words: each failed gate with what was measured and wanted.")
    policy: str = Field(examples=["default/v1"])
    approval_criteria: Criteria = Field(description="Criteria that the request set otherwise.")
    gates: list[Gate] = Field(description="Every gate of the policy.")
    not_measured: list[str] = Field(description="Of decisions by starter/v1: what was not measured then.")
    evidence: Evidence
    package_id: str = Field(description="A draft where a person is asked; empty where it rejected.")
    review: Review | None = Field(description="A person's word, where one was asked and has spoken.")
    create_time: Moment

    @classmethod
    def of(cls, decision: pb_Decision) -> Self:
        """Describe a decision."""
        plain = to_dict(decision)
        return cls.model_validate(plain | {"decision_id": plain["id"]})


class Approval(Decision):
    """The decision, and the package if it approved."""

    parameter_package: ParameterPackage | None = Field(description="Null unless approved.")

    @classmethod
    def answered(cls, answer: ApproveStrategyResponse | RecordReviewResponse) -> Self:
        """Describe what was decided, and the package it made."""
        plain = to_dict(answer.decision)
        package = document_of(answer.parameter_package) if answer.HasField("parameter_package") else None
        return cls.model_validate(plain | {"decision_id": plain["id"], "parameter_package": package})
