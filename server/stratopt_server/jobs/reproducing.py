"""Inside the process that runs a backtest once more: it knows what a package says, and nothing else."""

import json
from pathlib import Path
from typing import Any

from stratopt_server import __version__
from stratopt_server.decisions.recipe import differences, metrics_hash, spec_of
from stratopt_server.domain.errors import Unavailable
from stratopt_server.domain.evidence import Reproduction
from stratopt_server.domain.metrics import Metrics
from stratopt_server.engine.report import make_report
from stratopt_server.jobs.messages import Reproduce
from stratopt_server.market.columns import ColumnStore, content_hash
from stratopt_server.storage.codec import from_json, to_json
from stratopt_server.strategies.catalog import Catalog


def reproduce(task: Reproduce) -> object:
    """Run what the file says; return what came of it for the message to the server."""
    said = json.loads(Path(task.path).read_text(encoding="utf-8"))
    wanted = from_json(Metrics, said["metrics"])
    return to_json(Reproduction, run_again(said["recipe"], wanted, ColumnStore(Path(task.bars_dir))))


def run_again(recipe: dict[str, Any], wanted: Metrics, columns: ColumnStore) -> Reproduction:
    """Run the recipe, and hold its metrics against those wanted."""
    spec = spec_of(recipe)
    contract = Catalog(kernels=()).contract(spec.scenario.code_hash)
    found: Metrics | None = None
    causes = []
    if recipe["engine_version"] != __version__:
        causes.append(f"the engine is {__version__}, not {recipe['engine_version']}")
    if contract is None:
        causes.append(f"no code of this server has the hash {spec.scenario.code_hash}")
    try:
        bars = columns.open(spec.scenario.dataset_hash)
    except Unavailable as absent:
        causes.append(absent.message)
    else:
        content = content_hash(bars)
        if content != spec.scenario.dataset_hash:
            causes.append(f"the bars have the content {content}, not {spec.scenario.dataset_hash}")
        if contract is not None:
            seen = bars.between(spec.scenario.start_date, spec.scenario.end_date)
            found = make_report(contract.kernel, seen, spec.params, spec.scenario.terms).metrics
            causes += differences(found, wanted)
    hashed = "" if found is None else metrics_hash(found)
    return Reproduction(
        same=not causes and hashed == recipe["metrics_hash"],
        metrics_hash=hashed,
        wanted_hash=recipe["metrics_hash"],
        differences=tuple(causes),
    )
