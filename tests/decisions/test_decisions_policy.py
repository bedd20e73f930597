"""The policies: every gate on either side of its threshold, and the words for it."""

import json
from dataclasses import MISSING, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from domain_samples import (
    NOW,
    make_backtest_spec,
    make_out_of_sample,
    make_overfitting,
    make_scenario,
    make_significance,
    make_strategy,
    make_terms,
)
from hypothesis import given
from hypothesis import strategies as st

from stratopt_server.decisions.documents import PolicyFault, load_policies, read_policy, write_policy
from stratopt_server.decisions.package import PackageFacts, describe
from stratopt_server.decisions.recipe import canonical, differences, metrics_hash, recipe_of, spec_of
from stratopt_server.decisions.signing import SigningKey
from stratopt_server.decisions.verdict import outcome_of, reason_of
from stratopt_server.domain.decisions import CriterionValue, Decision, DecisionOutcome, GateKind, GateResult
from stratopt_server.domain.errors import RequestRefused, Violations
from stratopt_server.domain.evidence import (
    BracketRun,
    Evidence,
    EvidenceSource,
    Holding,
    Integrity,
    Regime,
    Reproduction,
    SealedEvidence,
    SealState,
    Superiority,
)
from stratopt_server.domain.market import DataGrade
from stratopt_server.domain.metrics import Metrics, ReturnMoments
from stratopt_server.domain.optimization import Plateau
from stratopt_server.domain.packages import Place
from stratopt_server.domain.runs import BacktestSpec, Costs, Direction, FillModel
from stratopt_server.domain.seals import SealedTest

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
    in_sample=replace(METRICS, trade_count=120),
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
    integrity=Integrity(code_proven=True, trials_recorded=True),
    significance=make_significance(),
    overfitting=make_overfitting(),
    superiority=Superiority(p_value=0.01, superior=3, tested=100),
    plateau=Plateau(neighbours=20, median_ratio=0.9, share_70=0.8),
    tests=make_out_of_sample(),
    regimes=(Regime(name="low volatility", sharpe=1.0), Regime(name="2023", sharpe=0.5)),
    holding=Holding(sharpe=0.5, calmar=0.3, total_return=0.2),
    delayed=METRICS,
    reproduction=Reproduction(same=True, metrics_hash="ab", wanted_hash="ab", differences=()),
)
DEFAULT = load_policies(None)["default/v1"]


def having(part: str, **changes: Any) -> dict[str, Any]:
    """A change of one figure inside a part of the evidence."""
    return {part: replace(getattr(SOUND, part), **changes)}


def sealed(state: SealState, sharpe: float | None) -> SealedEvidence:
    """What became of a sealed holdout."""
    test = SealedTest(
        first_bar_time=NOW,
        last_bar_time=NOW,
        days=90,
        sharpe=sharpe,
        psr=None,
        total_return=0.1,
        trade_count=4,
    )
    return SealedEvidence(id="seal_1", state=state, spent_on="bt_1", test=test)


PASSED, WARNING, REVIEW = GateResult.PASSED, GateResult.WARNING, GateResult.REVIEW
FAILED, ABSENT, APART = GateResult.FAILED, GateResult.NOT_COMPUTABLE, GateResult.NOT_APPLICABLE
LOSS = replace(METRICS, total_return=-0.01)
FLAT = replace(METRICS, sharpe_ratio=None)

