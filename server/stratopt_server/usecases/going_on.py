"""Loops that outlive a fault of the database."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from stratopt_server.domain.errors import Unavailable


@contextmanager
def going_on(log: logging.Logger, trouble: str) -> Iterator[None]:
    """Log whatever is raised inside and go on."""
    try:
        yield
    except Unavailable as error:
        log.warning("%s: %s", trouble, error)  # what is away comes back: nobody needs its traceback
    except Exception:
        log.exception(trouble)
