"""What every run is asked with, and described with: whose it is, on which bars, on which terms."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field

from stratopt_gateway.schemas.base import DATE, Moment, Request

Fill = Literal["next_open", "close"]
Direction = Literal["long", "short", "both"]
SizingKind = Literal["all_in", "fraction", "fixed"]
FillModel = Literal["touch", "through", "volume", "touch_path"]

OF_GRIDS = "Of strategies that are a grid only; refused for others."
NOT_OF_GRIDS = "Refused for a grid, which sizes and places its own orders."


class Sizing(Request):
    """How large an opening order is."""

    kind: SizingKind = Field(
        description=(
            "all_in: all cash at hand. fraction: a share of it. fixed: an amount of the quote currency, as "
            "far as the cash goes."
        )
    )
    amount: float | None = Field(
        None,
        description="The share, above 0, up to 1, or the amount, above 0; not given for all_in.",
        examples=[0.5],
    )

    def as_client_has_it(self) -> SizingKind | tuple[SizingKind, float]:
        """Return the word, or the word and the amount."""
        return self.kind if self.amount is None else (self.kind, self.amount)


class FundingRate(Request):
    """What longs pay shorts, once, on the value of the position at the close of the bar it falls into."""

    time: str = Field(description=f"When it is paid. {DATE}", examples=["2024-01-01T08:00:00Z"])
    rate: float = Field(
        description="A fraction above -1, below 1; negative where shorts pay longs.", examples=[0.0001]
    )


class CostsAsked(Request):
    """What trading shall cost. Fractions from 0 to below 1, where nothing else is said."""

    taker_fee: float | None = Field(
        None,
        description=(
            "Fee on the traded value of orders that take: market orders and stops. Not given: the server's "
            "setting, 0.001."
        ),
        examples=[0.001],
    )
    maker_fee: float | None = Field(
        None,
        description=(
            "Fee on the traded value of resting limit orders: those of a grid, and take profit. Not given: "
            "the taker fee."
        ),
        examples=[0.0002],
    )
    fixed_fee: float | None = Field(
        None,
        description=f"Fee of each order, in the quote currency; not given: 0. {NOT_OF_GRIDS}",
        examples=[1.0],
    )
    slippage: float | None = Field(
        None,
        description=(
            "How far the price of each order that takes moves against you. Not given: the server's setting, "
            "0.0005."
        ),
        examples=[0.0005],
    )
    impact: float | None = Field(
        None,
        description=(
            "Further slippage of an order as large as the bar's whole volume, from 0 to 10; it grows in "
            f"proportion. Not given: 0. {NOT_OF_GRIDS}"
        ),
        examples=[0.1],
    )
    borrow_rate: float | None = Field(
        None, description="What a short pays on its value at each bar's close; not given: 0.", examples=[1e-5]
    )
    funding: list[FundingRate] | None = Field(
        None, description="Funding of perpetual contracts, times ascending; not given: none."
    )


class TradingAsked(CostsAsked):
    """How a run shall trade."""

    direction: Direction | None = Field(
        None,
        description="Which side of the market it may take; not given: long, which is all a grid takes.",
    )
    sizing: Sizing | None = Field(
        None, description=f"How large an opening order is; not given: all_in. {NOT_OF_GRIDS}"
    )
    stop_loss: float | None = Field(
        None,
        description=(
            "Loss at which a position is closed inside the bar, a fraction of its entry price above 0, below "
            "1; not given: none. Refused for a grid, which has a parameter of that name."
        ),
        examples=[0.02],
    )
    take_profit: float | None = Field(
        None,
        description=(
            "Gain at which it is closed by a resting order, a fraction above 0; where the stop lies in the "
            f"same bar, the stop comes first. Not given: none. {NOT_OF_GRIDS}"
        ),
        examples=[0.04],
    )
    trailing_stop: float | None = Field(
        None,
        description=(
            "Fall from the best price since the entry at which it is closed, a fraction above 0, below 1; "
            f"not given: none. {NOT_OF_GRIDS}"
        ),
        examples=[0.03],
    )
    min_notional: float | None = Field(
        None,
        description=(
            "Least value of an opening order that the exchange takes, in the quote currency; one below it is "
            "refused and counted. Not given: 0, no such rule."
        ),
        examples=[5.0],
    )
    lot_size: float | None = Field(
        None,
        description=(
            "Quantities are whole multiples of it, in the base currency; an order that rounds to 0 is "
            "refused and counted. Not given: 0, no such rule."
        ),
        examples=[1e-5],
    )
    tick_size: float | None = Field(
        None,
        description=(
            "Step of prices: how far a bar must trade through a line of a grid. Not given: 0, not known."
        ),
        examples=[0.01],
    )
    fill: Fill | None = Field(
        None,
        description=(
            "When an order decided on a bar's close is filled; not given: at the next open, which is all a "
            "grid takes."
        ),
    )
    fill_model: FillModel | None = Field(
        None,
        description=(
            "When a resting order fills inside a bar: when its line is touched, is traded through, is traded "
            f"through while volume lasts, or along the bar's path. Not given: through. {OF_GRIDS}"
        ),
    )
    participation: float | None = Field(
        None,
        description=(
            "Largest share of a bar's volume that fills under the fill model volume, above 0, up to 1; not "
            f"given: 0.1. {OF_GRIDS}"
        ),
        examples=[0.1],
    )


class RunRequest(TradingAsked):
    """What every run is asked with."""

    symbol: str = Field(description="Symbol of the bars, BASE/QUOTE.", examples=["RNDR/USDT"])
    strategy_id: str = Field(description="The strategy to run.", examples=["grid_v1.2"])
    exchange: str | None = Field(None, description="Exchange of the bars; needed where several have them.")
    timeframe: str | None = Field(
        None, description="Length of a bar; needed where there are several.", examples=["1h"]
    )
    initial_cash: float | None = Field(None, description="Cash at the start, in the quote currency.")
    priority: int | None = Field(
        None,
        description="Place in the queue, -10 to 10; not given: 0. Of pending jobs those of higher priority "
        "run first.",
    )
    request_id: str | None = Field(
        None, description="The same id and body again give the same answer for 24 hours."
    )

    def options(self) -> dict[str, Any]:
        """Return everything but what and whom the run is about, as the client's keyword arguments."""
        sizing, funding = self.sizing, self.funding
        return self.model_dump(exclude={"symbol", "strategy_id", "param_ranges"}) | {
            "sizing": None if sizing is None else sizing.as_client_has_it(),
            "funding": None if funding is None else [(paid.time, paid.rate) for paid in funding],
        }