CASES: list[tuple[str, dict[str, Any], GateResult]] = [
    ("data_integrity", {"costs": Costs(taker_fee=0.0, slippage=0.0)}, FAILED),
    ("data_integrity", {"data_grade": DataGrade.BAD}, FAILED),
    ("data_integrity", {"data_grade": DataGrade.USABLE}, PASSED),
    ("data_integrity", having("integrity", code_proven=False), FAILED),
    ("data_integrity", having("integrity", trials_recorded=False), FAILED),
    ("data_integrity", {"integrity": None}, ABSENT),
    ("reproduction", having("reproduction", same=False, differences=("cagr is 1, not 2",)), FAILED),
    ("reproduction", {"reproduction": None}, ABSENT),
    ("min_trades_in_sample", {"in_sample": replace(METRICS, trade_count=29)}, FAILED),
    ("min_trades_in_sample", {"in_sample": replace(METRICS, trade_count=30)}, WARNING),
    ("min_trades_in_sample", {"in_sample": replace(METRICS, trade_count=100)}, PASSED),
    ("min_trades_out_of_sample", {"out_of_sample": replace(METRICS, trade_count=9)}, FAILED),
    ("min_trades_out_of_sample", {"out_of_sample": replace(METRICS, trade_count=10)}, WARNING),
    ("dsr", having("significance", dsr=0.95), PASSED),
    ("dsr", having("significance", dsr=0.9499), REVIEW),
    ("dsr", having("significance", dsr=0.90), REVIEW),
    ("dsr", having("significance", dsr=0.8999), FAILED),
    ("dsr", having("significance", dsr=None), ABSENT),
    ("dsr", having("significance", dsr=None, daily=None), ABSENT),
    ("dsr", {"significance": None}, ABSENT),
    ("psr_oos", {"psr_oos": 0.95}, PASSED),
    ("psr_oos", {"psr_oos": 0.9499}, REVIEW),
    ("psr_oos", {"psr_oos": 0.8999}, FAILED),
    ("psr_oos", {"psr_oos": None}, ABSENT),
    ("cscv", having("overfitting", pbo=0.20), PASSED),
    ("cscv", having("overfitting", pbo=0.5), WARNING),  # all parameters are equally good, and they are good
    ("cscv", having("overfitting", pbo=0.21, loss_probability=0.06), FAILED),
    ("cscv", having("overfitting", pbo=0.21) | having("plateau", median_ratio=0.69), FAILED),
    ("cscv", having("overfitting", pbo=0.21) | having("plateau", share_70=0.59), FAILED),
    ("cscv", having("overfitting", pbo=0.21) | having("significance", dsr=0.94), FAILED),
    ("cscv", {"overfitting": None}, ABSENT),
    ("sealed_holdout", {}, APART),
    ("sealed_holdout", {"sealed": sealed(SealState.TESTED, 0.1)}, PASSED),
    ("sealed_holdout", {"sealed": sealed(SealState.TESTED, 0.0)}, FAILED),
    ("sealed_holdout", {"sealed": sealed(SealState.TESTED, None)}, ABSENT),
    ("sealed_holdout", {"sealed": sealed(SealState.UNOPENED, None)}, ABSENT),
    ("sealed_holdout", {"sealed": sealed(SealState.SPENT, 1.0)}, ABSENT),
    ("oos_sharpe", {"out_of_sample": replace(METRICS, sharpe_ratio=0.0)}, FAILED),
    ("oos_sharpe", {"out_of_sample": FLAT}, ABSENT),
    ("oos_sharpe_kept", having("tests", sharpe_ratio_kept=0.49), WARNING),
    ("oos_sharpe_kept", having("tests", sharpe_ratio_kept=0.29), REVIEW),
    ("oos_sharpe_kept", having("tests", sharpe_ratio_kept=None), ABSENT),
    ("cost_2x", {"doubled_costs": LOSS}, FAILED),
    ("cost_2x", {"doubled_costs": replace(METRICS, sharpe_ratio=0.0)}, FAILED),
    ("cost_2x", {"doubled_costs": FLAT}, ABSENT),
    ("max_drawdown", {"max_drawdown_at_size": 0.25}, PASSED),
    ("max_drawdown", {"max_drawdown_at_size": 0.2501}, FAILED),
    ("max_drawdown", {"max_drawdown_at_size": None, "position_size": None}, ABSENT),
    ("plateau", having("plateau", median_ratio=0.69), WARNING),
    ("plateau", having("plateau", median_ratio=0.29), FAILED),
    ("plateau", {"plateau": None}, ABSENT),
    ("plateau_share_70", having("plateau", share_70=0.59), WARNING),
    ("pbo", having("overfitting", pbo=0.51), WARNING),
    ("wfe", having("tests", efficiency=0.49), WARNING),
    ("wfe", having("tests", windows=1), APART),
    ("profitable_windows", having("tests", profitable_windows=0.4), WARNING),
    ("largest_window", having("tests", largest_window=0.51), WARNING),
    ("monte_carlo_drawdown", {"drawdown_q95": 0.36}, WARNING),
    ("spa", having("superiority", p_value=0.06), WARNING),
    ("spa", {"superiority": None}, ABSENT),
    ("buy_and_hold", having("holding", sharpe=9.0, calmar=9.0), WARNING),
    ("buy_and_hold", having("holding", sharpe=9.0), PASSED),
    ("regimes", {"regimes": (Regime(name="2023", sharpe=-1.0), Regime(name="2024", sharpe=1.0))}, WARNING),
    ("regimes", {"regimes": ()}, ABSENT),
    ("sharpe_interval", having("tests", sharpe_low=-0.1), WARNING),
    ("ljung_box", having("tests", ljung_box_p=0.009), WARNING),
    ("min_backtest_length", having("significance", backtest_years=1.6), WARNING),
    ("min_backtest_length", having("significance", minimum_backtest_years=None), WARNING),
    ("one_bar_delay", {"delayed": LOSS}, WARNING),
    ("one_bar_delay", {"delayed": None}, APART),
]


