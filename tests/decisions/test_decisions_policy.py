"""The starter policy: every gate on either side of its threshold, and the words for it."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from domain_samples import NOW, make_backtest_spec, make_scenario, make_strategy, make_terms
from hypothesis import given
from hypothesis import strategies as st

from stratopt_server.decisions.package import PackageFacts, canonical, describe
from stratopt_server.decisions.policy import STARTER
from stratopt_server.decisions.signing import SigningKey
from stratopt_server.decisions.verdict import outcome_of, reason_of
from stratopt_server.domain.decisions import Decision, DecisionOutcome, GateResult, Place
from stratopt_server.domain.errors import RequestRefused, Violations
from stratopt_server.domain.evidence import Evidence, EvidenceSource
from stratopt_server.domain.market import DataGrade
from stratopt_server.domain.metrics import Metrics, ReturnMoments
from stratopt_server.domain.runs import Costs, Direction

METRICS = Metrics(
    total_return=0.4,
    cagr=0.2,
    sharpe_ratio=1.5,
    sortino_ratio=2.0,
    calmar_ratio=1.0,
    volatility=0.2,
    max_drawdown=0.2,
    trade_count=40,
    open_trade_count=0,
    win_rate=0.5,
    profit_factor=2.0,
    expectancy=10.0,
    exposure=0.5,
    fees_paid=100.0,
    final_equity=14_000.0,
    bar_count=1_000,
)
SOUND = Evidence(
    source=EvidenceSource.OPTIMIZATION,
    optimization_id="opt_1",
    seed=1,
    data_grade=DataGrade.GOOD,
    costs=Costs(taker_fee=0.001, slippage=0.0),
    whole=METRICS,
    in_sample=METRICS,
    out_of_sample=METRICS,
    doubled_costs=METRICS,
    out_of_sample_days=400,
    psr_oos=0.96,
    var_95_oos=0.02,
    moments_oos=ReturnMoments(400, 0.0867, 0.0, 3.0),
    searched_by=None,
    dataset_hash="cd" * 32,
    start_date=datetime(2023, 1, 1, tzinfo=UTC),
    split_date=datetime(2023, 6, 1, tzinfo=UTC),
    end_date=datetime(2024, 1, 1, tzinfo=UTC),
    drawdown_q95=0.3,
    position_size=0.8,
    max_drawdown_at_size=0.2,
    in_position=True,
)

FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("costs", {"costs": Costs(taker_fee=0.0, slippage=0.0)}),
    ("data_grade", {"data_grade": DataGrade.BAD}),
    ("min_trades_in_sample", {"in_sample": replace(METRICS, trade_count=29)}),
    ("min_trades_out_of_sample", {"out_of_sample": replace(METRICS, trade_count=9)}),
    ("psr_oos", {"psr_oos": 0.9499}),
    ("psr_oos", {"psr_oos": None}),
    ("cost_2x", {"doubled_costs": replace(METRICS, total_return=-0.01)}),
    ("cost_2x", {"doubled_costs": replace(METRICS, sharpe_ratio=0.0)}),
    ("cost_2x", {"doubled_costs": replace(METRICS, sharpe_ratio=None)}),
    ("max_drawdown", {"max_drawdown_at_size": 0.2501}),
    ("max_drawdown", {"max_drawdown_at_size": None, "position_size": None}),
]


def test_sound_evidence_is_approved() -> None:
    """Evidence that meets every threshold passes every gate; the reason names what is not measured yet."""
    gates = STARTER.judge(SOUND)
    assert outcome_of(gates) is DecisionOutcome.APPROVE
    assert all(gate.result is GateResult.PASSED and gate.explanation for gate in gates)
    reason = reason_of(STARTER, gates)
    assert reason.startswith("Approved by starter/v1: all 7 gates passed.")
    assert "dsr" in reason


@pytest.mark.parametrize(("criterion", "change"), FAULTS)
def test_one_fault_rejects_and_is_named(criterion: str, change: dict[str, Any]) -> None:
    """Any single gate that fails or cannot be computed rejects, and the reason says which and why."""
    gates = STARTER.judge(replace(SOUND, **change))
    failed = [gate for gate in gates if gate.result is not GateResult.PASSED]
    assert [gate.criterion for gate in failed] == [criterion]
    assert outcome_of(gates) is DecisionOutcome.REJECT
    reason = reason_of(STARTER, gates)
    assert f"{criterion} is" in reason
    assert failed[0].wanted in reason
    assert failed[0].explanation in reason


def test_thresholds_are_inclusive() -> None:
    """Exactly at its threshold a gate passes."""
    exact = replace(
        SOUND,
        psr_oos=0.95,
        max_drawdown_at_size=0.25,
        in_sample=replace(METRICS, trade_count=30),
        out_of_sample=replace(METRICS, trade_count=10),
        data_grade=DataGrade.USABLE,
    )
    assert outcome_of(STARTER.judge(exact)) is DecisionOutcome.APPROVE


def test_a_near_miss_says_what_would_help() -> None:
    """A Sharpe ratio that is too uncertain says how many more days of it are needed."""
    weak = ReturnMoments(400, 0.0577, 0.0, 3.0)
    gates = STARTER.judge(replace(SOUND, psr_oos=0.9, moments_oos=weak))
    psr = next(gate for gate in gates if gate.criterion == "psr_oos")
    assert re.search(r"It needs [\d,]+ more daily bars", psr.explanation)
    certain = STARTER.with_criteria({"psr_oos": 1.0}, Violations()).judge(SOUND)
    assert outcome_of(certain) is DecisionOutcome.REJECT


def test_a_search_that_saw_the_bars_leaves_nothing_to_judge() -> None:
    """Parameters that a search without held-out bars tried have no out-of-sample figure."""
    gates = STARTER.judge(replace(SOUND, psr_oos=None, searched_by="opt_9"))
    psr = next(gate for gate in gates if gate.criterion == "psr_oos")
    assert psr.result is GateResult.NOT_COMPUTABLE
    assert "opt_9" in psr.explanation


def test_criteria_are_overridden_by_name() -> None:
    """A request sets thresholds, switches and words; the rest of the policy stays."""
    violations = Violations()
    policy = STARTER.with_criteria(
        {"psr_oos": 0.5, "costs": False, "cost_2x": False, "data_grade": "GOOD"}, violations
    )
    violations.refuse_if_any()
    free = replace(
        SOUND,
        psr_oos=0.6,
        costs=Costs(taker_fee=0.0, slippage=0.0),
        doubled_costs=replace(METRICS, total_return=-1.0),
    )
    assert outcome_of(policy.judge(free)) is DecisionOutcome.APPROVE
    assert outcome_of(STARTER.judge(free)) is DecisionOutcome.REJECT
    assert outcome_of(policy.judge(replace(free, data_grade=DataGrade.USABLE))) is DecisionOutcome.REJECT


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("sharpe", 1.0, "UNKNOWN_CRITERION"),
        ("psr_oos", 1.5, "INVALID_CRITERION"),
        ("psr_oos", "high", "INVALID_CRITERION"),
        ("psr_oos", True, "INVALID_CRITERION"),
        ("costs", 1.0, "INVALID_CRITERION"),
        ("data_grade", "BAD", "INVALID_CRITERION"),
        ("max_drawdown", 0.0, "INVALID_CRITERION"),
        ("max_drawdown", float("nan"), "INVALID_CRITERION"),
        ("min_trades_in_sample", -1.0, "INVALID_CRITERION"),
        ("min_trades_in_sample", 1.5, "INVALID_CRITERION"),
    ],
)
def test_criteria_that_cannot_be_are_refused(name: str, value: Any, reason: str) -> None:
    """Unknown names list the known ones; values of the wrong kind say what is allowed."""
    violations = Violations()
    STARTER.with_criteria({name: value}, violations)
    with pytest.raises(RequestRefused) as refusal:
        violations.refuse_if_any()
    assert refusal.value.violations[0].field == f"approval_criteria.{name}"
    assert refusal.value.reason == reason
    if reason == "UNKNOWN_CRITERION":
        assert "psr_oos" in refusal.value.message


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), json_values))
def test_canonical_bytes_do_not_depend_on_order(document: dict[str, Any]) -> None:
    """Equal documents are equal bytes, and the bytes say exactly what the document says."""
    shuffled = dict(reversed(document.items()))
    assert canonical(document) == canonical(shuffled)
    assert json.loads(canonical(document)) == document


def facts_of(**terms: Any) -> PackageFacts:
    """What a package of a run on those terms is made of."""
    return PackageFacts(
        package_id="pkg_1",
        place=Place("epoch", 1),
        strategy=make_strategy(),
        strategy_type="momentum",
        spec=make_backtest_spec(scenario=make_scenario(terms=make_terms(**terms))),
        metrics=METRICS,
        decision=Decision(
            id="dec_1",
            backtest_id="bt_1",
            strategy_id="ma_cross_v1.0",
            symbol="BTC/USDT",
            policy="starter/v1",
            criteria={},
            outcome=DecisionOutcome.APPROVE,
            reason="",
            gates=STARTER.judge(SOUND),
            not_measured=(),
            evidence=SOUND,
            package_id="pkg_1",
            created_at=NOW,
        ),
        policy=STARTER,
        created_at=NOW,
    )


def test_a_package_tells_the_terms_it_was_approved_on() -> None:
    """Costs, side, sizes, stops and rules stand in it, signed; the run's own stops where no parameter is."""
    facts = facts_of()
    said = json.loads(canonical(describe(facts)))
    assert (said["stop_loss"], said["take_profit"]) == (0.03, 1.25)
    provenance = said["provenance"]
    costs = {"taker_fee": 0.0011, "slippage": 0.0007, "maker_fee": 0.0002, "fixed_fee": 0.5, "impact": 1.5}
    assert provenance["costs"] == costs
    trading = provenance["trading"]
    assert (trading["direction"], trading["funding_rates"]) == ("short", 2)
    assert trading["sizing"] == {"kind": "fraction", "amount": 0.6}
    assert trading["stops"] == {"stop_loss": 0.03, "take_profit": 1.25, "trailing_stop": 0.04}
    assert trading["rules"] == {"min_notional": 5.5, "lot_size": 1e-5, "tick_size": 0.01}
    own = replace(facts, spec=make_backtest_spec(params={"stop_loss": 0.2}))
    assert describe(own)["stop_loss"] == 0.2


