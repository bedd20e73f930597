"""The arguments and options of the commands, and the help that goes under a command."""

from pathlib import Path
from typing import Annotated

import typer

CONNECTION = "Connection and output"

Server = Annotated[
    str | None,
    typer.Option(
        "--server", metavar="HOST:PORT", help="Where the server listens.", rich_help_panel=CONNECTION
    ),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print one JSON document on stdout; progress goes to stderr.",
        rich_help_panel=CONNECTION,
    ),
]

Strategy = Annotated[str, typer.Argument(help="Id of the strategy, e.g. ma_cross_v1.0.", show_default=False)]
Symbol = Annotated[str, typer.Argument(help="Symbol of the bars, e.g. BTC/USDT.", show_default=False)]
Values = Annotated[
    list[str] | None,
    typer.Option("--param", "-p", metavar="NAME=VALUE", help="A parameter; again for each."),
]
FixedValues = Annotated[
    list[str] | None,
    typer.Option(
        "--param", "-p", metavar="NAME=VALUE", help="A parameter that is not searched; again for each."
    ),
]
Ranges = Annotated[
    list[str],
    typer.Option(
        "--range",
        "-r",
        metavar="NAME=RANGE",
        help="What to try: MIN:MAX, MIN:MAX:STEP, MIN:MAX:log or a list a,b,c; again for each.",
    ),
]
Html = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write the report with its charts to this file.")
]


def examples(*commands: str) -> str:
    """Return the epilog of a command: how it is used."""
    # Without the mark at its beginning, older typers join the lines of a paragraph.
    return "\n".join(["\b", "[bold]Examples[/bold]", *(command.replace("[", r"\[") for command in commands)])
