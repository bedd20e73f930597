"""Who is at work on a data_dir: servers share a lock of a file for their life, a restore wants it alone."""

import errno
import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)

LOCK_NAME = "server.lock"
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
"""What a file system answers that has no locks."""


class Occupied(OSError):
    """Somebody else is at work on the data_dir; the message says what to do."""


@contextmanager
def serving(data_dir: Path) -> Iterator[None]:
    """Tell for the time of the block that a server runs; raises Occupied while a restore does."""
    with _locked(data_dir, fcntl.LOCK_SH, "a restore runs on this data_dir: start the server after it"):
        yield


@contextmanager
def alone(data_dir: Path) -> Iterator[None]:
    """Keep servers away for the time of the block; raises Occupied if one runs."""
    with _locked(data_dir, fcntl.LOCK_EX, "a server runs on this data_dir: stop it first"):
        yield


@contextmanager
def _locked(data_dir: Path, kind: int, refusal: str) -> Iterator[None]:
    """Hold the lock without waiting for it; it ends with the process, however that ends."""
    descriptor = os.open(data_dir / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Occupied(refusal) from None
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            log.warning("%s cannot be locked: nothing keeps a restore and a server apart", data_dir)
        yield
    finally:
        os.close(descriptor)
