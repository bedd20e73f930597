"""Lets the tests of decisions find the samples of the domain."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "domain"))
