"""The command line is tested against the same kind of servers as the client."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "client"))
