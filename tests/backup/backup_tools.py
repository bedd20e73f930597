"""Databases full of rows, and the two commands as an operator runs them."""

import base64
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from stratopt_server import __main__ as server
from stratopt_server.domain.market import Bars
from stratopt_server.market.columns import COLUMN_TYPES, ColumnStore, content_hash
from stratopt_server.storage.database import connect
from stratopt_server.storage.dialect import Database
from stratopt_server.storage.sql import SqlStorage
from stratopt_server.storage.tables import read_rows, tables_of, write_rows

ROWS = 5
START = datetime(2023, 1, 1)  # noqa: DTZ001 - as it is stored
DOCUMENTS = (
    '{"b": [1,  2.50], "a":1e-300}',
    "5",
    '"é\\u0000 \\" x"',
    "null",
    "[0.1, 123456789012345678901234567890]",
)
"""Text that would not come back if anybody parsed and wrote it."""
WAIT_SECONDS = 120
BARS = Bars(
    *(
        np.random.default_rng(seed).integers(1, 2**40, 30_000).astype(kind)
        for seed, kind in enumerate(COLUMN_TYPES.values())
    )
)
DIGEST = content_hash(BARS)
COLUMNS = [f"bars/{DIGEST}/{name}.npy" for name in COLUMN_TYPES]


def new_key() -> str:
    """The text of a signing key."""
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


KEY = new_key()


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """Open a database for the time of the block."""
    database = connect(url)
    try:
        yield database
    finally:
        database.leave()


class Site:
    """Where a server keeps its state: a folder, and a database in it or elsewhere."""

    def __init__(self, data_dir: Path, url: str = "") -> None:
        self.data_dir = data_dir
        self.url = url or f"sqlite:///{data_dir / 'stratopt.db'}"

    @property
    def settings(self) -> dict[str, str]:
        """What a server is told to use it."""
        return {"STRATOPT_DATA_DIR": str(self.data_dir), "STRATOPT_DATABASE_URL": self.url}

    @property
    def environment(self) -> dict[str, str]:
        """The same with what every process needs."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("STRATOPT_")}
        return inherited | self.settings

    def command(self, *words: object) -> "subprocess.CompletedProcess[str]":
        """Run a command of the server in this process; in one of its own from a thread, or to serve."""
        if words and threading.current_thread() is threading.main_thread():
            return self._command_here(list(map(str, words)))
        return subprocess.run(
            [sys.executable, "-m", "stratopt_server", *map(str, words)],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS,
            check=False,
        )

    def _command_here(self, words: list[str]) -> "subprocess.CompletedProcess[str]":
        code, out, err = 0, io.StringIO(), io.StringIO()
        handler = signal.getsignal(signal.SIGTERM)
        with (
            mock.patch.dict(os.environ, self.environment, clear=True),
            mock.patch.object(sys, "argv", ["stratopt_server", *words]),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            try:
                server.main()
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 1
            finally:
                signal.signal(signal.SIGTERM, handler)
        return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())

    def done(self, *words: object) -> Any:
        """Run a command that succeeds, and return its answer."""
        result = self.command(*words, "--json")
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    def refused(self, *words: object) -> str:
        """Run a command that tells in one line what is wrong, and return it."""
        result = self.command(*words)
        assert (result.returncode, result.stdout) == (2, ""), result.stderr
        told = result.stderr.splitlines()
        assert told
        assert not any("Traceback" in line for line in told)
        return told[-1]

    def rows(self) -> dict[str, list[Any]]:
        """Read every table; rows in an order that both databases have."""
        with opened(self.url) as database:
            found = {table.name: list(read_rows(database, table)) for table in tables_of(database)}
        return {name: sorted(rows, key=json.dumps) for name, rows in found.items()}

    def filled(self) -> "Site":
        """Put rows into every table, of values that are easily changed on the way, and bars; return it."""
        SqlStorage.open(self.url).close()
        ColumnStore(self.data_dir / "bars").save(BARS)
        with opened(self.url) as database, database.atomic():
            for table in tables_of(database):
                kinds = {column.name: column for column in database.get_columns(table.name)}
                rows = [[_value(kinds[name], number) for name in table.names] for number in range(ROWS)]
                write_rows(database, table, table.names, rows)
        return self

    def with_files(self) -> "Site":
        """Put a key into its folder, and bars that are not there yet; return it."""
        bars, key = self.data_dir / "bars", self.data_dir / "keys" / "signing.pem"
        (bars / ".draft-1").mkdir(parents=True)
        (bars / ".draft-1" / "close.npy").write_bytes(b"not yet")
        key.parent.mkdir()
        key.write_text(KEY)
        return self


VALUES: dict[str, Callable[[int], Any]] = {
    "blob": lambda number: base64.b64encode(bytes([number]) + bytes(range(256))).decode(),
    "timestamp": lambda number: (START + timedelta(days=number, microseconds=number % 2)).isoformat(" "),
    "bool": lambda number: bool(number % 2),
    "json": lambda number: DOCUMENTS[number],
    "double": lambda number: [0.1 + 0.2, 5e-324, -1.7976931348623157e308, 0.0, 1 / 3][number],
    "real": lambda number: [0.0, 0.1, -2.5, 1e30, 12345.678][number],  # four bytes say so few digits
    "int": lambda number: number,
    "bigint": lambda number: number + 2**40,
    "": lambda number: f"v{number}",
}
"""Values by the beginning of a column's type; texts fit every foreign key."""


def _value(column: Any, number: int) -> Any:
    if column.null and number == 0 and not column.primary_key and not column.name.endswith("id"):
        return None
    if column.name == "content_hash":
        return DIGEST
    kind = column.data_type.lower().replace("bytea", "blob")
    return next(make for begins, make in VALUES.items() if kind.startswith(begins))(number)


def restored(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """The rows that a restore leaves as they are."""
    changed = {"leases", "database_epoch", "pipelines"}
    return {name: found for name, found in rows.items() if name not in changed}
