"""Who calls."""

from typing import Annotated

from fastapi import Header

Caller = Annotated[
    str | None,
    Header(
        alias="X-Stratopt-Caller",
        description="Who calls: jobs of different callers take turns in the queue.",
        max_length=64,
        pattern="^[ -~]*$",
        examples=["scanner-1"],
    ),
]
