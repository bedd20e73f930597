"""A folder for files that pass through the server: uploads on their way in, exports on their way out."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

LEFT_BEHIND_SECONDS = 86_400.0
"""Age of a folder that no call can be at work on any more."""


@asynccontextmanager
async def spool_folder(data_dir: Path) -> AsyncIterator[Path]:
    """Make a folder for one call; it is gone after the block."""
    spool = data_dir / "spool"
    await asyncio.to_thread(_make_room, spool)
    with tempfile.TemporaryDirectory(dir=spool) as folder:
        yield Path(folder)


def _make_room(spool: Path) -> None:
    """Make the folder of folders, and remove what servers that were killed left in it."""
    spool.mkdir(parents=True, exist_ok=True)
    for folder in spool.iterdir():
        with suppress(OSError):  # another server may remove it at the same time
            if time.time() - folder.stat().st_mtime > LEFT_BEHIND_SECONDS:
                shutil.rmtree(folder)
