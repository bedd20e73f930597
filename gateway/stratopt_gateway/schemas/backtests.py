"""Backtests."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field

from stratopt.v1.backtest_pb2 import Backtest as BacktestMessage
from stratopt_client import to_dict
from stratopt_gateway.schemas.base import (
    DATE,
    EstimatedTime,
    Failure,
    Metrics,
    Params,
    Word,
    eta_seconds,
    fraction_done,
)
from stratopt_gateway.schemas.run import FillModel, RunAnswer, RunRequest, run_fields

TASK_ID = "bt_1m83w2wbg8y3q3mda"


class StartBacktest(RunRequest):
    """Which parameters to run over which bars."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "symbol": "RNDR/USDT",
                "strategy_id": "grid_v1.2",
                "start_date": "2024-01-01",
                "end_date": "2024-01-31",
                "params": {"grid_num": 20, "profit_ratio": 0.015},
            }
        }
    )

    start_date: str = Field(description=f"First bar. {DATE}", examples=["2024-01-01"])
    end_date: str = Field(
        description=f"Last bar; a day without a time is included. {DATE}", examples=["2024-01-31"]
    )
    params: Params | None = Field(
        None, description="Parameters; those left out take the strategy's defaults."
    )
    recompute: bool | None = Field(
        None, description="Run it although the same run has a result that could be the answer at once."
    )


class Backtest(BaseModel):
    """Which backtest, and where it stands."""

    task_id: str = Field(description="Id of the backtest, and of its report.", examples=[TASK_ID])
    status: Word


class BacktestStarted(Backtest):
    """The backtest as accepted."""

    estimated_time: EstimatedTime


class BracketRun(BaseModel):
    """The same run of a grid under another fill model."""

    fill_model: FillModel
    metrics: Metrics


Bracket = Annotated[
    list[BracketRun],
    Field(
        description=(
            "Of a grid that succeeded: the same run under touch, through and volume, the kindest first, as "
            "nobody knows which is true. Of other strategies empty."
        )
    ),
]


class BacktestStatus(RunAnswer, Backtest):
    """A backtest as it stands."""

    progress: float = Field(description="From 0 to 1.", ge=0, le=1)
    stage: str | None = Field(description="What the job does now.")
    eta_seconds: float | None = Field(description="Seconds until the end, once measured.")
    params: Params = Field(description="Every parameter of the strategy.")
    metrics: Metrics | None = Field(description="Set once it succeeded.")
    fill_bracket: Bracket
    failure: Failure | None = Field(description="Set if it failed.")
    cached_from: str | None = Field(
        description="Id of the backtest whose result this is, where the same run had been made before."
    )

    @classmethod
    def of(cls, backtest: BacktestMessage) -> Self:
        """Describe a backtest."""
        plain = to_dict(backtest)
        return cls.model_validate(
            run_fields(plain)
            | {
                "task_id": plain["id"],
                "progress": fraction_done(plain),
                "stage": (plain["progress"] or {}).get("stage") or None,
                "eta_seconds": eta_seconds(plain),
                "cached_from": plain["cached_from"] or None,
            }
        )


class ReportId(BaseModel):
    """Which report."""

    id: str = Field(description="Id of the backtest whose report it is.", examples=[TASK_ID])


class Report(RunAnswer, ReportId):
    """A succeeded backtest with its metrics."""

    params: Params
    metrics: Metrics
    fill_bracket: Bracket

    @classmethod
    def of(cls, backtest: BacktestMessage) -> Self:
        """Describe a report."""
        return cls.model_validate(run_fields(to_dict(backtest)))


class Trade(BaseModel):
    """A round trip, or the position still open at the end."""

    entry_time: str
    entry_price: float = Field(description="Slippage included.")
    exit_time: str | None
    exit_price: float = Field(description="Slippage included; of an open one the last close.")
    size: float
    profit: float = Field(description="After fees and carry, in the quote currency.")
    return_: float = Field(alias="return", description="Profit / value at the entry.")
    fees: float
    open: bool
    short: bool = Field(description="Whether it was sold first and bought back.")
    carry: float = Field(description="Borrow and funding paid while it was held; negative where received.")


class Series(BaseModel):
    """Every bar of a report, a column each."""

    bar_time_us: list[int] = Field(description="Open times, microseconds since 1970-01-01 UTC.")
    equity: list[float | None]
    drawdown: list[float | None]
    position: list[float | None] = Field(description="Quantity held at each close; negative when short.")
    benchmark_equity: list[float | None]


class WholeReport(Report):
    """A report, with the parts that were asked for."""

    trades: list[Trade] | None = Field(None, description="Every trade, if asked for.")
    series: Series | None = Field(None, description="Every bar, if asked for.")


class Reports(BaseModel):
    """A page of reports."""

    reports: list[Report]
    next_page_token: str = Field(description="Asks for the next page; empty at the end.")

    @classmethod
    def of(cls, backtests: Any, next_page_token: str) -> Self:
        """Describe a page."""
        return cls(reports=[Report.of(row) for row in backtests], next_page_token=next_page_token)
