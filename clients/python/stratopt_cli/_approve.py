"""`stratopt approve`: have the parameters of a backtest judged."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer

from stratopt_cli._arguments import Json, Server, Strategy, examples
from stratopt_cli._decision import Criterion, PolicyName
from stratopt_cli._parse import criteria
from stratopt_cli._render_decision import decision_views
from stratopt_cli._session import EXIT_REFUSED, Session, session_of
from stratopt_client import Client, to_dict
from stratopt_client.packages import document_of

approve_epilog = examples(
    "stratopt approve ma_cross_v1.0 bt_1m83w2wbg8y3q3mda",
    "stratopt approve ma_cross_v1.0 bt_1m83w2wbg8y3q3mda --criterion psr_oos=0.99 --out package.json",
)


def approve(
    context: typer.Context,
    strategy: Strategy,
    backtest: Annotated[str, typer.Argument(help="Id of a succeeded backtest.", show_default=False)],
    *,
    policy: PolicyName = None,
    criterion: Criterion = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the signed package to this file.")
    ] = None,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Decide by policy whether parameters may trade, and show why.

    Exit code 0 if they may, 1 if they may not, or not before a person has
    reviewed them. Criteria that are set otherwise than the policy has them
    are recorded in the decision; in a hard gate they may only be stricter.
    """
    session = session_of(context, server, as_json)
    wanted = criteria(criterion or ())
    approved = False

    async def work() -> None:
        nonlocal approved
        async with Client(session.server) as client:
            answer = await client.approvals.approve(
                strategy,
                backtest,
                approval_criteria=wanted,
                policy=policy,
                on_stage=lambda stage: session.note(f"{stage} ..."),
            )
        package = document_of(answer.parameter_package) if answer.HasField("parameter_package") else None
        document = {"decision": to_dict(answer.decision), "parameter_package": package}
        session.show(document, *decision_views(answer.decision))
        approved = package is not None
        if out is not None:
            await _write(session, out, package)

    session.run(work())
    if not approved:
        raise typer.Exit(EXIT_REFUSED)


async def _write(session: Session, path: Path, package: dict[str, object] | None) -> None:
    if package is None:
        session.note(f"no package was made, so {path} is not written")
        return
    text = json.dumps(package, indent=2, ensure_ascii=False) + "\n"
    await asyncio.to_thread(path.write_text, text, encoding="utf-8")
    session.note(f"package: {path}")
