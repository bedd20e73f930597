"""The server with a clock that a file sets wrong: `python -m bench.stepped_server`.

BENCH_CLOCK_FILE names a file with the seconds that the clock is ahead.
"""

import asyncio
import os
from datetime import datetime, timedelta
from pathlib import Path

from stratopt_server import logs
from stratopt_server.domain.clock import SystemClock
from stratopt_server.serving import serve
from stratopt_server.settings_reading import read_settings


class SteppedClock:
    """The system's clock, and what the file says."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._true = SystemClock()

    def now(self) -> datetime:
        """Return the time that this server believes it is."""
        try:
            ahead = float(self._path.read_text(encoding="ascii") or 0)
        except FileNotFoundError:
            ahead = 0.0
        return self._true.now() + timedelta(seconds=ahead)


if __name__ == "__main__":
    settings = read_settings()
    logs.configure(settings.log_level, settings.log_format)
    asyncio.run(serve(settings, SteppedClock(Path(os.environ["BENCH_CLOCK_FILE"]))))
