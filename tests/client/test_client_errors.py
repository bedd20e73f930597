"""What the server refuses becomes the error that says so; everything else stays what it was."""

# ruff: noqa: N802 - gRPC names the methods of servicers

import asyncio

import grpc
import pytest
from client_fakes import Backtests, backtest, refusal, serving

import stratopt_client
from stratopt_client import Client, JobCancelled, JobFailed, StratoptError, Unavailable, Violation


class Refusing(Backtests):
    """Refuses every backtest in one way."""

    def __init__(self, status: grpc.Status) -> None:
        """Take the way."""
        self.status = status

    async def GetBacktest(self, _request, context):
        """Refuse."""
        await context.abort_with_status(self.status)


class Aborting(Backtests):
    """Ends every call with a bare status, as a proxy or a bug would."""

    def __init__(self, code: grpc.StatusCode) -> None:
        """Take the code."""
        self.code = code

    async def GetBacktest(self, _request, context):
        """Abort."""
        await context.abort(self.code, "bare words")


class Sleepy(Backtests):
    """Answers when it is too late."""

    async def GetBacktest(self, _request, _context):
        """Wait for the caller to give up."""
        await asyncio.Event().wait()


async def failure_of(servicer: Backtests) -> Exception:
    """Return what a get raises."""
    async with serving(servicer) as target, Client(target) as client:
        with pytest.raises((StratoptError, grpc.aio.AioRpcError)) as caught:
            await client.backtests.get("bt_1")
    return caught.value


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("INVALID_ARGUMENT", "InvalidRequest"),
        ("NOT_FOUND", "NotFound"),
        ("ALREADY_EXISTS", "AlreadyExists"),
        ("FAILED_PRECONDITION", "FailedPrecondition"),
        ("RESOURCE_EXHAUSTED", "ResourceExhausted"),
        ("UNAVAILABLE", "Unavailable"),
        ("PERMISSION_DENIED", "StratoptError"),
    ],
)
async def test_refusal_becomes_the_error_of_its_code(code: str, kind: str) -> None:
    """Code, reason, metadata and message arrive as the server gave them."""
    status = refusal(grpc.StatusCode[code], "SOME_REASON", "not now", metadata={"backtest_id": "bt_1"})
    error = await failure_of(Refusing(status))
    assert type(error) is getattr(stratopt_client, kind)
    assert isinstance(error, StratoptError)
    assert (error.code, error.reason) == (grpc.StatusCode[code], "SOME_REASON")
    assert error.metadata == {"backtest_id": "bt_1"}
    assert str(error) == "not now"


async def test_refused_fields_are_all_named() -> None:
    """Every violation is there, and the text of the error has a line for each."""
    fields = [
        ("symbol", "REQUIRED", "is needed"),
        ("params.fast_period", "OUT_OF_RANGE", "must be 1 or more"),
    ]
    status = refusal(grpc.StatusCode.INVALID_ARGUMENT, "REQUIRED", "symbol: is needed; ...", fields=fields)
    error = await failure_of(Refusing(status))
    assert isinstance(error, stratopt_client.InvalidRequest)
    assert error.violations == tuple(Violation(*field) for field in fields)
    assert str(error).splitlines() == [
        "2 things are wrong with the request:",
        "  symbol: is needed",
        "  params.fast_period: must be 1 or more",
    ]


async def test_single_refused_field_is_one_line() -> None:
    """One violation needs no list."""
    fields = [("backtest_id", "BACKTEST_NOT_FOUND", "there is no backtest 'x'")]
    status = refusal(grpc.StatusCode.NOT_FOUND, "BACKTEST_NOT_FOUND", "there is no ...", fields=fields)
    assert str(await failure_of(Refusing(status))) == "backtest_id: there is no backtest 'x'"


async def test_error_of_another_domain_is_left_alone() -> None:
    """Somebody else's ErrorInfo, of a proxy say, is not read as ours."""
    error = await failure_of(Refusing(refusal(grpc.StatusCode.NOT_FOUND, "GONE", domain="example.com")))
    assert isinstance(error, grpc.aio.AioRpcError)
    assert error.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("code", ["INTERNAL", "UNKNOWN", "UNIMPLEMENTED"])
async def test_error_without_details_is_left_alone(code: str) -> None:
    """What is not in the server's own words is raised untouched."""
    error = await failure_of(Aborting(grpc.StatusCode[code]))
    assert isinstance(error, grpc.aio.AioRpcError)
    assert (error.code(), error.details()) == (grpc.StatusCode[code], "bare words")


async def test_passed_deadline_is_left_alone() -> None:
    """Every plain call has a deadline; passing it is gRPC's own error."""
    async with serving(Sleepy()) as target, Client(target, deadline_seconds=0.1) as client:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.backtests.get("bt_1")
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_absent_server_is_unavailable() -> None:
    """Nobody listening raises Unavailable, which names the address."""
    async with serving() as target:
        pass
    async with Client(target) as client:
        with pytest.raises(Unavailable, match="is the server running there") as caught:
            await client.backtests.get("bt_1")
    assert caught.value.reason == "UNREACHABLE"
    assert caught.value.metadata == {"target": target}


async def test_wait_ready_tells_present_from_absent() -> None:
    """It returns as soon as the server listens, and raises Unavailable when it does not in time."""
    async with serving(Sleepy()) as target, Client(target) as client:
        await client.wait_ready(5)
    async with Client(target) as client:
        with pytest.raises(Unavailable, match=r"tried for 0\.1 s"):
            await client.wait_ready(0.1)


def test_failed_job_says_why() -> None:
    """Reason, message and metadata are those of the job's failure."""
    job = backtest("FAILED")
    job.failure.reason, job.failure.message = "MEMORY_LIMIT_EXCEEDED", "it needed more than 1 GiB"
    job.failure.metadata["limit_bytes"] = "1073741824"
    error = JobFailed(job)
    assert (error.reason, error.metadata) == ("MEMORY_LIMIT_EXCEEDED", {"limit_bytes": "1073741824"})
    assert str(error) == "bt_1 failed: it needed more than 1 GiB"
    assert error.job == job


def test_cancelled_job_is_no_failure() -> None:
    """JobCancelled is not a JobFailed, and keeps the job."""
    error = JobCancelled(backtest("CANCELLED"))
    assert not isinstance(error, JobFailed)
    assert str(error) == "bt_1 was cancelled"
    assert error.job.id == "bt_1"
