"""What is known of how good parameters are, and of how much of it may be chance.

Ratios are fractions, Sharpe ratios annual unless they say otherwise. None stands for what is not computable;
it never passes a gate.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from stratopt_server.domain.market import DataGrade
from stratopt_server.domain.metrics import Metrics, ReturnMoments
from stratopt_server.domain.optimization import Plateau
from stratopt_server.domain.runs import Costs, FillModel
from stratopt_server.domain.seals import SealedTest


class EvidenceSource(Enum):
    """Where evidence comes from."""

    OPTIMIZATION = "optimization"
    FIXED_PARAMETERS = "fixed_parameters"


@dataclass(frozen=True, slots=True, kw_only=True)
class Significance:
    """How sure the in-sample Sharpe ratio is, with all trials there ever were held against it.

    By daily returns over the bars that the search saw.
    """

    days: int
    """Daily returns."""
    days_per_year: float
    daily: ReturnMoments | None
    """None where they do not vary."""
    sharpe: float | None
    psr: float | None
    """Probability that the true Sharpe ratio is above 0: of a search's winner worth nearly nothing."""
    dsr: float | None
    """Probability that it is above what the best of so many worthless trials would show."""
    expected_maximum: float | None
    """Sharpe ratio which that best would show."""
    trials: int
    """Distinct trials of this code on this market, of every job there was; those of equal returns are one."""
    undefined_trials: int
    """Those that have no Sharpe ratio, e.g. because they never traded."""
    sharpe_variance: float | None
    """Of the trials' daily Sharpe ratios."""
    effective_trials: float | None = None
    """Independent trials that as many would be, by their correlation. Shown, never decided by."""
    track_record_days: float | None
    """Days after which a record of these moments is deflated to 0.95; None where no length is enough, too."""
    backtest_years: float
    minimum_backtest_years: float | None
    """Years below which as many worthless trials are expected to show this Sharpe ratio; None likewise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overfitting:
    """Cross-validation of the search by halves of its bars (CSCV)."""

    pbo: float
    """Share of the halves whose best is in the lower half of the trials in the other half."""
    loss_probability: float
    """Share of the halves whose best loses in the other half."""
    slope: float | None
    """Of the best's Sharpe ratio in the other half on that in its own."""
    median_logit: float
    trials: int
    blocks: int
    splits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Superiority:
    """Whether the best trials as a set are better than staying out (Hansen's SPA, Romano & Wolf's StepM)."""

    p_value: float
    """That none of them has a mean above 0."""
    superior: int
    """Trials whose mean is above 0 with a family-wise error of 0.05."""
    tested: int
    """Best trials that were looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfSample:
    """Daily returns on bars that the parameters were not chosen on, one test behind the other."""

    days: int
    daily: ReturnMoments | None
    sharpe: float | None
    psr: float | None
    """Probability that the true Sharpe ratio is above 0."""
    sharpe_low: float | None
    """Low end of the 95 % interval, by the stationary bootstrap."""
    sharpe_high: float | None
    block_length: float | None
    """Mean length of its blocks, in days."""
    sharpe_lo: float | None
    """Sharpe ratio annualised with the memory that the returns have (Lo 2002)."""
    ljung_box_p: float | None
    """p-value that they have none up to ten days."""
    sharpe_ratio_kept: float | None
    """Sharpe ratio per bar / that in sample; None unless the latter is above 0."""
    efficiency: float | None
    """Mean annual return out of sample / in sample; None unless the latter is above 0."""
    windows: int
    """Tests; 1 for a holdout."""
    profitable_windows: float | None
    """Share of them that earned; None for a single one."""
    largest_window: float | None
    """Share of the windows' gains that the best of them has; None for a single one, or without a gain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Regime:
    """Days of one kind: a third of the market's volatility, or a year."""

    name: str
    sharpe: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MonteCarlo:
    """Drawdowns with the trades drawn again in another order, all cash in each."""

    paths: int
    drawdown_q50: float
    drawdown_q95: float
    drawdown_q99: float
    limit: float
    over_limit: float
    """Share of the paths whose drawdown is above the limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """Buying at the first bar and holding, on the same bars, without costs."""

    sharpe: float | None
    calmar: float | None
    total_return: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchEvidence:
    """What every search says of its best trial, and of itself."""

    significance: Significance
    overfitting: Overfitting | None
    superiority: Superiority | None
    out_of_sample: OutOfSample | None
    """None where no bars were held out."""
    regimes: tuple[Regime, ...]
    monte_carlo: MonteCarlo | None
    holding: Holding


@dataclass(frozen=True, slots=True, kw_only=True)
class BracketRun:
    """The same run of a grid under another fill model."""

    fill_model: FillModel
    metrics: Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """The backtest once more, in another process, from nothing but what a package says."""

    same: bool
    metrics_hash: str
    """Of the metrics that it has this time."""
    wanted_hash: str
    """Of those that the backtest has."""
    differences: tuple[str, ...]
    """What is not the same, in words."""


class SealState(Enum):
    """What became of a sealed holdout."""

    UNOPENED = "unopened"
    """Other gates stand in the way: it was not read for these parameters."""
    TESTED = "tested"
    SPENT = "spent"
    """It was read for other parameters: there is nothing left that nobody has seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedEvidence:
    """The sealed holdout of this code on this market."""

    id: str
    state: SealState
    spent_on: str | None
    """The backtest it was read for."""
    test: SealedTest | None
    """What these parameters did on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Integrity:
    """Whether what was measured can be trusted at all."""

    code_proven: bool
    """The code is built in, whose tests prove it free of look-ahead."""
    trials_recorded: bool
    """Every trial of the search is in the ledger; of a backtest, its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a decision rests on."""

    source: EvidenceSource
    optimization_id: str | None
    seed: int | None
    """Seed of that optimization."""
    searched_by: str | None
    """Where no search is the evidence: one that tried these parameters on bars it held none of out."""
    dataset_hash: str
    """Content of the bars that were measured."""
    start_date: datetime
    """Open time of the first of them."""
    split_date: datetime
    """Open time of the first out-of-sample bar."""
    end_date: datetime
    """Open time of the last one."""
    data_grade: DataGrade
    costs: Costs
    whole: Metrics
    """Over all bars of the evidence: those of the search, or of the backtest where there is none."""
    in_sample: Metrics
    """Over the bars the parameters were chosen on."""
    out_of_sample: Metrics
    """Over the bars they were not chosen on."""
    doubled_costs: Metrics
    """Over all bars at doubled fee and slippage."""
    out_of_sample_days: int
    """Daily returns that psr_oos is computed from."""
    psr_oos: float | None
    """Probability that the true out-of-sample Sharpe ratio is above 0."""
    var_95_oos: float | None
    """Loss that 95 % of out-of-sample days stay below, a positive fraction."""
    moments_oos: ReturnMoments | None
    """Of the daily returns that psr_oos is computed from."""
    drawdown_q95: float | None
    """95 % quantile of the maximum drawdown with the trades in another order, all cash in each."""
    position_size: float | None
    """Largest share of capital, at most 1, at which that quantile and the drawdown there was keep it."""
    max_drawdown_at_size: float | None
    """Maximum drawdown over all bars at that size."""
    in_position: bool
    """Whether the strategy holds a position at the last bar."""
    is_short: bool | None = None
    """Whether that position is a short; None where an older version did not tell."""
    integrity: Integrity | None = None
    significance: Significance | None = None
    overfitting: Overfitting | None = None
    superiority: Superiority | None = None
    plateau: Plateau | None = None
    """How the score stands around these parameters; None where no search did."""
    tests: OutOfSample | None = None
    """More of the out-of-sample returns."""
    regimes: tuple[Regime, ...] = ()
    monte_carlo: MonteCarlo | None = None
    holding: Holding | None = None
    delayed: Metrics | None = None
    """Over all bars, every signal filled one bar later; None for a grid, whose orders rest."""
    fill_bracket: tuple[BracketRun, ...] = ()
    """Of a grid: all bars under touch, through and volume fills."""
    reproduction: Reproduction | None = None
    sealed: SealedEvidence | None = None
    """None where no holdout was sealed."""
