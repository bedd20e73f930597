"""Reading the log of a server that logs JSON."""

import json
import time
from collections.abc import Callable
from typing import Any

from support import ServerProcess

Line = dict[str, Any]


def lines(server: ServerProcess, **ids: str) -> list[Line]:
    """Return the lines that carry these ids."""
    whole = server.log().rpartition("\n")[0]  # the last line may be half written
    every: list[Line] = [json.loads(line) for line in whole.splitlines()]
    return [line for line in every if all(line.get(name) == value for name, value in ids.items())]


def line_of(server: ServerProcess, wanted: Callable[[Line], bool]) -> Line:
    """Wait for a line of the log; it is written before the call it is about is answered, or soon after."""
    deadline = time.monotonic() + 10
    while True:
        for line in lines(server):
            if wanted(line):
                return line
        assert time.monotonic() < deadline, server.log()
        time.sleep(0.05)
