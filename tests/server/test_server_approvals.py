"""Approval through the front door: what it rests on, what it refuses, and what it signs."""

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from stratopt.v1 import decision_pb2
from stratopt_client import (
    BacktestHandle,
    Client,
    FailedPrecondition,
    InvalidRequest,
    NotFound,
    params_to_python,
)
from support import LAX, ServerProcess, write_bars

STRATEGY = "ma_cross_v1.0"
UNMET = {decision_pb2.GATE_RESULT_FAILED, decision_pb2.GATE_RESULT_NOT_COMPUTABLE}
LOOSEST = {"dsr": 0.0, "psr_oos": 0.0, "cost_2x": False, "cscv": 1.0, "min_trades_in_sample": 0}
RANGES = {"fast_period": [5, 15], "slow_period": [30, 60], "signal_threshold": [0.0, 0.002]}


@pytest.fixture(scope="module")
def edge_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hourly bars with a planted edge: they drift up and down by turns."""
    path = tmp_path_factory.mktemp("edge") / "edge.csv"
    return write_bars(path, count=16_000, regime_bars=150, regime_drift=0.0015, noise=0.005, seed=3)


@pytest.fixture
async def edge(client: Client, edge_file: Path) -> str:
    """The symbol under which those bars are on the shared server."""
    await client.market_data.import_file(edge_file, symbol="EDGE/USDT", exchange="test")
    return "EDGE/USDT"


async def searched(client: Client, symbol: str, **change: Any) -> tuple[str, BacktestHandle]:
    """Search, then backtest the best set; return the optimization's id and the backtest."""
    search = await client.optimizations.start(
        symbol=symbol, strategy_id=STRATEGY, param_ranges=RANGES, algorithm="random", seed=1, **change
    )
    best = (await search.result(timeout=60)).best.trial
    backtest = await client.backtests.start(
        symbol=symbol, strategy_id=STRATEGY, params=params_to_python(best.params)
    )
    await backtest.result(timeout=60)
    return search.id, backtest


async def test_planted_edge_is_approved_and_signed(client: Client, edge: str) -> None:
    """Where the edge is planted the policy approves; the package is signed and says what it rests on."""
    optimization_id, backtest = await searched(client, edge)
    answer = await client.approvals.approve(STRATEGY, backtest.id)
    decision, package = answer.decision, answer.parameter_package
    assert decision.outcome == decision_pb2.DECISION_OUTCOME_APPROVE, decision.reason
    assert decision.evidence.source == decision_pb2.EVIDENCE_SOURCE_OPTIMIZATION
    assert decision.evidence.optimization_id == optimization_id
    assert decision.evidence.psr_oos >= 0.95
    assert decision.policy == "default/v1"
    assert not decision.not_measured
    evidence = decision.evidence
    assert evidence.significance.trials >= 100
    assert 0 < evidence.significance.dsr <= 1
    assert evidence.overfitting.splits == 12_870
    assert evidence.plateau.neighbours == 20
    assert (evidence.tests.windows, evidence.superiority.tested) == (5, 100)
    assert evidence.reproduction.same
    assert evidence.HasField("delayed")
    assert not evidence.fill_bracket

    key = await client.approvals.signing_key()
    assert package.key_id == key.key_id == hashlib.sha256(key.public_key).hexdigest()
    Ed25519PublicKey.from_public_bytes(key.public_key).verify(package.signature, package.signed_payload)
    said = json.loads(package.signed_payload)
    ran = await backtest.get()
    assert said["package_id"] == package.id == decision.package_id
    assert said["parameters"] == params_to_python(ran.params)
    assert said["strategy_hash"] == ran.code_hash
    assert said["provenance"]["dataset_hash"] == ran.dataset_hash
    assert said["provenance"]["optimization_id"] == optimization_id
    assert said["provenance"]["metrics_hash"] == evidence.reproduction.metrics_hash
    assert (said["epoch"], said["seq"]) == (package.epoch, package.seq)
    assert 0 < said["position_size"] <= 1

    assert await client.approvals.decision(decision.id) == decision
    assert (await client.approvals.package(package.id)).signed_payload == package.signed_payload
    assert package.id in {row.id async for row in client.approvals.packages(symbol=edge)}
    assert decision.id in {row.id async for row in client.approvals.decisions(backtest_id=backtest.id)}


