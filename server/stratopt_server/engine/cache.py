"""Where compiled kernels are kept between processes.

numba knows a cached kernel by the file it stands in, not by the files of what it calls: with one folder for
all times it would go on running old code. So there is a folder for each state of the engine's sources.
"""

from pathlib import Path

from stratopt_server.engine.version import sources_digest


def kernel_cache(parent: Path) -> Path:
    """Name the folder below `parent` for the engine as it is now."""
    return parent / f"kernels-{sources_digest()[:16]}"
