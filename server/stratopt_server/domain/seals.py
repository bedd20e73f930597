"""Sealed holdouts: the last bars of a market, which no job of a code reads until one decision does."""

from dataclasses import dataclass
from datetime import datetime

from stratopt_server.domain.ledger import LedgerKey


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedTest:
    """What the parameters of one decision did on the sealed bars."""

    first_bar_time: datetime
    last_bar_time: datetime
    days: int
    sharpe: float | None
    """Annual, of daily returns; None where they do not vary."""
    psr: float | None
    """Probability that the true Sharpe ratio is above 0."""
    total_return: float | None
    trade_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedHoldout:
    """The bars from a moment on, for one lineage of code on one market."""

    id: str
    key: LedgerKey
    """Any code of the lineage; the seal is the lineage's."""
    strategy_id: str
    """For whom it was sealed."""
    first_bar_time: datetime
    """Open time of the first sealed bar; all after it are sealed too, those imported later among them."""
    created_at: datetime
    spent_at: datetime | None = None
    """When it was read; from then on it holds nothing back."""
    spent_on: str | None = None
    """The backtest whose decision read it."""
    test: SealedTest | None = None
    """What came of it."""

    @property
    def is_spent(self) -> bool:
        """Whether it was read, and so holds nothing back any more."""
        return self.spent_at is not None
