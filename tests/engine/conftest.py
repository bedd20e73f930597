"""The process the tests of the engine run in is set up as a job's is."""

import os
from pathlib import Path

from stratopt_server.engine.cache import kernel_cache

# As the job processes have it; both are read once, when numba is imported.
os.environ.setdefault("NUMBA_THREADING_LAYER", "workqueue")
os.environ.setdefault("NUMBA_CACHE_DIR", str(kernel_cache(Path.home() / ".cache" / "stratopt")))