async def test_without_a_search_the_parameters_walk_forward(client: Client, edge: str) -> None:
    """Parameters that no search tried are tested in windows over the second half of their own bars."""
    params = {"fast_period": 16, "slow_period": 61, "signal_threshold": 0.0}
    backtest = await client.backtests.start(symbol=edge, strategy_id=STRATEGY, params=params)
    await backtest.result(timeout=60)
    decision = (await client.approvals.approve(STRATEGY, backtest.id)).decision
    evidence = decision.evidence
    assert evidence.source == decision_pb2.EVIDENCE_SOURCE_FIXED_PARAMETERS
    assert evidence.optimization_id == ""
    assert evidence.tests.windows == 5
    assert evidence.significance.trials >= 1
    results = {gate.criterion: gate.result for gate in decision.gates}
    for criterion in ("cscv", "plateau", "pbo", "spa"):
        assert results[criterion] == decision_pb2.GATE_RESULT_NOT_APPLICABLE
        assert criterion in decision.reason
    assert evidence.in_sample.bar_count == evidence.out_of_sample.bar_count == 8_000


async def test_the_window_of_the_backtest_cannot_be_picked(client: Client, edge: str) -> None:
    """A backtest over a short, kind stretch is judged on all the bars of its search, as a long one is."""
    optimization_id, backtest = await searched(client, edge)
    params = params_to_python((await backtest.get()).params)
    short = await client.backtests.start(
        symbol=edge, strategy_id=STRATEGY, params=params, start_date="2023-01-10", end_date="2023-02-10"
    )
    await short.result(timeout=60)
    whole = (await client.approvals.approve(STRATEGY, backtest.id)).decision.evidence
    picked = (await client.approvals.approve(STRATEGY, short.id)).decision.evidence
    assert picked.optimization_id == whole.optimization_id
    assert picked.reproduction.same  # of another backtest, each
    for evidence in (picked, whole):
        evidence.ClearField("reproduction")
    assert picked == whole
    assert optimization_id


async def test_a_search_that_held_nothing_out_spoils_the_evidence(client: Client, walk: str) -> None:
    """Parameters chosen on all the bars have no out-of-sample figure, so they cannot be approved."""
    _, backtest = await searched(client, walk, holdout=0.0, min_trades=1)
    decision = (await client.approvals.approve(STRATEGY, backtest.id)).decision
    results = {gate.criterion: gate.result for gate in decision.gates}
    assert results["psr_oos"] == decision_pb2.GATE_RESULT_NOT_COMPUTABLE
    assert decision.outcome == decision_pb2.DECISION_OUTCOME_REJECT


async def test_changed_code_is_not_judged(client: Client, walk: str) -> None:
    """A backtest of code that its strategy no longer has is refused: the package would name other code."""
    original = await client.strategies.get(STRATEGY)
    await client.strategies.create("renewed", name="a", version="1", code=original.code)
    backtest = await client.backtests.start(symbol=walk, strategy_id="renewed")
    await backtest.result(timeout=60)
    await client.strategies.update("renewed", code="# other code")
    with pytest.raises(FailedPrecondition) as refusal:
        await client.approvals.approve("renewed", backtest.id)
    assert refusal.value.reason == "STRATEGY_CHANGED"


@pytest.mark.parametrize(
    "other", [{"taker_fee": 0.0002}, {"maker_fee": 0.0002}, {"stop_loss": 0.5}, {"direction": "both"}]
)
async def test_a_search_on_other_terms_is_no_evidence(
    client: Client, edge: str, other: dict[str, Any]
) -> None:
    """The same parameters at other costs, with a stop or on another side, are another question."""
    optimization_id, backtest = await searched(client, edge, **other)
    decision = (await client.approvals.approve(STRATEGY, backtest.id)).decision
    assert decision.evidence.optimization_id != optimization_id


async def test_a_maker_fee_that_is_written_out_changes_nothing(client: Client, edge: str) -> None:
    """It is the taker fee where it is left out, so a search that names it is the same question."""
    optimization_id, backtest = await searched(client, edge, maker_fee=0.001)
    decision = (await client.approvals.approve(STRATEGY, backtest.id)).decision
    assert decision.evidence.optimization_id == optimization_id


async def test_a_loser_is_rejected_with_reasons(client: Client, walk: str) -> None:
    """A random walk is rejected: no package, and every failed gate says measured, wanted and why."""
    backtest = await client.backtests.start(
        symbol=walk,
        strategy_id=STRATEGY,
        params={"fast_period": 2, "slow_period": 5, "signal_threshold": 0.0},
    )
    await backtest.result(timeout=60)
    answer = await client.approvals.approve(STRATEGY, backtest.id)
    assert answer.decision.outcome == decision_pb2.DECISION_OUTCOME_REJECT
    assert not answer.HasField("parameter_package")
    assert answer.decision.package_id == ""
    failed = [
        gate
        for gate in answer.decision.gates
        if gate.kind == decision_pb2.GATE_KIND_HARD and gate.result in UNMET
    ]
    assert failed
    for gate in failed:
        assert gate.criterion in answer.decision.reason
        assert gate.wanted in answer.decision.reason
        assert gate.explanation


