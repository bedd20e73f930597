"""Finding out what a run means: which strategy, which bars, on which terms."""

from dataclasses import dataclass

from stratopt_server.domain.errors import Code, Violations
from stratopt_server.domain.ledger import LedgerKey
from stratopt_server.domain.market import from_microseconds, to_microseconds
from stratopt_server.domain.parameters import ParameterValue
from stratopt_server.domain.ports import SealStore, StrategyStore
from stratopt_server.domain.runs import RunTerms, Scenario
from stratopt_server.domain.strategy import Strategy, StrategyContract
from stratopt_server.settings import Settings
from stratopt_server.strategies.catalog import Catalog
from stratopt_server.usecases.requests import RunRequest
from stratopt_server.usecases.slices import BARS_MIN, MarketSlice, SliceFinder
from stratopt_server.usecases.terms import TermsResolver


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
    terms: RunTerms | None

    def scenario(self) -> Scenario:
        """Put the parts together; only for a run without a fault."""
        assert self.strategy is not None, "a fault in the strategy is refused before"
        assert self.slice is not None, "a fault in the bars is refused before"
        assert self.terms is not None, "a fault in the bars is refused before"
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
            terms=self.terms,
            bar_count=len(bars),
        )


class RunResolver:
    """Turns a RunRequest into a Run; notes everything that is wrong with it, not the first thing only."""

    def __init__(
        self,
        strategies: StrategyStore,
        seals: SealStore,
        slices: SliceFinder,
        catalog: Catalog,
        *,
        settings: Settings,
    ) -> None:
        self._strategies = strategies
        self._seals = seals
        self._slices = slices
        self._catalog = catalog
        self._terms = TermsResolver(settings)

    def resolve(self, wanted: RunRequest, violations: Violations) -> Run:
        """Return what was found, and note what was not."""
        strategy = self._strategy(wanted, violations)
        market = self._slices.find(wanted, violations)
        if strategy is not None and market is not None:
            market = self._unsealed(strategy.strategy, market, wanted, violations)
        kernel = None if strategy is None else strategy.contract.kernel
        terms = self._terms.resolve(wanted, market, violations, kernel=kernel)
        return Run(strategy=strategy, slice=market, terms=terms)

    def _unsealed(
        self, strategy: Strategy, market: MarketSlice, wanted: RunRequest, violations: Violations
    ) -> MarketSlice | None:
        """Leave out sealed bars where nobody asked for them by date; note it where somebody did."""
        dataset = market.dataset
        key = LedgerKey(strategy.code_hash, dataset.exchange, dataset.symbol, dataset.timeframe)
        seal = self._seals.latest(key)
        if seal is None or seal.is_spent:
            return market
        first = to_microseconds(seal.first_bar_time)
        open_bars = market.bars.slice(0, int(market.bars.time.searchsorted(first)))
        asked = wanted.end_date is not None and len(open_bars) < len(market.bars)
        if not asked and len(open_bars) >= BARS_MIN:
            return MarketSlice(dataset, open_bars)
        violations.add(
            "end_date" if asked else "start_date",
            "SEALED_HOLDOUT",
            f"the bars from {seal.first_bar_time.isoformat()} on are sealed by {seal.id}: end before it. One "
            "decision opens them",
            code=Code.FAILED_PRECONDITION,
            sealed_holdout_id=seal.id,
            first_sealed_bar=seal.first_bar_time.isoformat(),
        )
        return None

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
