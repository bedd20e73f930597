"""Log lines, as text or as JSON, each with the ids of the call and of the job that it is about.

The ids stand in a context variable: tasks inherit it, and the storage thread is handed it. Standard library
only: the template processes import this too.
"""

import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Literal

LogFormat = Literal["text", "json"]
LOG_FORMATS: tuple[LogFormat, ...] = ("text", "json")
IDS = ("request_id", "x_request_id", "method", "caller", "job_id", "pipeline_id")
"""What a line may be about, in the order in which it is written."""
ID_LENGTH_MAX = 128
"""Longest id that is logged whole: ids are what callers sent."""
FIELD_SIGNS = str.maketrans(dict.fromkeys(" =[]", "_"))
"""What sets ids apart in a line of text."""

_known: ContextVar[Mapping[str, str]] = ContextVar("stratopt log ids", default=MappingProxyType({}))


def bind(**ids: str) -> None:
    """Have every line of this task, and of what it starts, carry these ids; empty ones are left out."""
    _known.set({**_known.get(), **_clean(ids)})


@contextmanager
def bound(**ids: str) -> Iterator[None]:
    """Carry these ids for the time of the block."""
    token = _known.set({**_known.get(), **_clean(ids)})
    try:
        yield
    finally:
        _known.reset(token)


def known() -> Mapping[str, str]:
    """Return the ids that a line written now would carry."""
    return _known.get()


def configure(level: str, log_format: LogFormat) -> None:
    """Log to standard error; what nobody caught is logged too."""
    handler = logging.StreamHandler()
    handler.addFilter(add_ids)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    if log_format == "json":
        logging.captureWarnings(capture=True)
        sys.excepthook = _log_uncaught


def add_ids(record: logging.LogRecord) -> bool:
    """Give the record the ids of where it was made; never keeps one back."""
    record.ids = _known.get()
    return True


class TextFormatter(logging.Formatter):
    """One line for people, the ids at its end."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s%(id_words)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """Write the line without its traceback."""
        ids = getattr(record, "ids", {})
        words = " ".join(f"{name}={_word(ids[name])}" for name in IDS if name in ids)
        record.id_words = f" [{words}]" if words else ""
        return super().formatMessage(record)


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the record, its traceback included."""
        ids = getattr(record, "ids", {})
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "pid": os.getpid(),
            **{name: ids[name] for name in IDS if name in ids},
        }
        if record.exc_info:
            line["exc"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def _clean(ids: Mapping[str, str]) -> dict[str, str]:
    """An id is what a caller sent: it may not end the line, nor fill the disk."""
    return {
        name: "".join(letter if letter.isprintable() else "?" for letter in value[:ID_LENGTH_MAX])
        for name, value in ids.items()
        if value
    }


def _word(value: str) -> str:
    """Write an id as one word: what a caller sent may not look like further ids, nor end their list."""
    return value.translate(FIELD_SIGNS)


def _log_uncaught(kind: type[BaseException], error: BaseException, traceback: object) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, error.__traceback__)
        return
    del traceback  # it is the error's own
    logging.getLogger(__name__).critical("the process failed unexpectedly", exc_info=error)
