"""`stratopt explain` and `stratopt propose`: results in plain words, and what to search next."""

from collections.abc import Iterable
from typing import Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from stratopt.v1.advice_pb2 import Advice
from stratopt_cli._arguments import Json, Server, examples
from stratopt_cli._figures import assigned
from stratopt_cli._render import plain_table
from stratopt_cli._session import CommandFailed, session_of
from stratopt_client import Client, params_to_python, to_dict

explain_epilog = examples(
    "stratopt explain bt_1m83w2wbg8y3q3mda", "stratopt explain dec_1m83w2wbg8y3q3mda --language chinese"
)
propose_epilog = examples(
    "stratopt propose opt_1m83w2wbg8y3q3mda", "stratopt propose bt_1m83w2wbg8y3q3mda --json"
)
Language = Annotated[Literal["english", "chinese"], typer.Option(help="What to write in.", show_default=True)]


def explain(
    context: typer.Context,
    subject: Annotated[str, typer.Argument(metavar="ID", help="A backtest, bt_..., or a decision, dec_...")],
    *,
    language: Language = "english",
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Explain a report or a decision in plain words.

    By rules, or by a language model where the server has a key for one; it
    quotes only numbers of what it explains, and decides nothing.
    """
    session = session_of(context, server, as_json)

    async def work() -> None:
        async with Client(session.server) as client:
            if subject.startswith("dec_"):
                advice = await client.advisor.explain_decision(subject, language=language)
            elif subject.startswith("bt_"):
                advice = await client.advisor.explain_backtest(subject, language=language)
            else:
                raise CommandFailed(f"{subject!r} is no id of a backtest (bt_...) or a decision (dec_...)")
        session.show(to_dict(advice), *_views(advice))

    session.run(work())


def propose(
    context: typer.Context,
    subject: Annotated[
        str, typer.Argument(metavar="ID", help="An optimization, opt_..., or a backtest, bt_...")
    ],
    *,
    language: Language = "english",
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Propose ranges to search next, and experiments beside them.

    Sets that it proposes to try count as trials of the strategy.
    """
    session = session_of(context, server, as_json)

    async def work() -> None:
        async with Client(session.server) as client:
            if subject.startswith("opt_"):
                advice = await client.advisor.propose_search(optimization_id=subject, language=language)
            elif subject.startswith("bt_"):
                advice = await client.advisor.propose_search(backtest_id=subject, language=language)
            else:
                raise CommandFailed(
                    f"{subject!r} is no id of an optimization (opt_...) or a backtest (bt_...)"
                )
        session.show(to_dict(advice), *_views(advice))

    session.run(work())


def _views(advice: Advice) -> Iterable[Text | Table]:
    yield Text(advice.text)
    if advice.param_ranges:
        table = plain_table("parameter", "range")
        for name, found in sorted(to_dict(advice)["param_ranges"].items()):
            table.add_row(name, str(found))
        yield table
    for one in advice.experiments:
        params = f" ({assigned(params_to_python(one.params))})" if one.params else ""
        yield Text(f"{one.title}{params}: {one.why}")
    if advice.note:
        yield Text(f"note: {advice.note}", style="yellow")
