"""Lets the tests of use-cases find the samples of the domain."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "domain"))
