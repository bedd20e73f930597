"""The files of a backup: bars, which lie under the hash of their content, and the signing key."""

import os
import re
import secrets
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from stratopt_server.backup.archive import BARS, KEY, OWNER_ONLY, Reader, UnusableBackup, pieces
from stratopt_server.decisions.signing import SigningKey, UnusableKey
from stratopt_server.domain.errors import Unavailable
from stratopt_server.market.columns import DRAFT_PREFIX, ColumnStore, content_hash, sync_folder
from stratopt_server.settings import Settings

DIGEST = re.compile(r"[0-9a-f]{64}")
KEY_BYTES_MAX = 1 << 16


def found_files(settings: Settings, *, without: Collection[str]) -> Iterator[tuple[str, Path]]:
    """Yield the name in a backup, and the path, of every file that belongs into one.

    `without` names sets of bars to leave out.
    """
    for path in sorted(settings.bars_dir.glob("*/*.npy")):
        name = f"bars/{path.parent.name}/{path.name}"
        if BARS.fullmatch(name) and path.parent.name not in without:
            yield name, path
    if settings.signing_key_path.is_file():
        yield KEY, settings.signing_key_path


def found_sets(settings: Settings) -> list[str]:
    """Name the sets of bars that there are."""
    return sorted(path.name for path in settings.bars_dir.glob("*") if DIGEST.fullmatch(path.name))


def are_sound(folder: Path, digest: str) -> bool:
    """Tell whether the bars of that hash are in the folder, and are what it says."""
    if not DIGEST.fullmatch(digest):
        return False
    try:
        return content_hash(ColumnStore(folder).open(digest)) == digest
    except Unavailable as error:
        if error.reason == "BARS_UNREADABLE":
            raise
        return False


def read_file(path: Path) -> Iterator[bytes]:
    """Yield a file piece by piece."""
    with path.open("rb") as file:
        yield from pieces(file)


class Placing:
    """Puts the files of a backup where the settings want them; what is there already stays."""

    def __init__(self, reader: Reader, settings: Settings, *, force: bool, allow_missing_bars: bool) -> None:
        self._reader = reader
        self._settings = settings
        self._force = force
        self._allow_missing_bars = allow_missing_bars
        self._undo: list[Callable[[], object]] = []
        """What puts the key back that was there, last step last."""
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
        if self._has_key:
            self._check_key()
        if self._has_key and key.exists() and not self._is_there(KEY, key) and not self._force:
            raise UnusableBackup(
                f"{key} is another key than the one of the backup, which consumers believe: move it away, "
                "or let --force do that"
            )

    def place_bars(self, progress: Callable[[str], None]) -> int:
        """Write those that are not there yet, each set whole or not at all; return how many sets are new."""
        new = 0
        folder = self._settings.bars_dir
        for digest, names in self._sets.items():
            is_there = (folder / digest).exists()
            if are_sound(folder, digest) if is_there else self._place_bars(digest, names):
                new += not is_there
            elif self._allow_missing_bars:
                progress(f"the bars {digest} are not what their hash says: they are left out")
            else:
                raise UnusableBackup(
                    f"nothing was restored: the bars {digest} in the backup are not what their hash says: "
                    "use another, or leave them out with --allow-missing-bars"
                )
        return new

    def place_key(self) -> None:
        """Put the key into its place, unless it is there; the one that is there keeps another name."""
        key = self._settings.signing_key_path
        if self._has_key and not (key.exists() and self._is_there(KEY, key)):
            self._place_key(key)

    @contextmanager
    def key_kept(self) -> Iterator[None]:
        """Put back the key that was there if the block fails."""
        try:
            yield
        except BaseException:
            while self._undo:
                self._undo.pop()()
            raise

    def _check_key(self) -> None:
        if self._reader.manifest.members[KEY].bytes > KEY_BYTES_MAX:
            raise UnusableBackup("the signing key in the backup is none: use another")
        try:
            SigningKey.of(b"".join(self._reader.chunks(KEY)), KEY)
        except UnusableKey as error:
            raise UnusableBackup("the signing key in the backup is none: use another") from error

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

    def _place_bars(self, digest: str, names: list[str]) -> bool:
        """Write a draft and give it its name, unless it is not what that says."""
        folder = self._settings.bars_dir
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f"{DRAFT_PREFIX}{secrets.token_hex(16)}"
        whole = draft / digest
        whole.mkdir(parents=True)
        try:
            for name in names:
                self._write(name, whole / Path(name).name, 0o666)
            sync_folder(whole)
            if not are_sound(draft, digest):
                return False
            whole.rename(folder / digest)
            sync_folder(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return True

    def _place_key(self, path: Path) -> None:
        """Write the key for its owner only; the one that is there keeps another name."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            self._write(KEY, draft, OWNER_ONLY)
            if path.exists():
                older = path.with_name(f"{path.name}.replaced-{time.time_ns()}")
                path.rename(older)
                self._undo.append(lambda: older.rename(path))
            draft.rename(path)
            self._undo.append(lambda: path.unlink(missing_ok=True))
            sync_folder(path.parent)
        finally:
            draft.unlink(missing_ok=True)

    def _write(self, name: str, path: Path, mode: int) -> None:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            for chunk in self._reader.chunks(name):
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
