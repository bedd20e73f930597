"""Approvals."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from stratopt.v1.approval_service_pb2 import ApproveStrategyResponse
from stratopt_client import to_dict
from stratopt_client.packages import document_of
from stratopt_gateway.schemas.backtests import TASK_ID
from stratopt_gateway.schemas.base import Metrics, Moment, Params, Request

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
                "approval_criteria": {"psr_oos": 0.9, "data_grade": "GOOD"},
            }
        }
    )

    strategy_id: str = Field(description="The strategy; the backtest must be of it.")
    backtest_id: str = Field(description="The backtest (task_id) whose parameters are judged.")
    approval_criteria: Criteria | None = Field(
        None, description="Criteria of the policy to set to other values, by name; they are recorded."
    )
    request_id: str | None = Field(None, description="The same id and body again give the same answer.")


class Gate(BaseModel):
    """One criterion of the policy, measured."""

    criterion: str = Field(examples=["psr_oos"])
    kind: Literal["hard", "warn"]
    result: Literal["passed", "failed", "not_computable"]
    measured: str = Field(description="Empty where it could not be measured.", examples=["0.9712"])
    wanted: str = Field(examples=[">= 0.95"])
    explanation: str = Field(description="One sentence for a trader.")


class Evidence(BaseModel):
    """What a decision rests on."""

    source: Literal["optimization", "fixed_parameters"]
    optimization_id: str
    in_sample: Metrics
    out_of_sample: Metrics
    doubled_costs: Metrics
    out_of_sample_days: int
    psr_oos: float | None
    drawdown_q95: float | None
    position_size: float | None
    max_drawdown_at_size: float | None


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


class Approval(BaseModel):
    """The decision, and the package if it approved."""

    approved: bool
    reason: str = Field(description="Why, in words: each failed gate with what was measured and wanted.")
    parameter_package: ParameterPackage | None = Field(description="Null unless approved.")
    decision_id: str
    policy: str = Field(examples=["starter/v1"])
    approval_criteria: Criteria = Field(description="Criteria that the request set otherwise.")
    gates: list[Gate] = Field(description="Every gate of the policy.")
    not_measured: list[str] = Field(description="Criteria of the full policy not measured here yet.")
    evidence: Evidence

    @classmethod
    def of(cls, answer: ApproveStrategyResponse) -> Self:
        """Describe a decision."""
        plain = to_dict(answer.decision)
        package = document_of(answer.parameter_package) if answer.HasField("parameter_package") else None
        return cls.model_validate(
            plain
            | {
                "approved": plain["outcome"] == "approve",
                "decision_id": plain["id"],
                "parameter_package": package,
            }
        )
