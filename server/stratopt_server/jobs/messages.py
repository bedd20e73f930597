"""What the server, a template and the processes forked from it say to each other, as JSON."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, get_args

from stratopt_server.domain.errors import Violation
from stratopt_server.domain.jobs import JobKind
from stratopt_server.domain.market import DataGrade
from stratopt_server.domain.speeds import Speeds
from stratopt_server.market.formats import TableFormat
from stratopt_server.market.read import FileFormat
from stratopt_server.storage.codec import from_json, to_json

MESSAGE_BYTES_MAX = 65_536
"""Size of one message between server and template."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunJob:
    """Work on one attempt of a job."""

    kind: JobKind
    job_id: str
    attempt: int
    database_url: str
    bars_dir: str
    memory_mb_max: int
    report_fills_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportFile:
    """Read, check and store one file of bars."""

    path: str
    file_format: FileFormat
    timeframe: str
    """Empty means told from the rows."""
    bars_per_year: float | None
    bars_dir: str
    rows_max: int
    memory_mb_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GatherEvidence:
    """Measure what a decision about a backtest rests on."""

    backtest_id: str
    optimization_id: str | None
    """The search that the evidence comes from; None where there is none."""
    searched_by: str | None
    """Where there is none: a search that tried these parameters, and so saw the bars."""
    data_grade: DataGrade
    drawdown_max: float
    """Limit that the position is sized to."""
    database_url: str
    bars_dir: str
    memory_mb_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduce:
    """Run a backtest once more, from nothing but what a package says."""

    path: str
    """File of what it says, as JSON."""
    bars_dir: str
    memory_mb_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSeal:
    """Run the parameters of a backtest over sealed bars."""

    backtest_id: str
    dataset_hash: str
    first_bar_time: datetime
    database_url: str
    bars_dir: str
    memory_mb_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportTrials:
    """Write the trials of one optimization to a file."""

    optimization_id: str
    path: str
    table_format: TableFormat
    database_url: str
    memory_mb_max: int


Task = RunJob | ImportFile | GatherEvidence | Reproduce | OpenSeal | ExportTrials


@dataclass(frozen=True, slots=True)
class Start:
    """Server to template: fork a process for the task; the pipe it writes to comes with the message."""

    run: int
    task: Task


@dataclass(frozen=True, slots=True)
class Kill:
    """Server to template: kill the process of that run."""

    run: int


@dataclass(frozen=True, slots=True)
class Ready:
    """Template to server: everything is loaded, and so fast it is."""

    speeds: Speeds


@dataclass(frozen=True, slots=True)
class Exited:
    """Template to server: the process of that run is gone."""

    run: int
    code: int | None
    """Exit code; None if a signal ended it."""
    signal: int | None


ToTemplate = Start | Kill
ToServer = Ready | Exited


@dataclass(frozen=True, slots=True)
class Changed:
    """Job process to server: the job's rows changed; who watches should look."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Job process to server: what it begins to do, of a task that has no row to write."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Job process to server: why it gives up."""

    reason: str
    message: str
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted:
    """Job process to server: what it needs is away; begun again later, the task may go well."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Job process to server: the input is at fault."""

    violations: tuple[Violation, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """Job process to server: the task's result, where it has one."""

    result: Any = None


FromJob = Changed | Stage | Failed | Interrupted | Refused | Done

_KINDS: dict[str, Any] = {kind.__name__: kind for kind in get_args(ToTemplate | ToServer | FromJob)}


def encode(message: ToTemplate | ToServer | FromJob) -> bytes:
    """Write a message as one line."""
    kind = type(message)
    return json.dumps([kind.__name__, to_json(kind, message)]).encode() + b"\n"


def decode(line: bytes) -> Any:
    """Read a message back."""
    name, document = json.loads(line)
    return from_json(_KINDS[name], document)
