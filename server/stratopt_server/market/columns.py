"""The column store: bars as files named by the hash of their content, mapped into memory to be read."""

import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from stratopt_server.domain.errors import Unavailable
from stratopt_server.domain.market import Bars

COLUMN_TYPES = {column.name: "<i8" if column.name == "time" else "<f8" for column in fields(Bars)}
"""Little-endian on every machine, so that the bytes and their hash are the same everywhere."""
CONTENT_HASH = re.compile(r"[0-9a-f]{64}")
DRAFT_PREFIX = ".draft-"
DRAFT_SECONDS_MAX = 3_600
"""No write takes an hour: an older draft was left by a process that was killed."""


def content_hash(bars: Bars) -> str:
    """SHA-256 over name, type, length and bytes of each column, in hex."""
    digest = hashlib.sha256()
    for name, column in _columns_of(bars):
        digest.update(f"{name}\0{column.dtype.str}\0".encode())
        digest.update(len(column).to_bytes(8, "little"))
        digest.update(column.data)
    return digest.hexdigest()


class ColumnStore:
    """Bars in a folder, each set in a folder of its own that never changes once it is there.

    Processes may save and open at the same time. A set appears whole or not at all, even if its writer
    is killed or the machine loses power.
    """

    def __init__(self, folder: Path) -> None:
        """Keep the bars in `folder`, which is made when first written to."""
        self._folder = folder

    def save(self, bars: Bars) -> str:
        """Store the bars, if they are not there yet, and return their content hash."""
        assert len(bars), "no bars are no dataset"
        digest = content_hash(bars)
        if not self._path_of(digest).is_dir():
            self._write(digest, bars)
        return digest

    def open(self, content_hash: str) -> Bars:
        """Bars with that hash, read-only, read from disk as they are used; UNAVAILABLE if not here."""
        path = self._path_of(content_hash)
        if not path.is_dir():
            message = f"the bars {content_hash} are not on this server: import the file again"
            raise Unavailable(message, reason="BARS_ABSENT", facts={"content_hash": content_hash})
        try:
            columns = [open_memmap(path / f"{name}.npy", mode="r") for name in COLUMN_TYPES]
        except (FileNotFoundError, EOFError, ValueError):
            raise _damaged(content_hash) from None
        except OSError as error:  # no descriptor or no memory left, perhaps: the bars may be sound
            message = f"the bars cannot be read now ({error.strerror}): try again"
            raise Unavailable(
                message, reason="BARS_UNREADABLE", facts={"content_hash": content_hash}
            ) from error
        found = [(column.dtype.str, column.shape) for column in columns]
        if found != [(kind, (len(columns[0]),)) for kind in COLUMN_TYPES.values()]:
            raise _damaged(content_hash)
        # Plain arrays over the same memory: numpy's memmap class slows down every small operation.
        return Bars(*(column.view(np.ndarray) for column in columns))

    def _path_of(self, digest: str) -> Path:
        """Where the bars with that hash lie."""
        assert CONTENT_HASH.fullmatch(digest), "a content hash becomes a path, so it must be one"
        return self._folder / digest

    def _write(self, digest: str, bars: Bars) -> None:
        """Write a draft, see it safely on disk, and only then give it its name."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._sweep()
        draft = self._folder / f"{DRAFT_PREFIX}{uuid4().hex}"
        draft.mkdir()
        try:
            for name, column in _columns_of(bars):
                with (draft / f"{name}.npy").open("xb") as file:
                    np.save(file, column)
                    file.flush()
                    os.fsync(file.fileno())
            sync_folder(draft)
            self._publish(draft, digest)
        finally:
            shutil.rmtree(draft, ignore_errors=True)  # gone already, unless something failed

    def _publish(self, draft: Path, digest: str) -> None:
        """Give the draft its name, unless another writer was faster with the same bars."""
        path = self._path_of(digest)
        try:
            draft.rename(path)
        except OSError:
            if not path.is_dir():
                raise
        sync_folder(self._folder)

    def _sweep(self) -> None:
        """Remove what killed writers left behind."""
        for draft in self._folder.glob(f"{DRAFT_PREFIX}*"):
            try:
                age = time.time() - draft.stat().st_mtime
            except FileNotFoundError:  # its writer was faster
                continue
            if age > DRAFT_SECONDS_MAX:
                shutil.rmtree(draft, ignore_errors=True)


def _columns_of(bars: Bars) -> Iterator[tuple[str, NDArray[Any]]]:
    """Columns in their canonical order, type and layout."""
    for name, kind in COLUMN_TYPES.items():
        yield name, np.ascontiguousarray(getattr(bars, name), dtype=kind)


def sync_folder(folder: Path) -> None:
    """See the names in a folder safely on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _damaged(digest: str) -> Unavailable:
    """Error for files that are not what was written."""
    message = f"the stored files of the bars {digest} are damaged: remove their folder and import again"
    return Unavailable(message, reason="BARS_DAMAGED", facts={"content_hash": digest})
