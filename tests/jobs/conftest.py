"""Lets the tests of jobs find the samples of the domain and of the engine, and set up numba as a job's is."""

import os
import sys
from pathlib import Path

from stratopt_server.engine.cache import kernel_cache

for room in ("domain", "engine"):
    sys.path.append(str(Path(__file__).parent.parent / room))
os.environ.setdefault("NUMBA_THREADING_LAYER", "workqueue")
os.environ.setdefault("NUMBA_CACHE_DIR", str(kernel_cache(Path.home() / ".cache" / "stratopt")))
