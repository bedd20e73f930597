"""Lets the tests of the advisor find the samples of the domain, and gives them an API to speak to."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent.parent / "domain"))
sys.path.append(str(Path(__file__).parent))

from api_server import ApiServer


@pytest.fixture
def api() -> Iterator[ApiServer]:
    """A really started HTTP server that speaks the API."""
    with ApiServer() as server:
        yield server
