"""Log lines, as text or as JSON, each with the id of the request that it is about.

The lines are those of the server, field for field: docs/observability.md.
"""

import json
import logging
import os
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal

LogFormat = Literal["text", "json"]

request_id: ContextVar[str] = ContextVar("stratopt gateway request id", default="")
"""Of the request that is being answered; empty outside of any."""


def configure(level: str, log_format: LogFormat) -> None:
    """Log to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    if log_format == "json":
        logging.captureWarnings(capture=True)


class TextFormatter(logging.Formatter):
    """One line for people, the id at its end."""

    def __init__(self) -> None:
        """The line as it was before there were ids, and then the id."""
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s%(id_words)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """Write the line without its traceback."""
        known = request_id.get()
        record.id_words = f" [request_id={known}]" if known else ""
        return super().formatMessage(record)


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the record, its traceback included."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "pid": os.getpid(),
        }
        if known := request_id.get():
            line["request_id"] = known
        if record.exc_info:
            line["exc"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
