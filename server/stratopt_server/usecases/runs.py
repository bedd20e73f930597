"""Finding out what a run means: which strategy, which bars, on which terms."""

from dataclasses import dataclass

from stratopt_server.domain.errors import Code, Violations
from stratopt_server.domain.market import from_microseconds
from stratopt_server.domain.parameters import ParameterValue
from stratopt_server.domain.ports import StrategyStore
from stratopt_server.domain.runs import Costs, RunTerms, Scenario
from stratopt_server.domain.strategy import Strategy, StrategyContract
from stratopt_server.settings import Settings
from stratopt_server.strategies.catalog import Catalog
from stratopt_server.usecases.requests import RunRequest
from stratopt_server.usecases.slices import MarketSlice, SliceFinder

INITIAL_CASH_MIN, INITIAL_CASH_MAX = 1e-3, 1e15
"""Below, quantities vanish; above, the cents of a quote currency are lost in rounding."""


@dataclass(frozen=True, slots=True)
class StrategyInUse:
    """A strategy that can run, and what its code declares."""

    strategy: Strategy
    contract: StrategyContract

    @property
    def defaults(self) -> dict[str, ParameterValue]:
        """Values of the parameters that a request leaves out."""
        return self.strategy.default_params


@dataclass(frozen=True, slots=True)
class Run:
    """What a request came to. None stands for a part with a fault, which was noted."""

    strategy: StrategyInUse | None
    slice: MarketSlice | None
    costs: Costs
    initial_cash: float

    def scenario(self, wanted: RunRequest) -> Scenario:
        """Put the parts together; only for a run without a fault."""
        assert self.strategy is not None, "a fault in the strategy is refused before"
        assert self.slice is not None, "a fault in the bars is refused before"
        dataset, bars = self.slice.dataset, self.slice.bars
        return Scenario(
            strategy_id=self.strategy.strategy.id,
            code_hash=self.strategy.strategy.code_hash,
            exchange=dataset.exchange,
            symbol=dataset.symbol,
            timeframe=dataset.timeframe,
            dataset_hash=dataset.content_hash,
            start_date=from_microseconds(int(bars.time[0])),
            end_date=from_microseconds(int(bars.time[-1])),
            terms=RunTerms(
                costs=self.costs,
                initial_cash=self.initial_cash,
                fill=wanted.fill,
                bars_per_year=dataset.bars_per_year,
            ),
        )


class RunResolver:
    """Turns a RunRequest into a Run; notes everything that is wrong with it, not the first thing only."""

    def __init__(
        self, strategies: StrategyStore, slices: SliceFinder, catalog: Catalog, *, settings: Settings
    ) -> None:
        self._strategies = strategies
        self._slices = slices
        self._catalog = catalog
        self._settings = settings

    def resolve(self, wanted: RunRequest, violations: Violations) -> Run:
        """Return what was found, and note what was not."""
        return Run(
            strategy=self._strategy(wanted, violations),
            slice=self._slices.find(wanted, violations),
            costs=self._costs(wanted, violations),
            initial_cash=self._cash(wanted, violations),
        )

    def _strategy(self, wanted: RunRequest, violations: Violations) -> StrategyInUse | None:
        if not wanted.strategy_id:
            violations.add("strategy_id", "REQUIRED", "name the strategy to run")
            return None
        strategy = self._strategies.get(wanted.strategy_id)
        if strategy is None:
            violations.add(
                "strategy_id",
                "STRATEGY_NOT_FOUND",
                f"there is no strategy {wanted.strategy_id!r}: list them, or create it",
                code=Code.NOT_FOUND,
                strategy_id=wanted.strategy_id,
            )
            return None
        contract = self._catalog.contract(strategy.code_hash)
        obstacle = self._catalog.why_not_runnable(strategy.code_hash)
        if obstacle is not None:
            violations.add(
                "strategy_id",
                "STRATEGY_NOT_RUNNABLE",
                f"strategy {strategy.id!r} cannot run: {obstacle}",
                code=Code.FAILED_PRECONDITION,
                strategy_id=strategy.id,
                cause=obstacle,
            )
        return None if contract is None else StrategyInUse(strategy, contract)

    def _costs(self, wanted: RunRequest, violations: Violations) -> Costs:
        taker_fee = self._settings.default_taker_fee if wanted.taker_fee is None else wanted.taker_fee
        slippage = self._settings.default_slippage if wanted.slippage is None else wanted.slippage
        for name, value in (("taker_fee", taker_fee), ("slippage", slippage)):
            if not 0 <= value < 1:
                violations.add(
                    f"costs.{name}",
                    "COST_OUT_OF_RANGE",
                    f"a fraction from 0 to below 1 (0.001 is 0.1 %), not {value!r}",
                    value=value,
                )
        return Costs(taker_fee=taker_fee, slippage=slippage)

    def _cash(self, wanted: RunRequest, violations: Violations) -> float:
        cash = self._settings.default_initial_cash if wanted.initial_cash is None else wanted.initial_cash
        if not INITIAL_CASH_MIN <= cash <= INITIAL_CASH_MAX:
            violations.add(
                "initial_cash",
                "INITIAL_CASH_OUT_OF_RANGE",
                f"from {INITIAL_CASH_MIN:g} to {INITIAL_CASH_MAX:g}, not {cash!r}",
                value=cash,
                min=INITIAL_CASH_MIN,
                max=INITIAL_CASH_MAX,
            )
        return cash