def result_of(name: str, change: dict[str, Any]) -> GateResult:
    """How that gate of the default policy ends on evidence that is sound but for the change."""
    gates = DEFAULT.judge(replace(SOUND, **change))
    return next(gate.result for gate in gates if gate.criterion == name)


@pytest.mark.parametrize(("criterion", "change", "result"), CASES)
def test_a_gate_ends_as_its_definition_says(
    criterion: str, change: dict[str, Any], result: GateResult
) -> None:
    """Each gate on either side of each of its thresholds; what is not there never passes."""
    assert result_of(criterion, change) is result


def test_every_gate_of_the_default_policy_is_looked_at() -> None:
    """No criterion is without a case that it does not pass, but for the one of grids."""
    seen = {criterion for criterion, _, result in CASES if result is not PASSED}
    assert {criterion.name for criterion in DEFAULT.criteria} - seen == {"fill_bracket"}


@pytest.mark.parametrize("earned", [-0.1, 0.1])
def test_a_grid_must_earn_where_lines_are_traded_through(earned: float) -> None:
    """Its bracket is judged by the strict fills; of others there is none."""
    runs = [(FillModel.TOUCH, 1.0), (FillModel.THROUGH, earned), (FillModel.VOLUME, -1.0)]
    bracket = tuple(
        BracketRun(fill_model=model, metrics=replace(METRICS, total_return=total)) for model, total in runs
    )
    assert result_of("fill_bracket", {"fill_bracket": bracket}) is (PASSED if earned > 0 else FAILED)
    assert result_of("fill_bracket", {}) is APART


def test_sound_evidence_is_approved() -> None:
    """Evidence that meets every threshold passes every gate that applies, and each says what it means."""
    gates = DEFAULT.judge(SOUND)
    assert outcome_of(gates) is DecisionOutcome.APPROVE
    results = {gate.criterion: gate.result for gate in gates}
    assert {name for name, result in results.items() if result is not PASSED} == {
        "fill_bracket",
        "sealed_holdout",
    }
    assert all(gate.explanation and gate.wanted for gate in gates)
    reason = reason_of("default/v1", gates)
    assert reason.startswith("Approved by default/v1: all 25 gates passed.")
    assert "Not applicable: sealed_holdout, fill_bracket" in reason


@pytest.mark.parametrize(("criterion", "change", "result"), CASES)
def test_one_gate_decides(criterion: str, change: dict[str, Any], result: GateResult) -> None:
    """One hard gate that fails, or is not computable, rejects; one in doubt asks; a warning is said."""
    gates = DEFAULT.judge(replace(SOUND, **change))
    others = {
        gate.criterion
        for gate in gates
        if gate.criterion != criterion
        and gate.kind is not GateKind.WARN
        and gate.result not in {PASSED, APART}
    }
    if others:
        return  # one figure stands behind several gates
    gate = next(gate for gate in gates if gate.criterion == criterion)
    reason = reason_of("default/v1", gates)
    if gate.kind is GateKind.HARD and result in {FAILED, ABSENT}:
        assert outcome_of(gates) is DecisionOutcome.REJECT
        assert f"{criterion} is" in reason
        assert gate.wanted in reason
        assert gate.explanation in reason
    elif result is REVIEW or (gate.kind is GateKind.REVIEW and result is ABSENT):
        assert outcome_of(gates) is DecisionOutcome.REVIEW
        assert reason.startswith("needs review")
        assert gate.explanation in reason
    else:
        assert outcome_of(gates) is DecisionOutcome.APPROVE
        assert (criterion in reason) == (result is not PASSED)


