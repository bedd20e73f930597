"""What the benches share: honest timing, and the peak memory of a process that does one thing."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from stratopt_server.engine.cache import kernel_cache

# As the job processes have it; numba reads it when it is imported, so benches import this module first.
os.environ.setdefault("NUMBA_THREADING_LAYER", "workqueue")
os.environ.setdefault("NUMBA_CACHE_DIR", str(kernel_cache(Path.home() / ".cache" / "stratopt")))

# Not getrusage: its peak counts what the parent held when it started the child.
PEAK_OF = """
import importlib, sys
getattr(importlib.import_module(sys.argv[1]), sys.argv[2])()
with open("/proc/self/status") as status:
    print(next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM")))
"""


def best_seconds(work: Callable[[], object], *, repeats: int) -> float:
    """Time the work several times and give the least: other load on the machine can only add."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)


def peak_mb(module: str, function: str) -> float:
    """Call a function in a fresh process; give the most memory that process held, in MiB."""
    command = [sys.executable, "-c", PEAK_OF, module, function]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])