@pytest.mark.parametrize(
    ("direction", "held", "action"),
    [
        (Direction.LONG, True, "BUY"),
        (Direction.SHORT, True, "SELL"),
        (Direction.BOTH, True, "HOLD"),
        (Direction.LONG, False, "HOLD"),
        (Direction.SHORT, False, "HOLD"),
    ],
)
def test_a_package_never_says_buy_of_a_short(direction: Direction, held: bool, action: str) -> None:
    """The action is of the side the strategy holds; where it may be either, nothing is claimed."""
    facts = facts_of(direction=direction)
    evidence = replace(SOUND, in_position=held)
    assert describe(replace(facts, decision=replace(facts.decision, evidence=evidence)))["action"] == action


def test_the_key_is_made_once_and_kept(tmp_path: Path) -> None:
    """The first run makes a key for its owner only; later runs use it, and its signatures verify."""
    path = tmp_path / "keys" / "signing.pem"
    first = SigningKey.open(path)
    assert path.stat().st_mode & 0o777 == 0o600
    again = SigningKey.open(path)
    assert first.public_bytes == again.public_bytes
    public = Ed25519PublicKey.from_public_bytes(again.public_bytes)
    public.verify(first.sign(b"payload"), b"payload")
    with pytest.raises(InvalidSignature):
        public.verify(first.sign(b"payload"), b"another payload")
    assert [entry.name for entry in path.parent.iterdir()] == ["signing.pem"]
