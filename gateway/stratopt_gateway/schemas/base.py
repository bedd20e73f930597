"""What requests and answers have in common."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

Word = Literal["pending", "running", "succeeded", "failed", "cancelled"]
"""Where a job stands."""
Fill = Literal["next_open", "close"]
Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""A time in an answer: ISO 8601, UTC."""

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


class RunRequest(Request):
    """What every run is asked with."""

    symbol: str = Field(description="Symbol of the bars, BASE/QUOTE.", examples=["RNDR/USDT"])
    strategy_id: str = Field(description="The strategy to run.", examples=["grid_v1.2"])
    exchange: str | None = Field(None, description="Exchange of the bars; needed where several have them.")
    timeframe: str | None = Field(
        None, description="Length of a bar; needed where there are several.", examples=["1h"]
    )
    initial_cash: float | None = Field(None, description="Cash at the start, in the quote currency.")
    taker_fee: float | None = Field(
        None, description="Fee on the traded value, a fraction.", examples=[0.001]
    )
    slippage: float | None = Field(
        None, description="How far each fill moves against you, a fraction.", examples=[0.0005]
    )
    fill: Fill | None = Field(
        None, description="When an order decided on a bar's close is filled; not given: at the next open."
    )
    request_id: str | None = Field(
        None, description="The same id and body again give the same answer for 24 hours."
    )

    def options(self) -> dict[str, Any]:
        """Return everything but what and whom the run is about, as the client's keyword arguments."""
        return self.model_dump(exclude={"symbol", "strategy_id", "param_ranges"})


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


class Progress(BaseModel):
    """How far a job has come."""

    done: int = Field(description="Units of work done: trials of a search, stages of a backtest.")
    total: int = Field(description="Units of work in all.")
    rate: float | None = Field(description="Units a second, once measured.")
    eta_seconds: float | None = Field(description="Seconds until the end at that rate, once measured.")
    stage: str = Field(description="What the job does now.")


class RunAnswer(BaseModel):
    """What every run is described with, defaults filled in."""

    strategy_id: str
    symbol: str
    exchange: str
    timeframe: str
    start_date: Moment = Field(description="Open time of the first bar.")
    end_date: Moment = Field(description="Open time of the last bar.")
    initial_cash: float
    taker_fee: float
    slippage: float
    fill: Fill
    create_time: Moment
    start_time: Moment | None
    end_time: Moment | None


def run_fields(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run as `to_dict` has it with its costs at the top, as requests have them."""
    return {**plain, **(plain["costs"] or {})}


def fraction_done(plain: Mapping[str, Any]) -> float:
    """Return how far a job has come, from 0 to 1."""
    if plain["status"] == "succeeded":
        return 1.0
    progress = plain["progress"] or {"done": 0, "total": 0}
    return min(progress["done"] / progress["total"], 1.0) if progress["total"] else 0.0


def eta_seconds(plain: Mapping[str, Any]) -> float | None:
    """Return how long a job will still take, where that could be measured."""
    return (plain["progress"] or {}).get("eta_seconds")