async def test_one_that_never_trades_is_rejected(client: Client, walk: str) -> None:
    """What cannot be measured does not pass: a run without trades is rejected, never an error."""
    backtest = await client.backtests.start(
        symbol=walk, strategy_id=STRATEGY, params={"signal_threshold": 0.9}
    )
    await backtest.result(timeout=60)
    decision = (await client.approvals.approve(STRATEGY, backtest.id)).decision
    results = {gate.criterion: gate.result for gate in decision.gates}
    assert decision.outcome == decision_pb2.DECISION_OUTCOME_REJECT
    assert results["psr_oos"] == decision_pb2.GATE_RESULT_NOT_COMPUTABLE
    assert results["max_drawdown"] == decision_pb2.GATE_RESULT_NOT_COMPUTABLE
    assert results["cost_2x"] != decision_pb2.GATE_RESULT_PASSED
    assert not decision.evidence.HasField("psr_oos")


async def test_criteria_of_the_request_are_recorded(client: Client, walk: str) -> None:
    """Overridden thresholds decide this call, stand in the decision, and change no later one."""
    backtest = await client.backtests.start(symbol=walk, strategy_id=STRATEGY)
    await backtest.result(timeout=60)
    strict = {"min_trades_in_sample": 99, "psr_oos": 0.99, "spa": 0.5, "one_bar_delay": False}
    asked = (await client.approvals.approve(STRATEGY, backtest.id, approval_criteria=strict)).decision
    plain = (await client.approvals.approve(STRATEGY, backtest.id)).decision
    assert set(asked.approval_criteria) == set(strict)
    assert {gate.criterion: gate.wanted for gate in asked.gates}["psr_oos"] == ">= 0.99"
    assert dict(plain.approval_criteria) == {}
    wanted = {gate.criterion: gate.wanted for gate in plain.gates}
    assert wanted["psr_oos"] == ">= 0.95"


async def test_the_same_call_decides_once(client: Client, walk: str) -> None:
    """The same request_id gives the same decision; another body under it is refused."""
    backtest = await client.backtests.start(symbol=walk, strategy_id=STRATEGY)
    await backtest.result(timeout=60)
    first = await client.approvals.approve(STRATEGY, backtest.id, request_id="decide-once")
    again = await client.approvals.approve(STRATEGY, backtest.id, request_id="decide-once")
    assert first.decision == again.decision
    with pytest.raises(InvalidRequest) as refusal:
        await client.approvals.approve(
            STRATEGY, backtest.id, approval_criteria={"psr_oos": 0.99}, request_id="decide-once"
        )
    assert refusal.value.reason == "REQUEST_ID_REUSED"


async def test_bad_approvals_are_refused(client: Client, walk: str) -> None:
    """Unknown ids, another strategy's backtest, unfinished ones and wrong criteria are refused by name."""
    backtest = await client.backtests.start(symbol=walk, strategy_id=STRATEGY)
    await backtest.result(timeout=60)
    with pytest.raises(NotFound):
        await client.approvals.approve(STRATEGY, "bt_none")
    with pytest.raises(InvalidRequest) as refusal:
        await client.approvals.approve("grid_v1.2", backtest.id)
    assert refusal.value.reason == "BACKTEST_OF_ANOTHER_STRATEGY"
    with pytest.raises(InvalidRequest) as refusal:
        await client.approvals.approve(
            STRATEGY, backtest.id, approval_criteria={"sharpe": 1.0, "psr_oos": "high", "cost_2x": 3}
        )
    assert {violation.field for violation in refusal.value.violations} == {
        "approval_criteria.sharpe",
        "approval_criteria.psr_oos",
        "approval_criteria.cost_2x",
    }
    for huge in (10**400, -(10**400)):
        with pytest.raises(InvalidRequest):
            await client.approvals.approve(STRATEGY, backtest.id, approval_criteria={"psr_oos": huge})
    for unknown in (client.approvals.decision("dec_none"), client.approvals.package("pkg_none")):
        with pytest.raises(NotFound):
            await unknown


