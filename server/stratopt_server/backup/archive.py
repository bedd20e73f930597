"""The file of a backup: a zip whose manifest, its last member, says what every other one must be.

tables/<name>.ndjson      a JSON array for each row
bars/<hash>/<column>.npy  as they lie in the folder of bars
keys/signing.pem
manifest.json             its SHA-256 is the comment of the zip
"""

import hashlib
import json
import lzma
import os
import re
import secrets
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Self

from pydantic import ConfigDict, TypeAdapter, ValidationError

from stratopt_server.market.columns import sync_folder

FORMAT = 1
"""Version of all this; a build reads every older one."""
MANIFEST = "manifest.json"
KEY = "keys/signing.pem"
TABLE = re.compile(r"tables/(?P<name>\w+)\.ndjson", re.ASCII)
BARS = re.compile(r"bars/(?P<digest>[0-9a-f]{64})/(?P<file>[a-z_]+\.npy)")
MEMBERS = (TABLE, BARS, re.compile(re.escape(KEY)))
OWNER_ONLY = 0o600
CHUNK_BYTES = 1 << 20
COMPRESSION = 3
"""Of 9: rows become a tenth; more takes long for little."""
MANIFEST_BYTES_MAX = 16_000_000
LINE_BYTES_MAX = 1 << 29
"""Of one row. It is held in memory, whoever wrote it."""
METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
EXACTLY = ConfigDict(extra="forbid")
"""A manifest has what it has, and nothing else."""
BROKEN = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError)
"""What zipfile raises of a file that is damaged."""


class UnusableBackup(ValueError):
    """The backup cannot be made or restored; the message says why, and what would help."""


class NewerBackup(UnusableBackup):
    """The backup is sound, and of a version that this build does not know."""


@dataclass(frozen=True, slots=True)
class Member:
    """What a member of the file must be."""

    __pydantic_config__ = EXACTLY
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class TableShape:
    """What the rows of a table are."""

    __pydantic_config__ = EXACTLY
    columns: list[str]
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup holds."""

    format: int = FORMAT
    stratopt: str
    created_at: str
    database: str
    """Kind of database it was made of."""
    migrations: list[str]
    tables: dict[str, TableShape] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)

    def as_json(self) -> bytes:
        """Write it."""
        return json.dumps(asdict(self), indent=1).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Read it; raises NewerBackup, or UnusableBackup if it is none."""
        told = json.loads(text)
        if told["format"] > FORMAT:
            raise NewerBackup(
                f"the backup was made by stratopt {told['stratopt']} in a newer format: restore it with that"
            )
        if set(told) != set(cls.__dataclass_fields__):
            raise UnusableBackup("its manifest is none")
        try:
            return TypeAdapter(cls).validate_json(text, strict=True)
        except ValidationError:
            raise UnusableBackup("its manifest is none") from None


class Writer:
    """Writes the members of a backup, one after the other."""

    def __init__(self, archive: zipfile.ZipFile, manifest: Manifest) -> None:
        self._archive = archive
        self.manifest = manifest

    def member(self, name: str, chunks: Iterator[bytes]) -> int:
        """Write a member and note what it is; return its size."""
        digest, size = hashlib.sha256(), 0
        with self._archive.open(name, "w", force_zip64=True) as file:
            for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
                file.write(chunk)
        self.manifest.members[name] = Member(digest.hexdigest(), size)
        return size

    def end(self) -> None:
        """Write the manifest."""
        text = self.manifest.as_json()
        self._archive.writestr(MANIFEST, text)
        self._archive.comment = hashlib.sha256(text).hexdigest().encode()


@contextmanager
def written(path: Path, manifest: Manifest, *, force: bool) -> Iterator[Writer]:
    """Yield a writer; the file appears whole at the end of the block, or not at all.

    Raises UnusableBackup if there is one already, unless `force` lets it be replaced.
    """
    _refuse_existing(path, force=force)
    if not path.parent.is_dir():
        raise UnusableBackup(f"there is no folder {path.parent}: make it first")
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION) as archive:
                writer = Writer(archive, manifest)
                yield writer
                writer.end()
            file.flush()
            os.fsync(file.fileno())
        _refuse_existing(path, force=force)
        draft.replace(path)
        sync_folder(path.parent)
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()