def test_without_a_search_its_gates_do_not_apply() -> None:
    """Parameters that no search tried have no trials to be compared with: by rule, and it is said."""
    plain = replace(
        SOUND,
        source=EvidenceSource.FIXED_PARAMETERS,
        optimization_id=None,
        overfitting=None,
        superiority=None,
        plateau=None,
    )
    gates = DEFAULT.judge(plain)
    apart = {gate.criterion for gate in gates if gate.result is APART}
    assert apart == {"cscv", "plateau", "plateau_share_70", "pbo", "spa", "fill_bracket", "sealed_holdout"}
    assert outcome_of(gates) is DecisionOutcome.APPROVE
    assert "Not applicable: cscv, sealed_holdout, plateau" in reason_of("default/v1", gates)


def test_a_near_miss_says_what_would_help() -> None:
    """A Sharpe ratio that is too uncertain says how many more days it needs, or that none would help."""
    weak = ReturnMoments(400, 0.0577, 0.0, 3.0)
    told = {
        gate.criterion: gate.explanation
        for gate in DEFAULT.judge(
            replace(SOUND, psr_oos=0.9, moments_oos=weak, **having("significance", dsr=0.91))
        )
    }
    assert "It needs 416 more daily bars" in told["psr_oos"]
    assert "It needs" in told["dsr"]
    lucky = having("significance", dsr=0.3, expected_maximum=5.0)
    told = {gate.criterion: gate.explanation for gate in DEFAULT.judge(replace(SOUND, **lucky))}
    assert "fewer trials would" in told["dsr"]
    few = {"in_sample": replace(METRICS, trade_count=3)}
    told = {gate.criterion: gate.explanation for gate in DEFAULT.judge(replace(SOUND, **few))}
    assert "27 more are needed" in told["min_trades_in_sample"]


def test_a_search_that_saw_the_bars_leaves_nothing_to_judge() -> None:
    """Parameters that a search without held-out bars tried have no out-of-sample figure."""
    gates = DEFAULT.judge(replace(SOUND, psr_oos=None, searched_by="opt_9"))
    psr = next(gate for gate in gates if gate.criterion == "psr_oos")
    assert psr.result is ABSENT
    assert "opt_9" in psr.explanation


def test_evidence_from_before_rejects() -> None:
    """What an older version gathered lacks most figures: judged again, it is rejected and never an error."""
    old = Evidence(
        **{
            field: getattr(SOUND, field)
            for field in Evidence.__dataclass_fields__
            if Evidence.__dataclass_fields__[field].default is MISSING
        }
    )
    gates = DEFAULT.judge(old)
    assert outcome_of(gates) is DecisionOutcome.REJECT
    assert {gate.result for gate in gates if gate.criterion in {"dsr", "cscv", "reproduction"}} == {ABSENT}


def test_criteria_are_overridden_by_name() -> None:
    """A request sets thresholds and switches; the band of review moves along; the rest stays."""
    stricter = DEFAULT.with_criteria({"dsr": 0.99, "max_drawdown": 0.1}, Violations())
    results = {gate.criterion: gate.result for gate in stricter.judge(SOUND)}
    assert (results["dsr"], results["max_drawdown"]) == (REVIEW, FAILED)
    assert results["psr_oos"] is PASSED
    weak = replace(SOUND, **having("significance", dsr=0.93))
    assert outcome_of(stricter.judge(replace(weak, max_drawdown_at_size=0.05))) is DecisionOutcome.REJECT
    free = DEFAULT.with_criteria({"cost_2x": False}, Violations())
    assert outcome_of(free.judge(replace(SOUND, doubled_costs=FLAT))) is DecisionOutcome.APPROVE


@pytest.mark.parametrize(
    ("given_", "loosened"),
    [
        ({"dsr": 0.94}, ("dsr",)),
        ({"dsr": 0.96}, ()),
        ({"cscv": 0.3, "oos_sharpe": -0.1}, ("cscv", "oos_sharpe")),
        ({"cost_2x": False}, ("cost_2x",)),
        ({"max_drawdown": 0.26}, ("max_drawdown",)),
        ({"max_drawdown": 0.2}, ()),
        ({"spa": 0.9, "one_bar_delay": False}, ()),
    ],
)
def test_what_lets_more_pass_in_a_hard_gate_is_loosened(
    given_: dict[str, CriterionValue], loosened: tuple[str, ...]
) -> None:
    """Either way of each threshold; what only warns may be as loose as it likes."""
    moved = DEFAULT.with_criteria(given_, Violations())
    assert moved.loosened(DEFAULT) == loosened


