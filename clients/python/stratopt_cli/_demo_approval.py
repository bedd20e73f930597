"""The second half of the demo: a decision, an approval, and the package on its way to a trader."""

import json
import sys
from pathlib import Path
from typing import Any

from rich.text import Text

from stratopt.v1.approval_service_pb2 import ApproveStrategyResponse
from stratopt.v1.dataset_pb2 import Dataset
from stratopt.v1.optimization_pb2 import Optimization
from stratopt_cli import _planted
from stratopt_cli._data import import_file
from stratopt_cli._demo_stage import STRATEGY, Demo, backtest, search
from stratopt_cli._figures import assigned
from stratopt_cli._follow import follow_backtest
from stratopt_cli._render import import_views
from stratopt_cli._render_decision import decision_views
from stratopt_cli._session import CommandFailed
from stratopt_client import ImportOptions, ParamRanges, ParamValue, params_to_python, to_dict
from stratopt_client.packages import subscribed, verify

RANGES: ParamRanges = {
    "fast_period": {"min": 2, "max": 30},
    "slow_period": {"min": 10, "max": 120},
    "signal_threshold": {"choices": [0.0, 0.005, 0.01]},
}
TRIALS = 400
SEED = 7
ROUND_TRIPS_MIN = 20
PLANTED = """\
So that you see an approval too: the next bars are generated. Their price drifts up and down by turns of two
to four weeks, under noise, so whoever follows trends must earn. The edge is planted; no market is like that.
The policy is the same, and no threshold of it was changed."""
URL = "http://127.0.0.1:8080"


async def play_approval(demo: Demo, backtest_id: str) -> None:
    """Ask whether the best parameters of the real bars may trade."""
    demo.step("5. May these parameters trade? The policy decides, by the bars the search never saw")
    answer = await demo.client.approvals.approve(STRATEGY, backtest_id)
    demo.show("decision", to_dict(answer.decision), *decision_views(answer.decision))


async def play_planted(demo: Demo, folder: Path) -> None:
    """Go the whole way once more where there is something to find, up to the package at a subscriber."""
    demo.step("6. The same on bars with a planted edge")
    demo.session.note(PLANTED)
    address = (await demo.client.system.info()).relay_address
    if not address:
        raise CommandFailed("the demo's server does not publish packages: its relay is not up")
    # Before the approval: ZeroMQ keeps nothing for those who come later.
    async with subscribed(address) as messages:
        dataset = await _import(demo, folder)
        found = await search(demo, dataset, RANGES, trials=TRIALS, seed=SEED, min_trades=ROUND_TRIPS_MIN)
        params = params_to_python(found.best.trial.params)
        demo.show("planted_best", params, Text(f"best    {assigned(params)}", style="bold"))
        answer = await _approve(demo, dataset, found)
        if not answer.HasField("parameter_package"):
            raise CommandFailed("the planted edge was not approved: this is a bug in the demo")
        demo.step(f"7. The package, as a trader's subscriber on {address} gets it")
        package = await _received(demo, await anext(messages))
    demo.show("planted_package", package, Text(_told(package)))
    demo.step("8. The same over REST, to paste into a shell")
    lines = curl_lines(params)
    demo.document["curl"] = lines
    if not demo.session.as_json:
        demo.session.out.print("\n".join(lines), markup=False, soft_wrap=True)


async def _import(demo: Demo, folder: Path) -> Dataset:
    options = ImportOptions(exchange=_planted.EXCHANGE, timeframe=_planted.TIMEFRAME)
    file = _planted.write_planted(folder / "planted.csv")
    imported = await import_file(demo.session, demo.client, file, _planted.SYMBOL, options)
    demo.show("planted_import", to_dict(imported), *import_views(imported))
    return imported.dataset


async def _approve(demo: Demo, dataset: Dataset, found: Optimization) -> ApproveStrategyResponse:
    handle = await backtest(demo, dataset, found.best.trial.params)
    await follow_backtest(demo.session, handle)
    await handle.result()
    answer = await demo.client.approvals.approve(STRATEGY, handle.id)
    demo.show("planted_decision", to_dict(answer.decision), *decision_views(answer.decision))
    return answer


async def _received(demo: Demo, message: bytes) -> dict[str, Any]:
    """Return what the package says, once its signature was checked with the server's key."""
    key = await demo.client.approvals.signing_key()
    return verify(message, key.public_key)


def _told(package: dict[str, Any]) -> str:
    return (
        f"{package['package_id']}, number {package['seq']}, signature checked: {package['action']} "
        f"{package['symbol']} by {package['strategy_id']} with {assigned(package['parameters'])}; "
        f"position size {package['position_size']:.3g}, risk {package['risk_level']}, "
        f"confidence {package['confidence']:.4f}, valid until {package['valid_until']}"
    )


def curl_lines(params: dict[str, ParamValue]) -> list[str]:
    """Return the steps of the planted half as lines for a shell; bars come in over gRPC."""
    run = {"symbol": _planted.SYMBOL, "strategy_id": STRATEGY}
    searched = {
        **run,
        "param_ranges": RANGES,
        "optimization_target": "sharpe",
        "max_iterations": TRIALS,
        "algorithm": "random",
        "seed": SEED,
        "min_trades": ROUND_TRIPS_MIN,
    }
    last_day = (_planted.START + _planted.SPAN).date().isoformat()
    tested = {**run, "start_date": _planted.START.date().isoformat(), "end_date": last_day, "params": params}
    judged = json.dumps({"strategy_id": STRATEGY, "backtest_id": "RUN"}).replace("RUN", "'$RUN'")
    post = "curl -s -H 'Content-Type: application/json'"
    return [
        f"export PATH={Path(sys.executable).parent}:$PATH U={URL}",
        "stratopt up &   # server and gateway; `kill %1` ends both",
        "python -m stratopt_cli._planted planted.csv",
        "until curl -sf $U/health; do sleep 1; done",
        f"stratopt data import planted.csv --symbol {_planted.SYMBOL} --exchange {_planted.EXCHANGE}",
        """id() { python -c 'import json,sys; print(json.load(sys.stdin)["'$1'"])'; }""",
        f"OPT=$({post} $U/api/optimization/start -d '{json.dumps(searched)}' | id optimization_id)",
        "curl -sN $U/api/optimization/$OPT/events",
        f"RUN=$({post} $U/api/backtest/start -d '{json.dumps(tested)}' | id task_id)",
        "curl -sN $U/api/backtest/$RUN/events",
        f"{post} $U/api/strategies/approve -d '{judged}'",
        "curl -s $U/api/reports/$RUN/html -o report.html",
    ]
