"""Inside the process of one import."""

from pathlib import Path

from stratopt_server.jobs.messages import ImportFile
from stratopt_server.market.columns import ColumnStore
from stratopt_server.market.importing import Imported, import_file
from stratopt_server.storage.codec import to_json


def import_bars(task: ImportFile) -> object:
    """Read, check and store the file; return what was found, for the message to the server."""
    imported = import_file(
        Path(task.path),
        file_format=task.file_format,
        timeframe=task.timeframe,
        bars_per_year=task.bars_per_year,
        columns=ColumnStore(Path(task.bars_dir)),
        rows_max=task.rows_max,
    )
    return to_json(Imported, imported)
