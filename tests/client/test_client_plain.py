"""Messages as dictionaries."""

import json
from datetime import UTC, datetime

import pytest
from google.protobuf.message_factory import GetMessageClass

from stratopt.v1.backtest_service_pb2 import GetReportResponse, WatchBacktestResponse
from stratopt.v1.dataset_pb2 import DataGrade, Dataset
from stratopt.v1.job_pb2 import JobStatus
from stratopt.v1.metrics_pb2 import Metrics
from stratopt.v1.optimization_pb2 import Optimization
from stratopt.v1.parameter_pb2 import ChoiceList, ParameterValue
from stratopt_client import to_dict
from stratopt_client._channel import services

MESSAGES = [message for service in services() for message in service.file.message_types_by_name.values()]


def test_optimization_reads_as_people_write_it() -> None:
    """Enums are words, whole numbers stay numbers, times are text, params and ranges are plain."""
    message = Optimization(id="opt_1", status=JobStatus.JOB_STATUS_SUCCEEDED, seed=2**64 - 1)
    message.create_time.FromDatetime(datetime(2024, 1, 31, 12, tzinfo=UTC))
    message.best.trial.params["fast_period"].integer = 5
    message.best.trial.metrics.sharpe_ratio = 1.5
    message.param_ranges["fast_period"].integer.min = 2
    message.param_ranges["fast_period"].integer.max = 60
    values = [ParameterValue(real=0.0), ParameterValue(real=0.5)]
    message.param_ranges["threshold"].choices.CopyFrom(ChoiceList(values=values))
    message.param_ranges["width"].real.min = 0.5
    message.param_ranges["width"].real.max = 2.0
    message.param_ranges["width"].real.log = True
    plain = to_dict(message)
    assert plain["status"] == "succeeded"
    assert plain["seed"] == 2**64 - 1
    assert plain["create_time"] == "2024-01-31T12:00:00Z"
    assert plain["best"]["trial"]["params"] == {"fast_period": 5}
    assert plain["best"]["trial"]["metrics"]["sharpe_ratio"] == 1.5
    assert plain["param_ranges"] == {
        "fast_period": {"min": 2, "max": 60},
        "threshold": {"choices": [0.0, 0.5]},
        "width": {"min": 0.5, "max": 2.0, "log": True},
    }
    json.dumps(plain, allow_nan=False)


def test_what_is_not_set_is_none() -> None:
    """The keys are always the same; unset, undefined and unspecified are None."""
    plain = to_dict(Optimization(id="opt_1"))
    assert set(plain) == set(Optimization.DESCRIPTOR.fields_by_name)
    assert (plain["failure"], plain["stop_reason"], plain["start_time"]) == (None, None, None)
    assert (plain["warnings"], plain["fixed_params"]) == ([], {})
    assert to_dict(Metrics())["sharpe_ratio"] is None
    assert to_dict(Metrics(sharpe_ratio=0.0))["sharpe_ratio"] == 0.0


def test_number_that_json_cannot_say_is_none() -> None:
    """Infinity would make the document unreadable."""
    assert to_dict(Metrics(profit_factor=float("inf")))["profit_factor"] is None


def test_words_of_other_enums() -> None:
    """The grade of a dataset is a word too; a value newer than the client stays a number."""
    dataset = Dataset()
    dataset.quality.grade = DataGrade.DATA_GRADE_GOOD
    assert to_dict(dataset)["quality"]["grade"] == "good"
    assert to_dict(Optimization(status=77))["status"] == 77


def test_of_alternatives_only_the_one_that_is_set_appears() -> None:
    """An event shows what happened, not what did not."""
    event = WatchBacktestResponse(sequence=3)
    event.progress.done = 1
    assert set(to_dict(event)) == {"sequence", "progress"}
    assert to_dict(GetReportResponse(html=b"<p>")) == {"html": "PHA+"}


@pytest.mark.parametrize("descriptor", MESSAGES, ids=lambda descriptor: descriptor.name)
def test_every_message_can_be_shown(descriptor) -> None:
    """Each request and response is JSON-ready when empty."""
    json.dumps(to_dict(GetMessageClass(descriptor)()), allow_nan=False)
