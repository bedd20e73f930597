"""Lets the tests of the translator find the samples of the domain."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "domain"))
