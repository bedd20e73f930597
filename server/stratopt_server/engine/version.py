"""Which engine this is: what a result was made with."""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

COMPUTING = ("numba", "numpy", "vectorbt")
"""Packages whose versions may change the last digits of a result."""


def sources_digest() -> str:
    """Digest of the engine's sources."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()


@cache
def engine_digest() -> str:
    """Name this engine: its sources and what it computes with. Two of one name give the same results."""
    names = [sources_digest(), *(f"{package}=={version(package)}" for package in COMPUTING)]
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
