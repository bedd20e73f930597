"""The options that every run has, written once for the commands that start one."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal, get_type_hints

import typer

from stratopt_cli._parse import sizing
from stratopt_client import RunOptions

BARS = "Which bars"
COSTS = "What trading costs"
ORDERS = "What it trades, and when it gets out"
RULES = "What the exchange takes"
FILLS = "When orders fill"
QUEUE = "When it runs"


def option(panel: str, text: str, *names: str, metavar: str | None = None) -> Any:
    """Declare one option; its name is the field's unless others are given."""
    return typer.Option(*names, metavar=metavar, help=text, rich_help_panel=panel)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFlags:
    """What was written on the command line; None stands for what was not."""

    exchange: Annotated[
        str | None, option(BARS, "Exchange of the bars; needed where several have the symbol.")
    ] = None
    timeframe: Annotated[
        str | None, option(BARS, "Length of a bar, e.g. 1h; needed where there are several.")
    ] = None
    start: Annotated[
        str | None, option(BARS, "First day or moment, e.g. 2022-01-01. UTC.", metavar="DATE")
    ] = None
    end: Annotated[str | None, option(BARS, "Last day, included, or last moment. UTC.", metavar="DATE")] = (
        None
    )

    fee: Annotated[
        float | None,
        option(COSTS, "Fee of orders that take (at the market, stops) on their value: 0.001 is 0.1 %."),
    ] = None
    maker_fee: Annotated[
        float | None,
        option(COSTS, "Fee of orders that rest (a grid's, take profit) on their value. Not given: --fee."),
    ] = None
    fixed_fee: Annotated[
        float | None, option(COSTS, "Fee of each order, in the quote currency. Not for grids.")
    ] = None
    slippage: Annotated[
        float | None, option(COSTS, "How far each fill that takes moves against you: 0.0005 is 0.05 %.")
    ] = None
    impact: Annotated[
        float | None,
        option(
            COSTS,
            "Further slippage of an order as large as the bar's volume; a tenth of it moves a tenth as far. "
            "Not for grids.",
        ),
    ] = None
    borrow_rate: Annotated[
        float | None, option(COSTS, "What a short pays on its value, each bar: 0.00001 is 0.001 %.")
    ] = None

    cash: Annotated[float | None, option(ORDERS, "Cash at the start, in the quote currency.")] = None
    direction: Annotated[
        Literal["long", "short", "both"] | None,
        option(ORDERS, "Buy first, sell first, or either. Not given: long, which is all a grid takes."),
    ] = None
    sizing: Annotated[
        str | None,
        option(
            ORDERS,
            "How much an order opens: all_in, fraction:0.5 (half the cash) or fixed:1000 (of the quote "
            "currency). Not given: all_in, which is all a grid takes.",
            metavar="SIZE",
        ),
    ] = None
    stop_loss: Annotated[
        float | None,
        option(
            ORDERS, "Close at this loss, inside the bar: 0.02 is 2 %. A grid has a parameter for it: --param."
        ),
    ] = None
    take_profit: Annotated[
        float | None,
        option(ORDERS, "Close at this gain; where both lie in one bar, the stop came first. Not for grids."),
    ] = None
    trailing_stop: Annotated[
        float | None,
        option(ORDERS, "Close at this fall from the best price since the entry. Not for grids."),
    ] = None

    min_notional: Annotated[
        float | None,
        option(RULES, "Least value of an opening order; one below it is refused and counted."),
    ] = None
    lot_size: Annotated[
        float | None, option(RULES, "Quantities are whole multiples of it, rounded down.")
    ] = None
    tick_size: Annotated[
        float | None, option(RULES, "Step of prices: how far a bar must trade through a line of a grid.")
    ] = None

    fill: Annotated[
        Literal["next_open", "close"] | None,
        option(FILLS, "At the next bar's open, or (too kind; not for grids) at the close that decided."),
    ] = None
    fill_model: Annotated[
        Literal["touch", "through", "volume", "touch_path"] | None,
        option(
            FILLS,
            "For grids: a line fills when the bar touches it (touch), trades through it (through; if not "
            "given), does so while volume lasts (volume), or touches it along its path (touch_path).",
            metavar="MODEL",
        ),
    ] = None
    participation: Annotated[
        float | None,
        option(FILLS, "For grids: share of a bar's volume that fills under --fill-model volume; 0.1."),
    ] = None

    priority: Annotated[
        int | None,
        option(QUEUE, "Place in the queue, -10 to 10: of pending jobs those of higher priority run first."),
    ] = None

    def options(self) -> RunOptions:
        """Return them as the client's keyword arguments; wrong usage ends the program."""
        return RunOptions(
            exchange=self.exchange,
            timeframe=self.timeframe,
            start_date=self.start,
            end_date=self.end,
            taker_fee=self.fee,
            maker_fee=self.maker_fee,
            fixed_fee=self.fixed_fee,
            slippage=self.slippage,
            impact=self.impact,
            borrow_rate=self.borrow_rate,
            initial_cash=self.cash,
            direction=self.direction,
            sizing=None if self.sizing is None else sizing(self.sizing),
            stop_loss=self.stop_loss,
            take_profit=self.take_profit,
            trailing_stop=self.trailing_stop,
            min_notional=self.min_notional,
            lot_size=self.lot_size,
            tick_size=self.tick_size,
            fill=self.fill,
            fill_model=self.fill_model,
            participation=self.participation,
            priority=self.priority,
        )


def takes(**gathered: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command every option of dataclasses, which its arguments of those names then hold.

    Typer reads options off a function's signature; this one writes them there.
    """

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        expanded: list[inspect.Parameter] = []
        for parameter in inspect.signature(command, eval_str=True).parameters.values():
            kind = gathered.get(parameter.name)
            expanded += [parameter] if kind is None else _options_of(kind, parameter)

        @functools.wraps(command)
        def gathering(**given: Any) -> None:
            held = {
                argument: kind(**{field.name: given.pop(field.name) for field in fields(kind)})
                for argument, kind in gathered.items()
            }
            command(**given, **held)

        gathering.__signature__ = inspect.Signature(expanded)  # type: ignore[attr-defined]  # what Typer looks at
        gathering.__annotations__ = {parameter.name: parameter.annotation for parameter in expanded}
        return gathering

    return decorated


def _options_of(kind: type[Any], place: inspect.Parameter) -> list[inspect.Parameter]:
    hints = get_type_hints(kind, include_extras=True)
    return [
        inspect.Parameter(field.name, place.kind, default=field.default, annotation=hints[field.name])
        for field in fields(kind)
    ]
