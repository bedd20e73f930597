"""Files from the server."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path


async def save(path: Path, chunks: AsyncIterator[bytes]) -> int:
    """Write the chunks to a file and return its size.

    A file of that name is replaced only once all of them are there.
    """
    draft = path.with_name(f".{path.name}.part")
    size = 0
    try:
        with draft.open("wb") as file:
            async for chunk in chunks:
                await asyncio.to_thread(file.write, chunk)
                size += len(chunk)
        await asyncio.to_thread(draft.replace, path)
    finally:
        await asyncio.to_thread(draft.unlink, missing_ok=True)
    return size