async def test_another_policy_is_tried_on_the_same_evidence(client: Client, walk: str) -> None:
    """What-if runs nothing and stores nothing, and may be as loose as it likes."""
    backtest = await client.backtests.start(symbol=walk, strategy_id=STRATEGY)
    await backtest.result(timeout=60)
    decision = (await client.approvals.approve(STRATEGY, backtest.id)).decision
    loose = {gate.criterion: LOOSEST[gate.criterion] for gate in decision.gates if gate.criterion in LOOSEST}
    again = await client.approvals.reevaluate(decision.id, approval_criteria=loose)
    assert again.evidence == decision.evidence
    assert {gate.criterion: gate.wanted for gate in again.gates}["psr_oos"] == ">= 0"
    assert again.package_id == ""
    other = await client.approvals.reevaluate(decision.id, policy="conservative/v1")
    assert other.policy == "conservative/v1"
    assert await client.approvals.decision(decision.id) == decision
    with pytest.raises(NotFound):
        await client.approvals.reevaluate("dec_none")
    with pytest.raises(InvalidRequest):
        await client.approvals.reevaluate(decision.id, policy="none/v1")


async def test_policies_are_listed(client: Client) -> None:
    """The server's own first, each with what it asks for in words."""
    policies = await client.approvals.policies()
    assert [policy.name for policy in policies] == [
        "default/v1",
        "asking/v1",
        "conservative/v1",
        "exploratory/v1",
        LAX,
        "sealed/v1",
    ]
    assert [policy.is_default for policy in policies] == [True, False, False, False, False, False]
    default = await client.approvals.policy()
    assert default == policies[0]
    dsr = next(criterion for criterion in default.criteria if criterion.name == "dsr")
    assert (dsr.wanted, dsr.threshold.number, dsr.review) == (">= 0.95", 0.95, 0.9)
    assert "luck" in dsr.description
    with pytest.raises(NotFound):
        await client.approvals.policy("none/v1")


async def test_an_approval_says_what_it_is_at(client: Client, walk: str) -> None:
    """Stages come before the answer, which a repeat with the same request_id gives again."""
    backtest = await client.backtests.start(symbol=walk, strategy_id=STRATEGY)
    await backtest.result(timeout=60)
    stages: list[str] = []
    told = await client.approvals.approve(STRATEGY, backtest.id, on_stage=stages.append, request_id="tell-me")
    assert stages[0] == "running all bars"
    assert stages[-2:] == ["reproducing the backtest", "deciding"]
    plain = await client.approvals.approve(STRATEGY, backtest.id, request_id="tell-me")
    assert plain.decision == told.decision
    with pytest.raises(NotFound):
        await client.approvals.approve(STRATEGY, "bt_none", on_stage=stages.append)


async def test_what_is_in_doubt_waits_for_a_word(edge_file: Path, tmp_path: Path) -> None:
    """A review drafts its package; one word publishes it, another never does, and each is final."""
    policy = {
        "name": "doubting",
        "version": 1,
        "description": "Asks a person about everything.",
        "validity_days": 3,
        "criteria": {
            "psr_oos": {"kind": "hard", "threshold": 0.95},
            "ljung_box": {"kind": "review", "threshold": 1},
        },
    }
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "doubting.json").write_text(json.dumps(policy))
    server = ServerProcess(
        tmp_path / "data",
        {
            "STRATOPT_POLICY": "doubting/v1",
            "STRATOPT_POLICIES_DIR": str(tmp_path / "policies"),
            "STRATOPT_HARD_GATES_MAY_LOOSEN": "false",
        },
    )
    try:
        async with Client(server.address) as client:
            await client.market_data.import_file(edge_file, symbol="EDGE/USDT", exchange="test")
            _, backtest = await searched(client, "EDGE/USDT")
            decisions = []
            for _ in range(2):
                answer = await client.approvals.approve(STRATEGY, backtest.id)
                assert answer.decision.outcome == decision_pb2.DECISION_OUTCOME_REVIEW
                assert answer.decision.reason.startswith("needs review")
                assert not answer.decision.approved
                assert not answer.HasField("parameter_package")
                decisions.append(answer.decision)
            drafts = [row async for row in client.approvals.packages(drafts=True)]
            assert {row.id for row in drafts} == {decision.package_id for decision in decisions}
            assert [row async for row in client.approvals.packages()] == []

            said = await client.approvals.review(
                decisions[0].id, "approved", reviewer="ada", note="small", request_id="word"
            )
            again = await client.approvals.review(
                decisions[0].id, "approved", reviewer="ada", note="small", request_id="word"
            )
            assert said.decision.approved
            assert said.decision == again.decision
            assert said.parameter_package.seq == 1
            provenance = json.loads(said.parameter_package.signed_payload)["provenance"]
            assert provenance["review"]["reviewer"] == "ada"
            refused = await client.approvals.review(decisions[1].id, "rejected", reviewer="bob")
            assert not refused.decision.approved
            assert not refused.HasField("parameter_package")
            for decision in decisions:
                with pytest.raises(FailedPrecondition) as refusal:
                    await client.approvals.review(decision.id, "approved", reviewer="eve")
                assert refusal.value.reason == "DECISION_REVIEWED"
            with pytest.raises(InvalidRequest) as unfit:
                await client.approvals.review(decisions[0].id, "approved", reviewer=" ", note="x" * 3_000)
            assert {violation.field for violation in unfit.value.violations} == {"reviewer", "note"}
            with pytest.raises(NotFound):
                await client.approvals.review("dec_none", "approved", reviewer="ada")
            await eventually_published(client, said.parameter_package.id)
            await refuse_to_loosen(client, backtest.id)
    finally:
        server.stop()


