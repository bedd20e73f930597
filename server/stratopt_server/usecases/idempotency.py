"""Repeated calls get the first answer."""

from datetime import timedelta

from stratopt_server.domain.clock import Clock
from stratopt_server.domain.errors import Violations
from stratopt_server.domain.ports import AnsweredRequest, Storage
from stratopt_server.usecases.requests import Call

REQUEST_ID_LENGTH_MAX = 64
"""Characters; a longer one is refused where requests are read."""


class Repeats:
    """Remembers which call made which resource. Use inside the transaction that makes it."""

    def __init__(self, storage: Storage, clock: Clock, *, kept: timedelta) -> None:
        """`kept` is how long a call is remembered."""
        self._storage = storage
        self._clock = clock
        self._kept = kept

    def resource_of(self, call: Call) -> str | None:
        """Return the resource that the same call made before, if it did.

        Raises RequestRefused if the request_id came with another body before.
        """
        if call.key is None:
            return None
        before = self._storage.requests.find(call.key, since=self._clock.now() - self._kept)
        if before is not None and before.digest != call.digest:
            violations = Violations()
            violations.add(
                "request_id",
                "REQUEST_ID_REUSED",
                "this request_id came with another body before: use a new one",
                request_id=call.key.request_id,
            )
            violations.refuse_if_any()
        return None if before is None else before.resource_id

    def remember(self, call: Call, resource_id: str) -> None:
        """Note which resource the call made."""
        if call.key is not None:
            answered = AnsweredRequest(call.digest, resource_id)
            self._storage.requests.add(call.key, answered, now=self._clock.now())
