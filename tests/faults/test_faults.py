"""A sample of what `make bench ONLY=faults` breaks: nothing is lost, duplicated or stuck."""

import os
from pathlib import Path

import pytest
from bench.fault_kinds import KINDS
from bench.faults import broken
from bench.stores import ProgramAbsent

SAMPLE = ("one_of_two_killed", "full_disk")
"""The others are broken like these; the bench breaks each twenty times."""


@pytest.mark.parametrize("kind", SAMPLE)
async def test_broken(tmp_path: Path, kind: str) -> None:
    """Something breaks at a random moment while jobs run; what was asked for comes to what it should."""
    assert set(SAMPLE) < set(KINDS)
    try:
        toll = await broken(kind, tmp_path, runs=1, seed=1)
    except ProgramAbsent as absent:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(absent))
    assert (toll.lost, toll.duplicated, toll.stuck, toll.told) == (0, 0, 0, [])