def test_presets_stand_on_either_side() -> None:
    """The conservative one loosens nothing; the exploratory one does, so it is not for everybody."""
    known = load_policies(None)
    assert known["conservative/v1"].loosened(DEFAULT) == ()
    assert "dsr" in known["exploratory/v1"].loosened(DEFAULT)
    assert outcome_of(known["conservative/v1"].judge(SOUND)) is DecisionOutcome.REJECT


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("sharpe", 1.0, "UNKNOWN_CRITERION"),
        ("psr_oos", 1.5, "INVALID_CRITERION"),
        ("psr_oos", "high", "INVALID_CRITERION"),
        ("psr_oos", True, "INVALID_CRITERION"),
        ("cost_2x", 1.0, "INVALID_CRITERION"),
        ("data_integrity", "BAD", "INVALID_CRITERION"),
        ("max_drawdown", 0.0, "INVALID_CRITERION"),
        ("max_drawdown", float("nan"), "INVALID_CRITERION"),
        ("min_trades_in_sample", -1.0, "INVALID_CRITERION"),
        ("min_trades_in_sample", 1.5, "INVALID_CRITERION"),
    ],
)
def test_criteria_that_cannot_be_are_refused(name: str, value: Any, reason: str) -> None:
    """Unknown names list the known ones; values of the wrong kind say what is allowed."""
    with pytest.raises(RequestRefused) as refusal:
        DEFAULT.with_criteria({name: value}, Violations())
    assert refusal.value.violations[0].field == f"approval_criteria.{name}"
    assert refusal.value.reason == reason
    if reason == "UNKNOWN_CRITERION":
        assert "psr_oos" in refusal.value.message


DOCUMENT: dict[str, Any] = {
    "name": "mine",
    "version": 3,
    "description": "Ours.",
    "validity_days": 7,
    "criteria": {
        "dsr": {"kind": "hard", "threshold": 0.95, "review": 0.9},
        "plateau": {"kind": "hard", "threshold": 0.3, "warn": 0.7},
        "cost_2x": {"kind": "warn", "threshold": True},
    },
}


def test_documents_are_policies_and_back() -> None:
    """JSON and YAML say the same, and every preset comes back from its document."""
    policy = read_policy(json.dumps(DOCUMENT), "mine.json")
    assert policy.name == "mine/v3"
    assert policy.validity == timedelta(days=7)
    lines = ["name: mine", "version: 3", "description: Ours.", "validity_days: 7", "criteria:"]
    lines += [f"  {name}: {json.dumps(one)}" for name, one in DOCUMENT["criteria"].items()]
    assert read_policy("\n".join(lines), "mine.yaml") == policy
    for preset in load_policies(None).values():
        assert read_policy(json.dumps(write_policy(preset)), "again") == preset


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"name": "Mine!"}, "name"),
        ({"version": 0}, "version"),
        ({"version": "1"}, "version"),
        ({"validity_days": -1}, "validity_days"),
        ({"owner": "me"}, "owner"),
        ({"criteria": {}}, "criteria"),
        ({"criteria": {"sharpe": {"kind": "hard", "threshold": 1}}}, "criteria.sharpe: unknown"),
        ({"criteria": {"dsr": {"kind": "hard", "threshold": 1.5}}}, "criteria.dsr.threshold: must be"),
        ({"criteria": {"dsr": {"kind": "hard", "threshold": True}}}, "criteria.dsr.threshold: must be"),
        ({"criteria": {"dsr": {"kind": "hard", "threshold": "high"}}}, "criteria.dsr.threshold"),
        ({"criteria": {"dsr": {"kind": "soft", "threshold": 0.9}}}, "criteria.dsr.kind"),
        ({"criteria": {"dsr": {"kind": "hard"}}}, "criteria.dsr.threshold"),
        ({"criteria": {"dsr": {"kind": "hard", "threshold": 0.9, "review": 0.95}}}, "let more pass"),
        ({"criteria": {"dsr": {"kind": "warn", "threshold": 0.9, "review": 0.8}}}, "only a hard"),
        ({"criteria": {"dsr": {"kind": "hard", "threshold": 0.9, "warn": 0.8}}}, "let less pass"),
        ({"criteria": {"cost_2x": {"kind": "hard", "threshold": 1}}}, "true or false"),
        ({"criteria": {"dsr": {"kind": "hard", "threshold": 0.9, "levels": 3}}}, "levels"),
    ],
)
def test_documents_that_are_no_policy_say_why(change: dict[str, Any], fault: str) -> None:
    """Every fault is named with its place."""
    with pytest.raises(PolicyFault) as told:
        read_policy(json.dumps(DOCUMENT | change), "mine.json")
    assert fault in str(told.value)
    assert "mine.json" in str(told.value)


