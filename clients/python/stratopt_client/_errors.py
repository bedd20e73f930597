"""The errors of the client, and how a failed RPC becomes one of them.

StratoptError            has a canonical code, a stable reason, metadata and the fields that are wrong
├── InvalidRequest       the server refused one or more fields
│   └── InvalidInput     the client refused them before it called
├── NotFound             there is no such resource
├── AlreadyExists        the id is taken
├── FailedPrecondition   what is stored does not allow the call now
├── ResourceExhausted    a limit of the server is reached
├── Unavailable          the server cannot be reached, or cannot take this now
├── JobFailed            the call was fine, the job it asked for failed
└── JobCancelled         ... was cancelled
A failure without the server's own words (a bug in it, a passed deadline) stays a `grpc.aio.AioRpcError`.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from stratopt.v1.backtest_pb2 import Backtest
from stratopt.v1.optimization_pb2 import Optimization
from stratopt.v1.pipeline_pb2 import Pipeline

ERROR_DOMAIN = "stratopt"
"""`ErrorInfo.domain` of the errors that are ours."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong with one field of a request."""

    field: str
    """Path of the field as the caller wrote it, e.g. `param_ranges.fast_period.min`."""
    reason: str
    """Stable word for programs, UPPER_SNAKE."""
    description: str
    """What is wrong and what is allowed, for people."""

    def __str__(self) -> str:
        """Show the field before what is wrong with it."""
        return f"{self.field}: {self.description}"


class StratoptError(Exception):
    """Anything stratopt itself says about a call or a job that did not go well."""

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode,
        reason: str,
        metadata: Mapping[str, str] | None = None,
        violations: Iterable[Violation] = (),
        retry_after_seconds: float | None = None,
    ) -> None:
        """Keep the facts as facts; the message is for people."""
        super().__init__(message)
        self.message = message
        self.code = code
        self.reason = reason
        self.metadata = dict(metadata or {})
        self.violations = tuple(violations)
        self.retry_after_seconds = retry_after_seconds
        """When the server asks to try again; None where it does not say."""

    def __str__(self) -> str:
        """Name every field that is wrong, a line each; else say the message."""
        if not self.violations:
            return self.message
        if len(self.violations) == 1:
            return str(self.violations[0])
        lines = [f"{len(self.violations)} things are wrong with the request:", *map(str, self.violations)]
        return "\n  ".join(lines)


class InvalidRequest(StratoptError):
    """One or more fields of the request are wrong; nothing was stored."""


class InvalidInput(InvalidRequest):
    """One or more arguments have a shape that fits no request; the server was not called."""

    def __init__(self, violations: Iterable[Violation]) -> None:
        """Name every argument that is wrong."""
        found = tuple(violations)
        super().__init__(
            "; ".join(map(str, found)),
            code=grpc.StatusCode.INVALID_ARGUMENT,
            reason=found[0].reason,
            metadata={"field": found[0].field},
            violations=found,
        )


class NotFound(StratoptError):
    """There is no resource of that kind and id."""


class AlreadyExists(StratoptError):
    """The id is taken."""


class FailedPrecondition(StratoptError):
    """What is stored does not allow the call now; the message says what would."""


class ResourceExhausted(StratoptError):
    """A limit of the server is reached; `retry_after_seconds` says when there may be room again."""


class Unavailable(StratoptError):
    """The server cannot be reached, or cannot take this now; later it may."""


class JobFailed(StratoptError):
    """The job ended without a result; `job` is how it ended."""

    def __init__(self, job: Backtest | Optimization | Pipeline) -> None:
        """Take reason, message and metadata from the job's failure."""
        failure = job.failure
        super().__init__(
            f"{job.id} failed: {failure.message}",
            code=grpc.StatusCode.ABORTED,
            reason=failure.reason,
            metadata=failure.metadata,
        )
        self.job = job


class JobCancelled(StratoptError):
    """The job ended because a caller asked; `job` holds what it had found by then."""

    def __init__(self, job: Backtest | Optimization | Pipeline) -> None:
        """Name the job."""
        super().__init__(
            f"{job.id} was cancelled",
            code=grpc.StatusCode.CANCELLED,
            reason="CANCELLED",
            metadata={"id": job.id},
        )
        self.job = job


_BY_CODE: Mapping[grpc.StatusCode, type[StratoptError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhausted,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
}


@contextmanager
def told_apart(target: str) -> Iterator[None]:
    """Turn the RPC errors raised inside into ours where they are ours; let all others pass."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        known = _known(error, target)
        if known is None:
            raise
        # It says all that the other one says; a traceback needs it once.
        raise known from None


def unreachable(target: str, why: str) -> Unavailable:
    """Return the error for a server that does not answer."""
    return Unavailable(
        f"no answer from {target} ({why}): is the server running there?",
        code=grpc.StatusCode.UNAVAILABLE,
        reason="UNREACHABLE",
        metadata={"target": target},
    )


def _known(error: grpc.aio.AioRpcError, target: str) -> StratoptError | None:
    """Return our error for it, None if it is not one of ours."""
    details = list(_details(error))
    for info in details:
        if isinstance(info, error_details_pb2.ErrorInfo) and info.domain == ERROR_DOMAIN:
            return _BY_CODE.get(error.code(), StratoptError)(
                error.details() or info.reason,
                code=error.code(),
                reason=info.reason,
                metadata=info.metadata,
                violations=_violations(details),
                retry_after_seconds=_retry_after(details),
            )
    if error.code() is grpc.StatusCode.UNAVAILABLE:
        # Nobody was there to say it in our words: the connection itself is what failed.
        return unreachable(target, error.details() or "connection lost")
    return None


def _details(error: grpc.aio.AioRpcError) -> Iterator[object]:
    """Unpack the details that came with the status, those of a kind we read."""
    try:
        status: status_pb2.Status | None = rpc_status.from_call(error)
    except ValueError:
        # Code or message in the details contradict the status: not written by our server.
        return
    for packed in status.details if status else ():
        for kind in (
            error_details_pb2.ErrorInfo,
            error_details_pb2.BadRequest,
            error_details_pb2.RetryInfo,
        ):
            if packed.Is(kind.DESCRIPTOR):
                unpacked = kind()
                packed.Unpack(unpacked)
                yield unpacked


def _retry_after(details: Iterable[object]) -> float | None:
    """Return the delay that the details ask for, None where they do not."""
    for detail in details:
        if isinstance(detail, error_details_pb2.RetryInfo):
            milliseconds: int = detail.retry_delay.ToMilliseconds()
            return milliseconds / 1000
    return None


def _violations(details: Iterable[object]) -> Iterator[Violation]:
    """Yield every field named in the details."""
    for detail in details:
        if isinstance(detail, error_details_pb2.BadRequest):
            for violation in detail.field_violations:
                yield Violation(violation.field, violation.reason, violation.description)
