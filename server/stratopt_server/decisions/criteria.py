"""The criteria a policy may ask for: what each measures, what passes, and what it may be set to."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from stratopt_server.decisions import advice
from stratopt_server.decisions import measurements as measure
from stratopt_server.decisions.measurements import Measurement
from stratopt_server.domain.decisions import CriterionValue
from stratopt_server.domain.evidence import Evidence
from stratopt_server.domain.parameters import is_real


class Passes(Enum):
    """When a value passes."""

    AT_LEAST = ">="
    ABOVE = ">"
    AT_MOST = "<="
    TRUE = "is"


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One criterion, without its threshold."""

    name: str
    measures: Callable[[Evidence], Measurement]
    passes: Passes
    low: float = 0.0
    high: float = 1.0
    """Range of its threshold."""
    whole: bool = False
    """Its threshold is a whole number."""
    helps: Callable[[Evidence, float, float], str] | None = None
    """What would help, from the evidence, the value and the threshold."""
    wanted: str = ""
    """What a switch asks for, in words."""

    @property
    def description(self) -> str:
        """What it measures, in words."""
        return (self.measures.__doc__ or "").partition("\n")[0]

    @property
    def allowed(self) -> str:
        """What a threshold may be, in words."""
        if self.passes is Passes.TRUE:
            return "true or false"
        kind = "a whole number" if self.whole else "a number"
        return f"{kind} from {self.low:,.10g} to {self.high:,.10g}"

    def accepts(self, value: CriterionValue) -> bool:
        """Tell whether the threshold may be that."""
        if self.passes is Passes.TRUE:
            return isinstance(value, bool)
        if not is_real(value) or not self.low <= float(value) <= self.high:
            return False
        return float(value).is_integer() or not self.whole

    def meets(self, value: float | bool, threshold: CriterionValue) -> bool:
        """Tell whether the value passes at that threshold."""
        match self.passes:
            case Passes.TRUE:
                return bool(value) or threshold is False
            case Passes.ABOVE:
                return value > float(threshold)
            case Passes.AT_MOST:
                return value <= float(threshold)
            case Passes.AT_LEAST:
                return value >= float(threshold)

    def is_looser(self, threshold: CriterionValue, than: CriterionValue) -> bool:
        """Tell whether the threshold lets more pass."""
        if self.passes is Passes.AT_MOST:
            return float(threshold) > float(than)
        return float(threshold) < float(than)  # a switch that is off is less than one that is on


def _define(
    measures: Callable[[Evidence], Measurement], passes: Passes, name: str = "", **more: object
) -> Definition:
    return Definition(name=name or measures.__name__, measures=measures, passes=passes, **more)  # type: ignore[arg-type]


def _few_trades(_: Evidence, count: float, wanted: float) -> str:
    return advice.more_trades(count, wanted)


def _uncertain_out_of_sample(evidence: Evidence, _: float, confidence: float) -> str:
    return advice.more_days_out_of_sample(evidence, confidence)


def _uncertain_in_sample(evidence: Evidence, _: float, confidence: float) -> str:
    return advice.more_days_in_sample(evidence, confidence)


def _falls_deep(_: Evidence, __: float, ___: float) -> str:
    return "The trades in their real order fall deeper than in most others: a smaller limit sizes it down."


def _overfit(_: Evidence, __: float, ___: float) -> str:
    return "Search fewer parameters over more bars, or pick from a plateau."


def _peak(_: Evidence, __: float, ___: float) -> str:
    return "Take the robust pick of the search instead."


MAX_DRAWDOWN = "max_drawdown"
SEALED_HOLDOUT = "sealed_holdout"
COUNT_MAX = 1_000_000.0

DEFINITIONS = {
    definition.name: definition
    for definition in (
        _define(measure.data_integrity, Passes.TRUE, wanted="sound"),
        _define(measure.reproduction, Passes.TRUE, wanted="the same metrics"),
        _define(
            measure.trades_in_sample,
            Passes.AT_LEAST,
            "min_trades_in_sample",
            high=COUNT_MAX,
            whole=True,
            helps=_few_trades,
        ),
        _define(
            measure.trades_out_of_sample,
            Passes.AT_LEAST,
            "min_trades_out_of_sample",
            high=COUNT_MAX,
            whole=True,
            helps=_few_trades,
        ),
        _define(measure.dsr, Passes.AT_LEAST, helps=_uncertain_in_sample),
        _define(measure.psr_out_of_sample, Passes.AT_LEAST, "psr_oos", helps=_uncertain_out_of_sample),
        _define(measure.cscv, Passes.AT_MOST, helps=_overfit),
        _define(measure.sealed_holdout, Passes.ABOVE, SEALED_HOLDOUT, low=-100.0, high=100.0),
        _define(measure.oos_sharpe, Passes.ABOVE, low=-100.0, high=100.0),
        _define(measure.oos_sharpe_kept, Passes.AT_LEAST, low=-100.0, high=100.0),
        _define(measure.cost_2x, Passes.TRUE, wanted="return and Sharpe ratio above 0"),
        _define(measure.max_drawdown, Passes.AT_MOST, MAX_DRAWDOWN, low=0.01, helps=_falls_deep),
        _define(measure.plateau, Passes.AT_LEAST, low=-100.0, high=100.0, helps=_peak),
        _define(measure.plateau_share_70, Passes.AT_LEAST, helps=_peak),
        _define(measure.fill_bracket, Passes.TRUE, wanted="return above 0"),
        _define(measure.pbo, Passes.AT_MOST, helps=_overfit),
        _define(measure.walk_forward_efficiency, Passes.AT_LEAST, "wfe", low=-100.0, high=100.0),
        _define(measure.profitable_windows, Passes.AT_LEAST),
        _define(measure.largest_window, Passes.AT_MOST),
        _define(measure.monte_carlo_drawdown, Passes.AT_MOST),
        _define(measure.spa, Passes.AT_MOST),
        _define(measure.buy_and_hold, Passes.TRUE, wanted="no worse than holding"),
        _define(measure.regimes, Passes.AT_LEAST),
        _define(measure.sharpe_interval, Passes.ABOVE, low=-100.0, high=100.0),
        _define(measure.ljung_box, Passes.AT_LEAST),
        _define(measure.min_backtest_length, Passes.TRUE, wanted="enough years"),
        _define(measure.one_bar_delay, Passes.TRUE, wanted="return and Sharpe ratio above 0"),
    )
}
"""By name, in the order in which a decision shows them."""
