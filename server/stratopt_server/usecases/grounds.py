"""Whether two runs ask the same question: the same code, market and terms."""

from dataclasses import replace

from stratopt_server.domain.runs import BacktestSpec, OptimizationSpec, RunTerms


def same_market(search: OptimizationSpec, spec: BacktestSpec) -> bool:
    """The search ran the same code on the same market."""
    there, here = search.scenario, spec.scenario
    return there.code_hash == here.code_hash and (there.exchange, there.timeframe) == (
        here.exchange,
        here.timeframe,
    )


def same_ground(search: OptimizationSpec, spec: BacktestSpec) -> bool:
    """It did so on the same terms, and held bars out."""
    there, here = search.scenario.terms, spec.scenario.terms
    return (
        same_market(search, spec) and bool(search.validation.splits) and comparable(there) == comparable(here)
    )


def comparable(terms: RunTerms) -> RunTerms:
    """The terms without the cash, and with a maker fee that is left out filled in."""
    costs = replace(terms.costs, maker_fee=terms.costs.resting_fee)
    return replace(terms, costs=costs, initial_cash=0.0, bars_per_year=0.0)