def _refuse_existing(path: Path, *, force: bool) -> None:
    if path.is_dir():
        raise UnusableBackup(f"{path} is a folder: name a file")
    if path.exists() and not force:
        raise UnusableBackup(f"{path} is there already: name another file, or replace it with --force")


class Reader:
    """Reads a backup that was found sound."""

    def __init__(self, archive: zipfile.ZipFile, manifest: Manifest) -> None:
        self._archive = archive
        self.manifest = manifest

    def rows(self, table: str) -> Iterator[list[Any]]:
        """Yield the rows of a table; raises UnusableBackup if one is none."""
        with self._archive.open(f"tables/{table}.ndjson") as file:
            while line := file.readline(LINE_BYTES_MAX + 1):
                if len(line) > LINE_BYTES_MAX:
                    raise UnusableBackup(f"{table} in the backup has a row of too many bytes: use another")
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise UnusableBackup(
                        f"{table} in the backup has a row that is no JSON: use another"
                    ) from error
                if not isinstance(row, list):
                    raise UnusableBackup(f"{table} in the backup has a row that is no list: use another")
                yield row

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield a member piece by piece."""
        with self._archive.open(name) as file:
            yield from pieces(file)

    def check(self) -> None:
        """Raise UnusableBackup unless every member is what the manifest says, and there is no other."""
        manifest = self.manifest
        names = [name for name in self._archive.namelist() if name != MANIFEST]
        if sorted(names) != sorted(manifest.members):
            raise UnusableBackup("it does not hold what its manifest names")
        for info in self._archive.infolist():
            if info.compress_type not in METHODS:
                raise UnusableBackup(f"{info.filename} in it is compressed as no backup is")
            if info.filename != MANIFEST and info.file_size != manifest.members[info.filename].bytes:
                raise UnusableBackup(f"{info.filename} in it is not what its manifest says")
        if not all(any(form.fullmatch(name) for form in MEMBERS) for name in names):
            raise UnusableBackup("it holds what no backup has")
        for name, member in manifest.members.items():
            digest, size, lines = hashlib.sha256(), 0, 0
            for chunk in self.chunks(name):
                digest.update(chunk)
                size += len(chunk)
                lines += chunk.count(b"\n")
            table = TABLE.fullmatch(name)
            is_whole = table is None or lines == manifest.tables[table["name"]].rows
            if Member(digest.hexdigest(), size) != member or not is_whole:
                raise UnusableBackup(f"{name} in it is not what its manifest says")


@contextmanager
def opened(path: Path) -> Iterator[Reader]:
    """Yield the backup, which was looked through to its end; raises UnusableBackup if it is damaged."""
    if not path.is_file():
        raise UnusableBackup(f"there is no file {path}")
    with path.open("rb") as file:
        try:
            archive = zipfile.ZipFile(file)
            if archive.getinfo(MANIFEST).file_size > MANIFEST_BYTES_MAX:
                raise UnusableBackup("its manifest is too large")
            with archive.open(MANIFEST) as member:
                text = member.read(MANIFEST_BYTES_MAX + 1)
            if hashlib.sha256(text).hexdigest().encode() != archive.comment:
                raise UnusableBackup("its manifest is not what was written")
            reader = Reader(archive, Manifest.from_json(text))
            reader.check()
        except (*BROKEN, AttributeError, LookupError, TypeError, ValueError) as error:
            if isinstance(error, NewerBackup):
                raise
            raise UnusableBackup(f"{path} is no backup, or a damaged one ({error}): use another") from error
        yield reader


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """Yield what is left of a file piece by piece."""
    while chunk := file.read(CHUNK_BYTES):
        yield chunk
