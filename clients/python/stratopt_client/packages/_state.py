"""Where a subscriber is: the last place it has handed over, and what was revoked. Survives kill -9."""

import sqlite3
from pathlib import Path

SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE feed (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    key_id TEXT NOT NULL,
    epoch TEXT NOT NULL,
    package_seq INTEGER NOT NULL,
    revocation_seq INTEGER NOT NULL
);
CREATE TABLE revoked (package_id TEXT PRIMARY KEY);
"""


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
        row = self._database.execute("SELECT epoch, package_seq, revocation_seq FROM feed").fetchone()
        self.epoch, self.package_seq, self.revocation_seq = row

    @property
    def is_new(self) -> bool:
        """Tell whether it has no place yet."""
        return not self.epoch

    def begin(self, epoch: str, package_seq: int, revocation_seq: int) -> None:
        """Begin behind these places of an epoch."""
        self._store(epoch, package_seq, revocation_seq)

    def pass_package(self, seq: int) -> None:
        """Note that everything up to that package has been handed over, or need not be."""
        self._store(self.epoch, seq, self.revocation_seq)

    def pass_revocation(self, seq: int, package_id: str | None) -> None:
        """Note a revocation, in one transaction with its place."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            if package_id is not None:
                self._database.execute("INSERT OR IGNORE INTO revoked VALUES (?)", (package_id,))
            self._store(self.epoch, self.package_seq, seq)
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
        if version == 0:
            for statement in filter(str.strip, SCHEMA.split(";")):
                self._database.execute(statement)
            self._database.execute("INSERT INTO feed VALUES (1, ?, '', 0, 0)", (key_id,))
            self._database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        self._database.execute("COMMIT")
        if version not in (0, SCHEMA_VERSION):
            raise UnusableState(f"{self._path} is of a newer version: {version}")
        known = self._database.execute("SELECT key_id FROM feed").fetchone()[0]
        if known != key_id:
            raise UnusableState(
                f"{self._path} is the state of a feed whose key is {known}, not {key_id}: "
                "each feed has a file of its own"
            )

    def _store(self, epoch: str, package_seq: int, revocation_seq: int) -> None:
        self._database.execute(
            "UPDATE feed SET epoch = ?, package_seq = ?, revocation_seq = ?",
            (epoch, package_seq, revocation_seq),
        )
        self.epoch, self.package_seq, self.revocation_seq = epoch, package_seq, revocation_seq
