"""Lets the contract classes explain their failures, and find the samples of the domain."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent.parent / "domain"))
for contract in Path(__file__).parent.glob("storage_contract_*.py"):
    pytest.register_assert_rewrite(contract.stem)