@pytest.mark.parametrize("text", ["{", "[]", "3", "", "name: [", "criteria: .nan"])
def test_what_is_no_document_is_refused(text: str) -> None:
    """Broken JSON and YAML, and what is no mapping."""
    with pytest.raises(PolicyFault):
        read_policy(text, "broken.yaml")


def test_a_folder_adds_policies(tmp_path: Path) -> None:
    """Documents of a folder stand beside the presets; a version is written once."""
    (tmp_path / "mine.json").write_text(json.dumps(DOCUMENT))
    (tmp_path / "notes.txt").write_text("no policy")
    assert "mine/v3" in load_policies(tmp_path)
    (tmp_path / "again.yaml").write_text(json.dumps(DOCUMENT | {"name": "default", "version": 1}))
    with pytest.raises(PolicyFault, match="a changed policy is a new version"):
        load_policies(tmp_path)


def test_a_recipe_is_the_run_again() -> None:
    """What a package says makes the same spec; its hash is of every metric."""
    spec = make_backtest_spec(scenario=make_scenario(terms=make_terms()))
    recipe = json.loads(canonical(recipe_of(spec, METRICS)))
    again = spec_of(recipe)
    assert isinstance(again, BacktestSpec)
    assert again.params == spec.params
    assert again.scenario.terms == spec.scenario.terms
    assert recipe["metrics_hash"] == metrics_hash(METRICS)
    other = replace(METRICS, fees_paid=100.00000000000001)
    assert metrics_hash(other) != metrics_hash(METRICS)
    assert differences(other, METRICS) == ("fees_paid is 100.00000000000001, not 100.0",)


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
            policy="default/v1",
            criteria={},
            outcome=DecisionOutcome.APPROVE,
            reason="",
            gates=DEFAULT.judge(SOUND),
            evidence=SOUND,
            package_id="pkg_1",
            created_at=NOW,
        ),
        validity=DEFAULT.validity,
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
    ("direction", "held", "is_short", "action"),
    [
        (Direction.LONG, True, False, "BUY"),
        (Direction.SHORT, True, True, "SELL"),
        (Direction.BOTH, True, True, "SELL"),
        (Direction.BOTH, True, False, "BUY"),
        (Direction.BOTH, False, False, "HOLD"),
        (Direction.LONG, True, None, "BUY"),
        (Direction.SHORT, True, None, "SELL"),
        (Direction.BOTH, True, None, "HOLD"),
        (Direction.SHORT, False, None, "HOLD"),
    ],
)
def test_a_package_never_says_buy_of_a_short(
    direction: Direction, *, held: bool, is_short: bool | None, action: str
) -> None:
    """The action is of the side the strategy holds; where evidence does not tell, nothing is claimed."""
    facts = facts_of(direction=direction)
    evidence = replace(SOUND, in_position=held, is_short=is_short)
    assert describe(replace(facts, decision=replace(facts.decision, evidence=evidence)))["action"] == action


@pytest.mark.parametrize(
    ("dsr", "psr", "confidence"), [(0.96, 0.99, 0.96), (0.99, 0.97, 0.97), (None, 0.9, 0.9), (0.5, None, 0.5)]
)
def test_confidence_is_the_smaller_probability(
    dsr: float | None, psr: float | None, confidence: float
) -> None:
    """Of the deflated Sharpe ratio and the out-of-sample PSR."""
    facts = facts_of()
    assert SOUND.significance is not None
    evidence = replace(SOUND, significance=replace(SOUND.significance, dsr=dsr), psr_oos=psr)
    said = describe(replace(facts, decision=replace(facts.decision, evidence=evidence)))
    assert said["confidence"] == confidence


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
