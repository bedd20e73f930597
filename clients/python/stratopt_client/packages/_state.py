"""Where a subscriber is: the last places it has handed over, and what was revoked. Survives kill -9."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

VERSIONS = (
    """
CREATE TABLE feed (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    key_id TEXT NOT NULL,
    epoch TEXT NOT NULL,
    package_seq INTEGER NOT NULL,
    revocation_seq INTEGER NOT NULL
);
CREATE TABLE revoked (package_id TEXT PRIMARY KEY);
""",
    """
CREATE TABLE places (
    epoch TEXT PRIMARY KEY,
    package_seq INTEGER NOT NULL,
    revocation_seq INTEGER NOT NULL
);
INSERT INTO places SELECT epoch, package_seq, revocation_seq FROM feed WHERE epoch != '';
""",
)
"""What makes each version of the file out of the one before. Since the second only `feed`'s key counts."""


@dataclass(slots=True)
class Places:
    """The last places of an epoch that were handed over, or need not be."""

    package_seq: int = 0
    revocation_seq: int = 0


class UnusableState(ValueError):
    """The state file is another feed's, or is none."""


class FeedState:
    """The state, in an SQLite file, or in memory for no path. Used by one process at a time."""

    def __init__(self, path: str | Path | None, key_id: str) -> None:
        """Open it; raises UnusableState if it belongs to a feed of another key, or cannot be read."""
        self._path = path
        try:
            self._database = sqlite3.connect(
                ":memory:" if path is None else path, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise UnusableState(f"{path} cannot be opened as the state of a feed: {error}") from None
        try:
            self._prepare(key_id)
        except sqlite3.Error as error:
            self.close()
            raise UnusableState(f"{path} cannot be read as the state of a feed: {error}") from None
        except UnusableState:
            self.close()
            raise
        rows = self._database.execute("SELECT epoch, package_seq, revocation_seq FROM places")
        self._places = {epoch: Places(packages, revocations) for epoch, packages, revocations in rows}

    @property
    def is_new(self) -> bool:
        """Tell whether it has no place yet."""
        return not self._places

    def knows(self, epoch: str) -> bool:
        """Tell whether it has a place in the epoch."""
        return epoch in self._places

    def places(self, epoch: str) -> Places:
        """Return where it is in that epoch: before the first, if it was never there."""
        return self._places.get(epoch) or Places()

    def begin(self, epochs: Iterable[tuple[str, int, int]]) -> None:
        """Begin behind these places of epochs: the last package and the last revocation of each."""
        self._database.execute("BEGIN IMMEDIATE")
        for epoch, package_seq, revocation_seq in epochs:
            self._store(epoch, Places(package_seq, revocation_seq))
        self._database.execute("COMMIT")

    def pass_package(self, epoch: str, seq: int) -> None:
        """Note that everything up to that package has been handed over, or need not be."""
        self._store(epoch, Places(seq, self.places(epoch).revocation_seq))

    def pass_revocation(self, epoch: str, seq: int, package_id: str | None) -> None:
        """Note a revocation, in one transaction with its place."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            if package_id is not None:
                self._database.execute("INSERT OR IGNORE INTO revoked VALUES (?)", (package_id,))
            self._store(epoch, Places(self.places(epoch).package_seq, seq))
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def is_revoked(self, package_id: str) -> bool:
        """Tell whether a revocation of the package came before."""
        found = self._database.execute("SELECT 1 FROM revoked WHERE package_id = ?", (package_id,))
        return found.fetchone() is not None

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _prepare(self, key_id: str) -> None:
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute("BEGIN IMMEDIATE")
        version = self._database.execute("PRAGMA user_version").fetchone()[0]
        for script in VERSIONS[version:]:
            for statement in filter(str.strip, script.split(";")):
                self._database.execute(statement)
        if version == 0:
            self._database.execute("INSERT INTO feed VALUES (1, ?, '', 0, 0)", (key_id,))
        if version < len(VERSIONS):
            self._database.execute(f"PRAGMA user_version = {len(VERSIONS)}")
        self._database.execute("COMMIT")
        if version > len(VERSIONS):
            raise UnusableState(f"{self._path} is of a newer version: {version}")
        known = self._database.execute("SELECT key_id FROM feed").fetchone()[0]
        if known != key_id:
            raise UnusableState(
                f"{self._path} is the state of a feed whose key is {known}, not {key_id}: "
                "each feed has a file of its own"
            )

    def _store(self, epoch: str, places: Places) -> None:
        values = (epoch, places.package_seq, places.revocation_seq)
        self._database.execute("INSERT OR REPLACE INTO places VALUES (?, ?, ?)", values)
        self._places[epoch] = places
