"""Lets the contract classes explain their failures, and find the samples of the domain."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent.parent / "domain"))
for module in ("storage_contract_catalog", "storage_contract_jobs", "storage_contract_results"):
    pytest.register_assert_rewrite(module)
