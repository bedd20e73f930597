"""Loops that outlive a fault of the database."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def going_on(log: logging.Logger, trouble: str) -> Iterator[None]:
    """Log whatever is raised inside and go on."""
    try:
        yield
    except Exception:
        log.exception(trouble)
