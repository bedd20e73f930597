"""Event streams, as the document describes them."""

from typing import Annotated, Any

from fastapi import Header

LastEventId = Annotated[
    str | None,
    Header(
        description="id of the last event seen: only later ones follow the first snapshot.", examples=["17"]
    ),
]

EXAMPLE = """\
retry: 2000

id: 3
event: snapshot
data: {"status": "running", "progress": 0.4, ...}

id: 4
event: progress
data: {"done": 41, "total": 100, "rate": 512.0, "eta_seconds": 0.1, "stage": "searching"}

: heartbeat
"""


def events_answer(kinds: str) -> dict[int | str, dict[str, Any]]:
    """Return the answers of a route that streams events of those kinds."""
    text = (
        f"Events: {kinds}; problem if the stream has to end before the job did. id is the sequence to resume "
        "with, data is JSON, comments are heartbeats."
    )
    content = {"text/event-stream": {"schema": {"type": "string"}, "example": EXAMPLE}}
    return {
        200: {"description": text, "content": content},
        204: {"description": "The job has ended and nothing came after Last-Event-ID: stop asking."},
    }
