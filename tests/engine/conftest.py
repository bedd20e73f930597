"""The process the tests of the engine run in is set up as a job's is."""

import os

# As the job processes have it; read once, when numba is imported.
os.environ.setdefault("NUMBA_THREADING_LAYER", "workqueue")