async def refuse_to_loosen(client: Client, backtest_id: str) -> None:
    """A threshold or a policy that lets more pass than the server's is refused, and the remedy is named."""
    with pytest.raises(InvalidRequest) as refusal:
        await client.approvals.approve(
            STRATEGY, backtest_id, approval_criteria={"psr_oos": 0.5, "ljung_box": 0.0}
        )
    assert {violation.field for violation in refusal.value.violations} == {"approval_criteria.psr_oos"}
    assert refusal.value.reason == "LOOSENS_HARD_GATE"
    assert "STRATOPT_HARD_GATES_MAY_LOOSEN" in str(refusal.value)
    with pytest.raises(InvalidRequest) as refusal:
        await client.approvals.approve(STRATEGY, backtest_id, policy="exploratory/v1")
    assert {violation.field for violation in refusal.value.violations} == {"policy"}
    with pytest.raises(InvalidRequest) as refusal:
        await client.approvals.approve(STRATEGY, backtest_id, policy="none/v1")
    assert refusal.value.reason == "UNKNOWN_POLICY"
    strict = (await client.approvals.approve(STRATEGY, backtest_id, policy="conservative/v1")).decision
    assert strict.policy == "conservative/v1"


async def eventually_published(client: Client, package_id: str) -> None:
    """Wait until the relay has handed it on."""
    for _ in range(100):
        if (await client.approvals.package(package_id)).HasField("publish_time"):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the package was not published")


async def test_an_unfinished_backtest_is_refused(client: Client, walk: str) -> None:
    """A backtest that was cancelled has nothing to judge."""
    backtest = await client.backtests.start(symbol=walk, strategy_id=STRATEGY)
    await backtest.result(timeout=60)
    search = await client.optimizations.start(symbol=walk, strategy_id=STRATEGY, param_ranges=RANGES)
    await search.result(timeout=60)
    with pytest.raises(NotFound):
        await client.approvals.approve(STRATEGY, search.id)
    pending = [row async for row in client.backtests.list(symbol=walk)]
    assert pending
    held = await client.backtests.start(symbol=walk, strategy_id=STRATEGY, recompute=True)
    with pytest.raises(FailedPrecondition) as refusal:
        await client.approvals.approve(STRATEGY, held.id)
    assert refusal.value.reason == "BACKTEST_WRONG_STATUS"
    await held.result(timeout=60)


async def test_reports_are_listed_in_every_order(client: Client, walk: str) -> None:
    """Reports come best first by each figure, page by page, within the dates asked for."""
    for fast in (3, 5, 8, 13):
        handle = await client.backtests.start(
            symbol=walk, strategy_id=STRATEGY, params={"fast_period": fast, "signal_threshold": 0.0}
        )
        await handle.result(timeout=60)
    figures = {"sharpe": "sharpe_ratio", "return": "total_return", "drawdown": "max_drawdown"}
    for order, figure in figures.items():
        rows = [row async for row in client.backtests.reports(symbol=walk, order=order)]
        values = [getattr(row.metrics, figure) for row in rows]
        assert values == sorted(values, reverse=order != "drawdown")
        assert len({row.id for row in rows}) == len(rows) >= 4
    assert [row async for row in client.backtests.reports(symbol=walk, start_date="2030-01-01")] == []


async def test_server_says_how_it_is(client: Client) -> None:
    """Every part says how it is, and the counts are there."""
    info = await client.system.info()
    names = {part.name for part in info.parts}
    assert names == {
        *("database", "cache", "relay", "relay_requests", "scanner", "review"),
        *("sweep_template", "report_template"),
    }
    assert info.relay_address.startswith("tcp://127.0.0.1:")
    metrics = await client.system.metrics()
    assert metrics.strategies >= 2
    assert metrics.jobs_running_max >= 1
