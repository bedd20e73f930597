"""StratoptError -> a gRPC status with rich details."""

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from stratopt_server.domain.errors import Code, StratoptError

DOMAIN = "stratopt"


def to_status(error: StratoptError) -> grpc.Status:
    """Pack the error: code, message, ErrorInfo always, BadRequest where fields are at fault."""
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.facts)
    details: list[Message] = [info]
    if error.violations:
        bad_request = error_details_pb2.BadRequest()
        for violation in error.violations:
            bad_request.field_violations.add(
                field=violation.field, reason=violation.reason, description=violation.message
            )
        details.append(bad_request)
    if error.code in (Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED):
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(1000)
        details.append(retry)
    status = status_pb2.Status(code=code_pb2.Code.Value(error.code.value), message=error.message)
    for detail in details:
        packed = Any()
        packed.Pack(detail)
        status.details.append(packed)
    converted: grpc.Status = rpc_status.to_status(status)
    return converted
