"""Query parameters of lists."""

from typing import Annotated

from fastapi import Query

PageSize = Annotated[int, Query(description="Most rows wanted; 0 leaves it to the server.", ge=0, le=1_000)]
PageToken = Annotated[
    str, Query(description="next_page_token of the page before, with the same filter; empty for the first.")
]
