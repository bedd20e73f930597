"""Which engine this is: what a result was made with."""

import hashlib
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path

COMPUTING = ("numba", "numpy", "pandas", "scipy", "vectorbt")
"""Packages whose versions may change the last digits of a result."""
MADE_BY = ("domain", "engine", "jobs", "strategies")
"""Rooms whose sources say what a result is."""
HERE = Path(__file__).parent


def sources_digest(folders: Iterable[Path] = (HERE,)) -> str:
    """Digest of the sources in these folders; of the engine's own if none are named."""
    digest = hashlib.sha256()
    for folder in folders:
        for source in sorted(folder.rglob("*.py")):
            digest.update(source.read_bytes())
    return digest.hexdigest()


@cache
def engine_digest() -> str:
    """Name this engine: its sources and what it computes with. Two of one name give the same results."""
    sources = sources_digest(HERE.parent / room for room in MADE_BY)
    names = [sources, *(f"{package}=={version(package)}" for package in COMPUTING)]
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
