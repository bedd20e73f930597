"""Lets these tests find the PostgreSQL of the storage tests, the domain samples and the feed's peer."""

import sys
from pathlib import Path

TESTS = Path(__file__).parent.parent
sys.path += [str(TESTS / folder) for folder in ("storage", "domain", "packages")]
