"""Asking the server for what was missed, for as long as it takes."""

import asyncio
import json
import logging
import random
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from stratopt_client.packages._sockets import CurveKeys, asker

log = logging.getLogger(__name__)

ANSWER_SECONDS_MAX = 5.0
RETRY_SECONDS_MIN, RETRY_SECONDS_MAX = 0.2, 10.0


class RequestFailed(Exception):
    """The server answered that it cannot; `code` is canonical, e.g. NOT_FOUND."""

    def __init__(self, code: str, message: str) -> None:
        """Keep the code apart; the message is for people."""
        super().__init__(message)
        self.code = code


class Requests:
    """One DEALER socket; after silence it is thrown away, and the question asked again on a fresh one."""

    def __init__(
        self,
        context: Any,
        address: str,
        curve: CurveKeys | None,
        *,
        answer_seconds: float = ANSWER_SECONDS_MAX,
    ) -> None:
        """Connect at the first question."""
        self._context = context
        self._address = address
        self._curve = curve
        self._answer_seconds = answer_seconds
        self._socket: Any = None

    async def ask(self, method: str, **params: Any) -> Mapping[str, Any]:
        """Return the result; raises RequestFailed; a server that is silent is asked for ever."""
        pause = RETRY_SECONDS_MIN
        while True:
            try:
                async with asyncio.timeout(self._answer_seconds):
                    return await self._ask(method, params)
            except TimeoutError:
                log.warning("no answer from %s to %s; asking again", self._address, method)
            self.close()
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - it spreads load, no more
            pause = min(pause * 2, RETRY_SECONDS_MAX)

    async def _ask(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        if self._socket is None:
            self._socket = asker(self._context, self._address, self._curve)
        request_id = uuid.uuid4().hex
        request = {
            "method": method,
            "params": params,
            "timestamp": datetime.now(UTC).isoformat(),
            "id": request_id,
        }
        await self._socket.send_multipart([b"", json.dumps(request).encode()])
        while True:
            reply = _read((await self._socket.recv_multipart())[-1])
            if reply.get("id") != request_id:
                continue  # the answer to a question that was given up
            if reply.get("status") == "success" and isinstance(reply.get("result"), dict):
                result: Mapping[str, Any] = reply["result"]
                return result
            error = reply.get("error")
            said = error if isinstance(error, dict) else {}
            raise RequestFailed(str(said.get("code", "UNKNOWN")), str(said.get("message", reply)))

    def close(self) -> None:
        """Throw the socket away."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _read(body: bytes) -> dict[str, Any]:
    try:
        reply = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return reply if isinstance(reply, dict) else {}
