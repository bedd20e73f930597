"""Lets the contract class explain its failures."""

import pytest

pytest.register_assert_rewrite("cache_contract")
