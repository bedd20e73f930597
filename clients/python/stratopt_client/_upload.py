"""Sending a file over a stream that the server may end before its end."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, BinaryIO, TypeVar

import grpc

from stratopt.v1.market_data_service_pb2 import ImportBarsRequest, ImportBarsResponse, ImportHeader
from stratopt_client._options import ImportProgress

CHUNK_BYTES = 512 * 1024
"""Bytes of a file in one message; the protocol allows 1 MiB."""

ImportCall = grpc.aio.StreamUnaryCall[ImportBarsRequest, ImportBarsResponse]
Value = TypeVar("Value")


async def upload(
    call: ImportCall, header: ImportHeader, file: BinaryIO, progress: ImportProgress | None
) -> ImportBarsResponse:
    """Send the header and the file; return the server's answer, which may come before the end.

    A server that refuses early ends the call while a write is under way. If gRPC notices the failed
    write last, it reports that, as INTERNAL, in place of the refusal (grpc/grpc#36066). The refusal
    is then the status the call had first; if it notices the write first, the one it has last.
    """
    first: list[grpc.aio.AioRpcError] = []
    call.add_done_callback(lambda ended: first.append(_failure(ended)))
    # InvalidStateError: the call is over. Either way, awaiting it says how it ended.
    with suppress(asyncio.InvalidStateError, grpc.aio.AioRpcError):
        await _send(call, header, file, progress)
    try:
        return await call
    except grpc.aio.AioRpcError as last:
        if last.code() is grpc.StatusCode.INTERNAL and first:
            raise first[0] from last
        raise


async def _send(
    call: ImportCall, header: ImportHeader, file: BinaryIO, progress: ImportProgress | None
) -> None:
    total = file.seek(0, 2)
    file.seek(0)
    await call.write(ImportBarsRequest(header=header))
    while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
        await call.write(ImportBarsRequest(chunk=chunk))
        if progress is not None:
            progress(file.tell(), total)
    await call.done_writing()


def _failure(ended: Any) -> grpc.aio.AioRpcError:
    """Return the status of a call that has one as an error."""
    return grpc.aio.AioRpcError(
        _at_once(ended.code()),
        _at_once(ended.initial_metadata()),
        _at_once(ended.trailing_metadata()),
        _at_once(ended.details()),
    )


def _at_once(work: Coroutine[Any, Any, Value]) -> Value:
    """Return what a coroutine returns that need not wait: a call that is over knows its status."""
    try:
        work.send(None)
    except StopIteration as returned:
        value: Value = returned.value
        return value
    work.close()
    raise AssertionError("a call that is over has its status")
