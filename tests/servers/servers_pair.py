"""What the tests of several servers share."""

from pathlib import Path
from typing import Any

from bench.relay_traffic import free_address
from bench.stores import RedisProcess

from stratopt_client.sync import SyncClient
from support import LAX, ServerProcess

SYMBOL, STRATEGY = "PAIR/USDT", "ma_cross_v1.0"
PARAMS = {"fast_period": 5, "slow_period": 30, "signal_threshold": 0.0}
SEARCH: dict[str, Any] = {
    "param_ranges": {"fast_period": [2, 100], "slow_period": [101, 1_000]},
    "fixed_params": {"signal_threshold": 0.0},
    "algorithm": "random",
    "max_iterations": 20_000,
    "validation": "holdout",
    "seed": 3,
}
"""A search of some seconds."""
LEASE_SECONDS = 2.0


class Pair:
    """Two servers, and what they stand on."""

    def __init__(self, folder: Path, database_url: str, redis: RedisProcess) -> None:
        self.redis = redis
        self.published = free_address()
        self._settings = {
            "STRATOPT_DATABASE_URL": database_url,
            "STRATOPT_REDIS_URL": redis.url,
            "STRATOPT_RELAY_BIND": self.published,
            "STRATOPT_LEASE_SECONDS": str(LEASE_SECONDS),
            "STRATOPT_RELAY_LEASE_SECONDS": str(LEASE_SECONDS),
            "STRATOPT_POLICY": LAX,
        }
        self._folder = folder
        self.first = self.another("first")
        self.second = self.another("second")

    def another(self, name: str) -> ServerProcess:
        """Start a server on the same stores, with a log of its own."""
        data = {"STRATOPT_DATA_DIR": str(self._folder / "data")}
        return ServerProcess(self._folder / name, {**self._settings, **data})

    def load(self, bars: Path) -> None:
        """Import bars by way of the first."""
        with SyncClient(self.first.address) as client:
            client.market_data.import_file(bars, symbol=SYMBOL, exchange="test")

    def revive(self) -> None:
        """Start what a test has killed."""
        if not self.redis.is_running:
            self.redis.start()
        if not self.first.is_running:
            self.first = self.another("first")
        if not self.second.is_running:
            self.second = self.another("second")

    def stop(self) -> None:
        """End both."""
        self.first.stop()
        self.second.stop()
