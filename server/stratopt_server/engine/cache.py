"""Where compiled kernels are kept between processes.

numba knows a cached kernel by the file it stands in, not by the files of what it calls: with one folder for
all times it would go on running old code. So there is a folder for each state of the engine's sources.
"""

import hashlib
from pathlib import Path


def kernel_cache(parent: Path) -> Path:
    """Name the folder below `parent` for the engine as it is now."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(source.read_bytes())
    return parent / f"kernels-{digest.hexdigest()[:16]}"
