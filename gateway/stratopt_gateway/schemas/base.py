"""What requests and answers have in common."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

Word = Literal["pending", "running", "succeeded", "failed", "cancelled", "paused"]
"""Where a job stands."""
RunStatus = Literal["traded", "never_traded", "liquidated"]
Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""A time in an answer: ISO 8601, UTC."""
EstimatedTime = Annotated[
    int,
    Field(
        description="Seconds until it should be done, its wait for its turn included: as this machine was "
        "measured and jobs like it have taken.",
        ge=1,
        examples=[2],
    ),
]

DATE = "ISO 8601, UTC: a day such as 2024-01-31 or a moment such as 2024-01-31T12:00:00Z."
VALUE_SCHEMA = {
    "anyOf": [{"type": "integer"}, {"type": "number"}, {"type": "boolean"}, {"type": "string"}],
}
RANGE_SCHEMA = {
    "anyOf": [
        {
            "type": "object",
            "properties": {
                "min": {"type": "number"},
                "max": {"type": "number"},
                "step": {"type": "number"},
                "log": {"type": "boolean"},
            },
            "required": ["min", "max"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {"choices": {"type": "array", "items": VALUE_SCHEMA, "minItems": 1}},
            "required": ["choices"],
            "additionalProperties": False,
        },
        {"type": "array", "items": VALUE_SCHEMA, "minItems": 1},
    ],
}

# What a value may be is told by the client, in one sentence for all kinds; here only that it has a name.
Params = Annotated[dict[str, Any], WithJsonSchema({"type": "object", "additionalProperties": VALUE_SCHEMA})]
"""Values by parameter. 20 is a whole number and 20.0 a real one."""
ParamRanges = Annotated[
    dict[str, Any], WithJsonSchema({"type": "object", "additionalProperties": RANGE_SCHEMA})
]
"""What may be tried, by parameter."""


class Request(BaseModel):
    """A body of a request: exact types, and no field that is not known."""

    model_config = ConfigDict(strict=True, extra="forbid")


class Failure(BaseModel):
    """Why a job failed."""

    reason: str = Field(description="Stable word for programs.", examples=["MEMORY_LIMIT_EXCEEDED"])
    message: str = Field(description="One sentence for people.")
    metadata: dict[str, str] = Field(description="Every value the message names.")


class Metrics(BaseModel):
    """What a run earned and risked. Ratios are fractions; a figure that is not defined is null."""

    total_return: float | None = Field(description="Last equity / initial cash - 1.")
    cagr: float | None = Field(description="Compound annual growth rate.")
    sharpe_ratio: float | None = Field(description="Annual.")
    sortino_ratio: float | None = Field(description="Annual.")
    calmar_ratio: float | None = Field(description="cagr / max_drawdown.")
    volatility: float | None = Field(description="Annual standard deviation of returns.")
    max_drawdown: float | None = Field(description="Largest fall from a peak, a positive fraction.")
    trade_count: int = Field(description="Round trips completed.")
    open_trade_count: int = Field(description="Positions still open at the end.")
    win_rate: float | None = Field(description="Share of round trips that earned more than 0.")
    profit_factor: float | None = Field(description="Sum of winning / sum of losing round trips.")
    expectancy: float | None = Field(description="Mean profit of a round trip, in the quote currency.")
    exposure: float | None = Field(description="Share of bars with a position.")
    fees_paid: float | None = Field(description="In the quote currency.")
    final_equity: float | None = Field(description="In the quote currency.")
    bar_count: int = Field(description="Bars in the run.")
    longest_drawdown_bars: int | None = Field(
        description="Most consecutive bars whose equity is below an earlier peak."
    )
    turnover: float | None = Field(description="Traded value a year / mean equity.")
    var_95: float | None = Field(description="Loss that 95 % of the days stay below.")
    cvar_95: float | None = Field(description="Mean loss of the worst 5 % of the days.")
    skewness: float | None = Field(description="Of the returns per bar.")
    kurtosis: float | None = Field(description="Of the returns per bar, not excess: 3 is normal.")
    carry_paid: float | None = Field(
        description="Borrow and funding paid, in the quote currency; negative where received."
    )
    refused_min_notional: int | None = Field(description="Opening orders below the exchange's least value.")
    refused_lot_size: int | None = Field(description="Opening orders that rounded to no lot.")
    refused_no_cash: int | None = Field(description="Opening orders for which there was no cash.")
    refused_no_volume: int | None = Field(
        description="Orders in bars without volume, where the price of an order depends on the volume."
    )
    run_status: RunStatus = Field(
        description=(
            "never_traded: no signal, or every order was refused. liquidated: the equity of a short fell to "
            "0, and nothing was traded after."
        )
    )


class Progress(BaseModel):
    """How far a job has come."""

    done: int = Field(description="Units of work done: trials of a search, stages of a backtest.")
    total: int = Field(description="Units of work in all.")
    rate: float | None = Field(description="Units a second, once measured.")
    eta_seconds: float | None = Field(description="Seconds until the end at that rate, once measured.")
    stage: str = Field(description="What the job does now.")
    best_score: float | None = Field(description="Of a search: of its best trial so far.")
    batch: int = Field(description="Of a search: batches so far; of a genetic algorithm its generations.")


def fraction_done(plain: Mapping[str, Any]) -> float:
    """Return how far a job has come, from 0 to 1."""
    if plain["status"] == "succeeded":
        return 1.0
    progress = plain["progress"] or {"done": 0, "total": 0}
    return min(progress["done"] / progress["total"], 1.0) if progress["total"] else 0.0


def eta_seconds(plain: Mapping[str, Any]) -> float | None:
    """Return how long a job will still take, where that could be measured."""
    return (plain["progress"] or {}).get("eta_seconds")
