"""The part of a package that a run can be made of once more: what was run, on which bars, on which terms."""

import hashlib
import json
from dataclasses import asdict, fields
from datetime import datetime
from enum import Enum
from typing import Any

from stratopt_server import __version__
from stratopt_server.domain.metrics import Metrics
from stratopt_server.domain.runs import (
    BacktestSpec,
    Carry,
    Costs,
    Direction,
    Fill,
    FillModel,
    FundingRate,
    MarketRules,
    RunTerms,
    Scenario,
    Sizing,
    SizingKind,
    Stops,
)


def canonical(document: Any) -> bytes:
    """Write a document so that equal ones are equal bytes: sorted keys, no white space, exact numbers."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def metrics_hash(metrics: Metrics) -> str:
    """SHA-256 over the canonical form of all metrics, in hex: equal to the last digit for equal runs."""
    plain = {
        name: value.value if isinstance(value, Enum) else value for name, value in asdict(metrics).items()
    }
    return hashlib.sha256(canonical(plain)).hexdigest()


def recipe_of(spec: BacktestSpec, metrics: Metrics) -> dict[str, Any]:
    """Say everything that the run depends on, and what came of it."""
    scenario, terms = spec.scenario, spec.scenario.terms
    return {
        "strategy_id": scenario.strategy_id,
        "strategy_hash": scenario.code_hash,
        "symbol": scenario.symbol,
        "exchange": scenario.exchange,
        "timeframe": scenario.timeframe,
        "parameters": dict(spec.params),
        "dataset_hash": scenario.dataset_hash,
        "start_date": scenario.start_date.isoformat(),
        "end_date": scenario.end_date.isoformat(),
        "engine_version": __version__,
        "costs": _costs(terms.costs),
        "fill": terms.fill.value,
        "trading": _trading(terms),
        "initial_cash": terms.initial_cash,
        "bars_per_year": terms.bars_per_year,
        "metrics_hash": metrics_hash(metrics),
    }


def spec_of(recipe: dict[str, Any]) -> BacktestSpec:
    """Read the run back; KeyError or ValueError for a recipe that is none."""
    scenario = Scenario(
        strategy_id=recipe["strategy_id"],
        code_hash=recipe["strategy_hash"],
        exchange=recipe["exchange"],
        symbol=recipe["symbol"],
        timeframe=recipe["timeframe"],
        dataset_hash=recipe["dataset_hash"],
        start_date=datetime.fromisoformat(recipe["start_date"]),
        end_date=datetime.fromisoformat(recipe["end_date"]),
        terms=_terms(recipe),
    )
    return BacktestSpec(scenario=scenario, params=dict(recipe["parameters"]))


def differences(found: Metrics, wanted: Metrics) -> tuple[str, ...]:
    """Name each metric that is not the same to the last digit, with both values."""
    pairs = [(each.name, getattr(found, each.name), getattr(wanted, each.name)) for each in fields(Metrics)]
    return tuple(f"{name} is {one}, not {other}" for name, one, other in pairs if one != other)


def _costs(costs: Costs) -> dict[str, float]:
    return {
        "taker_fee": costs.taker_fee,
        "slippage": costs.slippage,
        "maker_fee": costs.resting_fee,
        "fixed_fee": costs.fixed_fee,
        "impact": costs.impact,
    }


def _trading(terms: RunTerms) -> dict[str, Any]:
    amount = None if terms.sizing.kind is SizingKind.ALL_IN else terms.sizing.amount
    return {
        "direction": terms.direction.value,
        "sizing": {"kind": terms.sizing.kind.value, "amount": amount},
        "stops": asdict(terms.stops),
        "rules": asdict(terms.rules),
        "borrow_rate": terms.carry.borrow_rate,
        "funding_rates": len(terms.carry.funding),
        "funding": [[rate.time.isoformat(), rate.rate] for rate in terms.carry.funding],
        "fill_model": terms.fill_model.value,
        "participation": terms.participation,
    }


def _terms(recipe: dict[str, Any]) -> RunTerms:
    trading = recipe["trading"]
    kind, amount = SizingKind(trading["sizing"]["kind"]), trading["sizing"]["amount"]
    funding = tuple(
        FundingRate(time=datetime.fromisoformat(at), rate=rate) for at, rate in trading["funding"]
    )
    return RunTerms(
        costs=Costs(**recipe["costs"]),
        initial_cash=recipe["initial_cash"],
        fill=Fill(recipe["fill"]),
        bars_per_year=recipe["bars_per_year"],
        direction=Direction(trading["direction"]),
        sizing=Sizing(kind=kind) if amount is None else Sizing(kind=kind, amount=amount),
        stops=Stops(**trading["stops"]),
        rules=MarketRules(**trading["rules"]),
        carry=Carry(borrow_rate=trading["borrow_rate"], funding=funding),
        fill_model=FillModel(trading["fill_model"]),
        participation=trading["participation"],
    )
