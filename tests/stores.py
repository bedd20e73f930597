"""Redis and PostgreSQL for tests: those that run, and ones of a test's own that may be killed."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
import redis
from bench.stores import ProgramAbsent, RedisProcess

T = TypeVar("T")

SERVER = os.environ.get("STRATOPT_TEST_REDIS", "redis://127.0.0.1:6379/9")
"""Where a Redis is expected, and the number of a database that tests may fill."""


def running_redis() -> str:
    """URL of the Redis that runs; skips where there is none, but never in CI."""
    try:
        with redis.Redis.from_url(SERVER, socket_connect_timeout=2) as client:
            client.ping()
    except redis.exceptions.ConnectionError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"there is no Redis at {SERVER}: {error}")
    return SERVER


def own(make: Callable[[Path], T], folder: Path) -> T:
    """Make a Redis or a PostgreSQL of the test's own; skips where its program is absent, but never in CI."""
    try:
        return make(folder)
    except ProgramAbsent as absent:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(absent))


def own_redis_in(folder: Path) -> RedisProcess:
    """Make a Redis of the test's own."""
    return own(RedisProcess, folder)