class SizingTold(BaseModel):
    """How large an opening order is."""

    kind: SizingKind
    amount: float | None = Field(description="The share or the amount; null for all_in.")


class FundingTold(BaseModel):
    """What longs pay shorts, once."""

    time: Moment
    rate: float = Field(description="A fraction; negative where shorts pay longs.")


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
    maker_fee: float
    fixed_fee: float
    slippage: float
    impact: float
    borrow_rate: float
    funding: list[FundingTold]
    direction: Direction
    sizing: SizingTold
    stop_loss: float | None = Field(description="Null where there is none.")
    take_profit: float | None = Field(description="Null where there is none.")
    trailing_stop: float | None = Field(description="Null where there is none.")
    min_notional: float = Field(description="0 where there is no such rule.")
    lot_size: float = Field(description="0 where there is no such rule.")
    tick_size: float = Field(description="0 where it is not known.")
    fill: Fill
    fill_model: FillModel = Field(description="Without effect on strategies that are no grid.")
    participation: float = Field(description="Without effect on strategies that are no grid.")
    priority: int = Field(description="Of pending jobs those of higher priority run first.")
    caller: str = Field(description="Who asked for it, as they named themselves.")
    create_time: Moment
    start_time: Moment | None
    end_time: Moment | None


def run_fields(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run as `to_dict` has it with its terms at the top, as requests have them."""
    trading = plain["trading"] or {}
    parts = (plain["costs"], trading, *(trading.get(name) for name in ("stops", "rules", "carry")))
    return dict(plain) | {name: value for part in parts if part for name, value in part.items()}
