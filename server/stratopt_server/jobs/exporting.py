"""Inside the process that writes the trials of one optimization to a file."""

from dataclasses import fields
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

from stratopt_server.domain.jobs import JobKind
from stratopt_server.domain.metrics import Metrics, RunStatus
from stratopt_server.domain.optimization import Trial
from stratopt_server.domain.parameters import Choice, Flag, Integer, ParameterSpec
from stratopt_server.jobs.messages import ExportTrials
from stratopt_server.jobs.running import contract_of
from stratopt_server.market.tables import TableWriter
from stratopt_server.storage.sql import SqlStorage

ROWS_AT_A_TIME = 5_000
PARAM_PREFIX = "params_"
"""Before the names of parameters, so that none is taken for a metric."""
METRICS = [field.name for field in fields(Metrics)]


def export_trials(task: ExportTrials) -> None:
    """Write a row for each trial, in order of number, windows' trials included."""
    storage = SqlStorage.open(task.database_url, migrated=True)
    try:
        job = storage.jobs.get(JobKind.OPTIMIZATION, task.optimization_id)
        assert job is not None, "the servicer has found it"
        specs = contract_of(job).params
        with TableWriter(Path(task.path), task.table_format, _columns(specs)) as table:
            first = 0
            while trials := storage.trials.span(job.id, first, ROWS_AT_A_TIME):
                table.write([_row(trial, specs) for trial in trials])
                first += ROWS_AT_A_TIME
    finally:
        storage.close()


def _columns(specs: dict[str, ParameterSpec]) -> dict[str, type]:
    hints = get_type_hints(Metrics)
    return {
        "number": int,
        "window": int,
        "status": str,
        "score": float,
        **{f"{PARAM_PREFIX}{name}": _kind_of(spec) for name, spec in specs.items()},
        **{name: _plain(hints[name]) for name in METRICS},
    }


def _kind_of(spec: ParameterSpec) -> type:
    match spec:
        case Integer():
            return int
        case Choice():
            return str
        case Flag():
            return bool
        case _:
            return float


def _plain(hint: Any) -> type:
    """The kind of a metric: of `float | None` float, of a word str."""
    kind: type = next((part for part in get_args(hint) if part is not NoneType), hint)
    return str if kind is RunStatus else kind


def _row(trial: Trial, specs: dict[str, ParameterSpec]) -> list[Any]:
    metrics = [getattr(trial.metrics, name) for name in METRICS]
    return [
        trial.number,
        trial.window,
        trial.status.value,
        trial.score,
        *(trial.params[name] for name in specs),
        *(figure.value if isinstance(figure, RunStatus) else figure for figure in metrics),
    ]
