"""Domain values <-> what stands in JSON columns and report parts. Numbers come back exactly."""

import json
import zlib
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np
from pydantic import TypeAdapter

from stratopt_server.domain.jobs import (
    BacktestResult,
    Event,
    JobEvent,
    JobKind,
    OptimizationResult,
    Progress,
    StatusChanged,
)
from stratopt_server.domain.optimization import Trial
from stratopt_server.domain.report import ReportSeries, Trade
from stratopt_server.domain.runs import BacktestSpec, OptimizationSpec
from stratopt_server.storage.upgrades import upgraded_search

T = TypeVar("T")

SPECS: dict[JobKind, type[BacktestSpec | OptimizationSpec]] = {
    JobKind.BACKTEST: BacktestSpec,
    JobKind.OPTIMIZATION: OptimizationSpec,
}
RESULTS: dict[JobKind, type[BacktestResult | OptimizationResult]] = {
    JobKind.BACKTEST: BacktestResult,
    JobKind.OPTIMIZATION: OptimizationResult,
}
EVENTS: dict[str, type[Event]] = {
    "status": StatusChanged,
    "progress": Progress,
    "improvement": Trial,
}
SERIES_CHUNK_BARS = 8_192
"""Bars in one part of a report: 328 KB before compression."""
TRADES_CHUNK = 1_000
"""Trades in one part of a report."""


_adapters: dict[Any, TypeAdapter[Any]] = {}


def _adapter(kind: Any) -> TypeAdapter[Any]:
    """Build each type's adapter once: building takes longer than a thousand uses."""
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def prepare() -> None:
    """Build the adapters that every job needs; building them takes longer than a small job."""
    for kind in (*SPECS.values(), *RESULTS.values(), *EVENTS.values()):
        _adapter(kind)


def to_json(kind: type[T], value: T) -> Any:
    """Turn a value of that type into what `json.dumps` takes."""
    return _adapter(kind).dump_python(value, mode="json")


def from_json(kind: type[T], document: Any) -> T:
    """Turn what `json.loads` gave back into a value of that type."""
    value: T = _adapter(kind).validate_python(document)
    return value


def to_text(kind: type[T], value: T) -> str:
    """Turn a value of that type into the text of its document, quickly: for rows that are many."""
    text: bytes = _adapter(kind).dump_json(value)
    return text.decode()


def from_text(kind: type[T], text: str) -> T:
    """Turn the text of a document back into a value of that type, quickly."""
    value: T = _adapter(kind).validate_json(text)
    return value


def spec_from_json(kind: JobKind, document: Any) -> BacktestSpec | OptimizationSpec:
    """Turn what a job was asked back into a value, also if an older version wrote it."""
    if kind is JobKind.OPTIMIZATION:
        document = upgraded_search(document)
    return from_json(SPECS[kind], document)


def event_kind(event: Event) -> str:
    """Name the event as its row does."""
    return next(name for name, kind in EVENTS.items() if isinstance(event, kind))


def event_to_json(event: Event) -> Any:
    """Turn an event into its payload."""
    return to_json(EVENTS[event_kind(event)], event)


def event_from_json(sequence: int, kind: str, payload: Any) -> JobEvent:
    """Turn an event's row back into the event."""
    return JobEvent(sequence, from_json(EVENTS[kind], payload))


def pack_series(series: ReportSeries) -> list[bytes]:
    """Cut the series into compressed chunks: the columns behind each other, little-endian."""
    columns = [getattr(series, field.name) for field in fields(ReportSeries)]
    return [
        zlib.compress(b"".join(column[first : first + SERIES_CHUNK_BARS].tobytes() for column in columns), 1)
        for first in range(0, len(series.time), SERIES_CHUNK_BARS)
    ]


def unpack_series(content: bytes) -> ReportSeries:
    """Turn one chunk back into a piece of the series."""
    rows = np.frombuffer(zlib.decompress(content), dtype="<f8").reshape(len(fields(ReportSeries)), -1)
    return ReportSeries(rows[0].view("<i8"), rows[1], rows[2], rows[3], rows[4])


def pack_trades(trades: tuple[Trade, ...]) -> list[bytes]:
    """Cut the trades into compressed chunks."""
    kind = tuple[Trade, ...]
    return [
        zlib.compress(json.dumps(to_json(kind, trades[first : first + TRADES_CHUNK])).encode())
        for first in range(0, len(trades), TRADES_CHUNK)
    ]


def unpack_trades(content: bytes) -> tuple[Trade, ...]:
    """Turn one chunk back into its trades."""
    return from_json(tuple[Trade, ...], json.loads(zlib.decompress(content)))
