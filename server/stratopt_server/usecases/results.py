"""Results that need not be computed again: the same run by the same engine has the same."""

import hashlib

from stratopt_server.domain.cache import Cache
from stratopt_server.domain.jobs import BacktestResult, JobKind, JobStatus
from stratopt_server.domain.ports import Storage
from stratopt_server.domain.runs import BacktestSpec


class Results:
    """Knows which backtest ran what. The cache only finds it: what is used stands in the database."""

    def __init__(
        self,
        cache: Cache,
        storage: Storage,
        *,
        engine: str,
        kept_seconds: float,
    ) -> None:
        """`engine` names the engine of this server; `kept_seconds` of 0 finds nothing, ever."""
        self._cache = cache
        self._storage = storage
        self._engine = engine
        self._kept_seconds = kept_seconds

    async def find(self, spec: BacktestSpec) -> str | None:
        """Name a backtest that may have run exactly this, or None."""
        if not self._kept_seconds:
            return None
        found = await self._cache.get(self._key(spec))
        return None if found is None else found.decode(errors="replace")

    async def remember(self, spec: BacktestSpec, backtest_id: str) -> None:
        """Note which backtest will run this; whether it succeeds is told by its row when it is asked for."""
        if self._kept_seconds:
            await self._cache.put(self._key(spec), backtest_id.encode(), seconds=self._kept_seconds)

    def result_of(self, backtest_id: str, spec: BacktestSpec) -> BacktestResult | None:
        """Return its result if it succeeded, ran exactly this, and this engine made it; else None.

        Whatever stands in the cache: an answer of another run, or of another engine, would be a lie.
        """
        job = self._storage.jobs.get(JobKind.BACKTEST, backtest_id)
        if job is None or job.status is not JobStatus.SUCCEEDED or job.spec != spec:
            return None
        result = job.result
        made_here = isinstance(result, BacktestResult) and result.engine == self._engine
        return result if made_here and isinstance(result, BacktestResult) else None

    def _key(self, spec: BacktestSpec) -> str:
        # Code, bars and terms stand in the spec by their hashes and values.
        return f"result:{self._engine}:{hashlib.sha256(repr(spec).encode()).hexdigest()}"
