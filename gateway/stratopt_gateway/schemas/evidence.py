"""Evidence: how much of what was found may be chance. Sharpe ratios are annual; null is not computable."""

from typing import Literal

from pydantic import BaseModel, Field

from stratopt_gateway.schemas.base import Metrics, Moment


class Significance(BaseModel):
    """How sure the in-sample Sharpe ratio is, with every trial there ever was held against it."""

    days: int = Field(description="Daily returns.")
    days_per_year: float
    sharpe: float | None
    psr: float | None = Field(description="Probability that the true Sharpe ratio is above 0.")
    dsr: float | None = Field(description="Probability that it is above expected_maximum.")
    expected_maximum: float | None = Field(
        description="What the best of so many worthless trials would show."
    )
    trials: int = Field(description="Distinct trials of this code on this market, of every job there was.")
    undefined_trials: int = Field(description="Those that have no Sharpe ratio.")
    sharpe_variance: float | None = Field(description="Of the trials' daily Sharpe ratios.")
    effective_trials: float | None = Field(description="Shown, never decided by.")
    track_record_days: float | None = Field(description="Days after which the record is deflated to 0.95.")
    backtest_years: float
    minimum_backtest_years: float | None
    skewness: float | None
    kurtosis: float | None = Field(description="Not excess: 3 is normal.")


class Overfitting(BaseModel):
    """Combinatorially symmetric cross-validation of a search."""

    pbo: float = Field(description="Probability of backtest overfitting; 0.5 is chance.")
    loss_probability: float
    slope: float | None
    median_logit: float
    trials: int
    blocks: int
    splits: int


class Superiority(BaseModel):
    """Whether the best trials as a set are better than staying out."""

    p_value: float = Field(description="Hansen's consistent p-value.")
    superior: int
    tested: int


class OutOfSample(BaseModel):
    """Daily returns on bars that the parameters were not chosen on."""

    days: int
    sharpe: float | None
    psr: float | None
    sharpe_low: float | None = Field(description="Low end of the 95 % interval, by the stationary bootstrap.")
    sharpe_high: float | None
    block_length: float | None = Field(description="Of the bootstrap, in days.")
    sharpe_lo: float | None = Field(description="Annualised with the memory of the returns (Lo 2002).")
    ljung_box_p: float | None
    sharpe_ratio_kept: float | None = Field(description="Share of the in-sample Sharpe ratio that is left.")
    efficiency: float | None = Field(description="Mean annual return out of sample / in sample.")
    windows: int
    profitable_windows: float | None
    largest_window: float | None = Field(description="Share of all gains that the best window has.")


class Regime(BaseModel):
    """Days of one kind."""

    name: str = Field(examples=["low volatility", "2023"])
    sharpe: float | None


class MonteCarlo(BaseModel):
    """Drawdowns with the trades in another order, all cash in each."""

    paths: int
    drawdown_q50: float
    drawdown_q95: float
    drawdown_q99: float
    limit: float
    over_limit: float = Field(description="Share of the paths above the limit.")


class Holding(BaseModel):
    """Buying at the first bar and holding, without costs."""

    sharpe: float | None
    calmar: float | None
    total_return: float | None


class SearchEvidence(BaseModel):
    """How much of what a search found may be chance."""

    significance: Significance | None
    overfitting: Overfitting | None
    superiority: Superiority | None
    out_of_sample: OutOfSample | None
    regimes: list[Regime]
    monte_carlo: MonteCarlo | None
    holding: Holding | None


class FillBracketRun(BaseModel):
    """A grid's run under one fill model."""

    fill_model: str
    metrics: Metrics


class Reproduction(BaseModel):
    """The backtest once more, by another process, from what a package says."""

    same: bool
    metrics_hash: str
    wanted_hash: str
    differences: list[str]


class SealedTest(BaseModel):
    """What the parameters did on sealed bars."""

    first_bar_time: Moment
    last_bar_time: Moment
    days: int
    sharpe: float | None
    psr: float | None
    total_return: float | None
    trade_count: int


class SealedEvidence(BaseModel):
    """The sealed holdout of this code on this market."""

    id: str
    state: Literal["unopened", "tested", "spent"]
    spent_on: str = Field(description="The backtest it was read for.")
    test: SealedTest | None
