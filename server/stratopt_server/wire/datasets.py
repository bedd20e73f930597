"""Datasets <-> proto."""

from dataclasses import fields

from stratopt.v1 import dataset_pb2 as pb
from stratopt.v1 import market_data_service_pb2 as service_pb
from stratopt_server.domain.errors import Violations
from stratopt_server.domain.market import Dataset, QualityReport
from stratopt_server.domain.ports import DatasetFilter
from stratopt_server.market.read import FileFormat
from stratopt_server.usecases.requests import ImportRequest
from stratopt_server.wire.enums import DATA_GRADE, FILE_FORMAT
from stratopt_server.wire.reading import optional_number, optional_word
from stratopt_server.wire.times import to_timestamp


def dataset_to_proto(dataset: Dataset) -> pb.Dataset:
    """Write a dataset with its quality report."""
    return pb.Dataset(
        id=dataset.id,
        exchange=dataset.exchange,
        symbol=dataset.symbol,
        timeframe=dataset.timeframe,
        bar_count=dataset.bar_count,
        first_bar_time=to_timestamp(dataset.first_bar_time),
        last_bar_time=to_timestamp(dataset.last_bar_time),
        content_hash=dataset.content_hash,
        bars_per_year=dataset.bars_per_year,
        quality=_quality_to_proto(dataset.quality),
        create_time=to_timestamp(dataset.created_at),
        update_time=to_timestamp(dataset.updated_at),
    )


def _quality_to_proto(quality: QualityReport) -> pb.QualityReport:
    counts = {field.name: getattr(quality, field.name) for field in fields(QualityReport)}
    return pb.QualityReport(**{**counts, "grade": DATA_GRADE[quality.grade]})


def header_from_proto(header: service_pb.ImportHeader) -> ImportRequest:
    """Read what a file is said to hold, with what is wrong with how it is written."""
    violations = Violations()
    file_format = optional_word(header.format, FILE_FORMAT, field="format", violations=violations)
    return ImportRequest(
        faults=violations.found,
        symbol=header.symbol,
        exchange=header.exchange or None,
        timeframe=header.timeframe,
        file_format=file_format or FileFormat.AUTO,
        bars_per_year=optional_number(header, "bars_per_year"),
    )


def dataset_filter(request: service_pb.ListDatasetsRequest) -> DatasetFilter:
    """Read which datasets a list is about."""
    return DatasetFilter(
        symbol=request.symbol or None,
        exchange=request.exchange or None,
        timeframe=request.timeframe or None,
    )
