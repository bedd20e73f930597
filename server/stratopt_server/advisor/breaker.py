"""A circuit breaker: what keeps failing is left alone for a while."""

from collections.abc import Callable


class Breaker:
    """Opens after so many failures in a row; after a pause lets one try through."""

    def __init__(self, failures_max: int, pause_seconds: float, now: Callable[[], float]) -> None:
        """`now` gives seconds that never run backwards."""
        self._failures_max = failures_max
        self._pause_seconds = pause_seconds
        self._now = now
        self._failures = 0
        self._opened_at = 0.0

    @property
    def is_open(self) -> bool:
        """Tell whether to leave it alone now. The first to hear that the pause is over tries."""
        if self._failures < self._failures_max:
            return False
        if self._now() - self._opened_at < self._pause_seconds:
            return True
        self._opened_at = self._now()
        return False

    def succeeded(self) -> None:
        """Note that it works."""
        self._failures = 0

    def failed(self) -> None:
        """Note that it does not."""
        self._failures += 1
        if self._failures == self._failures_max:
            self._opened_at = self._now()
