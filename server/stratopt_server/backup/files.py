"""The files of a backup: bars, which lie under the hash of their content, and the signing key."""

import os
import secrets
import shutil
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from stratopt_server.backup.archive import BARS, KEY, OWNER_ONLY, Reader, UnusableBackup, pieces, sync_folder
from stratopt_server.settings import Settings

DRAFT_PREFIX = ".draft-"
"""As the store of bars calls what is being written; it removes those that were left behind."""


def found_files(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Yield the name in a backup, and the path, of every file that belongs into one."""
    for path in sorted(settings.bars_dir.glob("*/*.npy")):
        name = f"bars/{path.parent.name}/{path.name}"
        if BARS.fullmatch(name):
            yield name, path
    if settings.signing_key_path.is_file():
        yield KEY, settings.signing_key_path


def read_file(path: Path) -> Iterator[bytes]:
    """Yield a file piece by piece."""
    with path.open("rb") as file:
        yield from pieces(file)


class Placing:
    """Puts the files of a backup where the settings want them; what is there already stays."""

    def __init__(self, reader: Reader, settings: Settings, *, force: bool) -> None:
        self._reader = reader
        self._settings = settings
        self._force = force
        self._sets: dict[str, list[str]] = defaultdict(list)
        for name in reader.manifest.members:
            if found := BARS.fullmatch(name):
                self._sets[found["digest"]].append(name)

    def check(self) -> None:
        """Raise UnusableBackup if something else is there under the name of a file."""
        for digest, names in self._sets.items():
            folder = self._settings.bars_dir / digest
            if folder.exists() and not all(self._is_there(name, self._path(name)) for name in names):
                raise UnusableBackup(
                    f"{folder} holds other bars than the backup has under that hash, so one of them is "
                    "damaged: move the folder away"
                )
        key = self._settings.signing_key_path
        if self._has_key and key.exists() and not self._is_there(KEY, key) and not self._force:
            raise UnusableBackup(
                f"{key} is another key than the one of the backup, which consumers believe: move it away, "
                "or let --force do that"
            )

    def place(self) -> int:
        """Write what is not there yet, each set of bars whole or not at all; return how many sets are new."""
        new = 0
        for digest, names in self._sets.items():
            if not (self._settings.bars_dir / digest).exists():
                self._place_bars(digest, names)
                new += 1
        key = self._settings.signing_key_path
        if self._has_key and not (key.exists() and self._is_there(KEY, key)):
            self._place_key(key)
        return new

    @property
    def _has_key(self) -> bool:
        return KEY in self._reader.manifest.members

    def _path(self, name: str) -> Path:
        return self._settings.bars_dir.parent / name

    def _is_there(self, name: str, path: Path) -> bool:
        """Tell whether the file at that path is the member of that name."""
        if not path.is_file() or path.stat().st_size != self._reader.manifest.members[name].bytes:
            return False
        chunks = zip(read_file(path), self._reader.chunks(name), strict=True)
        return all(ours == theirs for ours, theirs in chunks)

    def _place_bars(self, digest: str, names: list[str]) -> None:
        folder = self._settings.bars_dir
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f"{DRAFT_PREFIX}{secrets.token_hex(16)}"
        draft.mkdir()
        try:
            for name in names:
                self._write(name, draft / Path(name).name, 0o666)
            sync_folder(draft)
            draft.rename(folder / digest)
            sync_folder(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)  # gone already, unless something failed

    def _place_key(self, path: Path) -> None:
        """Write the key for its owner only; the one that is there keeps another name."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            self._write(KEY, draft, OWNER_ONLY)
            if path.exists():
                path.rename(path.with_name(f"{path.name}.replaced-{time.time_ns()}"))
            draft.rename(path)
            sync_folder(path.parent)
        finally:
            draft.unlink(missing_ok=True)

    def _write(self, name: str, path: Path, mode: int) -> None:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            for chunk in self._reader.chunks(name):
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
