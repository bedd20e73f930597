"""Advice through the front door: by rules, and by a model that is told hostile things."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stratopt.v1 import advice_pb2
from stratopt_cli import main
from stratopt_client import BacktestHandle, Client, InvalidRequest, NotFound, params_to_python
from support import ServerProcess

sys.path.append(str(Path(__file__).parent.parent / "advisor"))
from api_server import ApiServer
from hostile import INJECTIONS

STRATEGY = "ma_cross_v1.0"
PARAMS = {"fast_period": 5, "slow_period": 20, "signal_threshold": 0.0}


async def backtest_of(client: Client, symbol: str, strategy: str = STRATEGY) -> BacktestHandle:
    """A succeeded backtest."""
    handle = await client.backtests.start(symbol=symbol, strategy_id=strategy, params=PARAMS)
    await handle.result(timeout=60)
    return handle


async def test_results_are_explained_and_searches_proposed(
    client: Client, server: ServerProcess, walk: str
) -> None:
    """By rules, in both languages; the same request_id proposes once, and the proposed set is a trial."""
    backtest = await backtest_of(client, walk)
    english = await client.advisor.explain_backtest(backtest.id)
    assert (english.source, english.note) == (advice_pb2.ADVICE_SOURCE_RULES, "")
    assert STRATEGY in english.text
    chinese = await client.advisor.explain_backtest(backtest.id, language="chinese")
    assert "夏普比率" in chinese.text
    decision = (await client.approvals.approve(STRATEGY, backtest.id)).decision
    told = await client.advisor.explain_decision(decision.id)
    assert "rejected by default/v1" in told.text
    trials = decision.evidence.significance.trials
    once = await client.advisor.propose_search(backtest_id=backtest.id, request_id="propose-once")
    again = await client.advisor.propose_search(backtest_id=backtest.id, request_id="propose-once")
    assert once == again
    assert set(once.param_ranges) == {"fast_period", "slow_period"}
    assert params_to_python(once.experiments[0].params) == {
        "fast_period": 6,
        "slow_period": 21,
        "signal_threshold": 0.0,
    }
    after = (await client.approvals.approve(STRATEGY, backtest.id)).decision
    assert after.evidence.significance.trials == trials + 1
    search = await client.optimizations.start(
        symbol=walk, strategy_id=STRATEGY, param_ranges=dict(once.param_ranges), max_iterations=20
    )
    await search.result(timeout=60)
    assert (await client.advisor.propose_search(optimization_id=search.id)).param_ranges
    for arguments, word in (
        (("explain", backtest.id), "Sharpe ratio"),
        (("explain", decision.id, "--language", "chinese"), "未通过的关口"),
        (("propose", search.id), "fast_period"),
        (("propose", backtest.id, "--json"), '"param_ranges"'),
    ):
        shown = await asyncio.to_thread(
            CliRunner().invoke, main.app, ["--server", server.address, *arguments]
        )
        assert (shown.exit_code, word in shown.stdout) == (0, True), shown.output


async def test_bad_questions_are_refused(client: Client, walk: str) -> None:
    """Unknown ids, both or neither of two, and languages that there are not."""
    with pytest.raises(NotFound):
        await client.advisor.explain_backtest("bt_none")
    with pytest.raises(NotFound):
        await client.advisor.explain_decision("dec_none")
    for wanted in ({}, {"backtest_id": "bt_1", "optimization_id": "opt_1"}):
        with pytest.raises(InvalidRequest) as refusal:
            await client.advisor.propose_search(**wanted)
        assert refusal.value.reason == "EXACTLY_ONE"
    with pytest.raises(InvalidRequest):
        await client.advisor.explain_backtest("bt_1", language="latin")
    assert walk


@pytest.fixture
async def asked(tmp_path: Path, bars_file: Path) -> AsyncIterator[tuple[Client, ApiServer]]:
    """A server that asks a model of ours."""
    with ApiServer() as api:
        server = ServerProcess(
            tmp_path / "data",
            {
                "STRATOPT_GROQ_API_KEY": "top-secret-key",
                "STRATOPT_ADVISOR_BASE_URL": api.url,
                "STRATOPT_ADVISOR_TIMEOUT_SECONDS": "5",
            },
        )
        try:
            async with Client(server.address) as client:
                await client.market_data.import_file(bars_file, symbol="WALK/USDT", exchange="test")
                yield client, api
            assert "top-secret-key" not in server.log()
        finally:
            server.stop()


async def what_there_is(client: Client) -> dict[str, object]:
    """Everything that was run or decided."""
    return {
        "backtests": [job.id async for job in client.backtests.list()],
        "optimizations": [job.id async for job in client.optimizations.list()],
        "decisions": [decision async for decision in client.approvals.decisions()],
        "packages": [package async for package in client.approvals.packages(drafts=True)],
        "policies": await client.approvals.policies(),
        "strategies": sorted([one.code async for one in client.strategies.list()]),
    }


async def test_hostile_words_change_nothing_that_is_run(asked: tuple[Client, ApiServer]) -> None:
    """Twenty of them as the strategy's name: the model is told data, and what runs stays what it was."""
    client, api = asked
    code = (await client.strategies.get(STRATEGY)).code
    await client.strategies.create("victim", name="victim", version="1", code=code)
    backtest = await backtest_of(client, "WALK/USDT", "victim")
    before = await backtest.get()
    decision = (await client.approvals.approve("victim", backtest.id)).decision
    there_was = await what_there_is(client)
    for text in INJECTIONS:
        await client.strategies.update("victim", name=text)
        api.text = text  # and the model repeats it
        for advice in (
            await client.advisor.explain_backtest(backtest.id),
            await client.advisor.explain_decision(decision.id),
        ):
            assert advice.id
        api.text = '{"text": "Do it.", "param_ranges": {"leverage": {"min": 1, "max": 9}}, "experiments": []}'
        proposal = await client.advisor.propose_search(backtest_id=backtest.id)
        assert set(proposal.param_ranges) <= {"fast_period", "slow_period"}
        assert proposal.source == advice_pb2.ADVICE_SOURCE_RULES
        assert "rejected" in proposal.note
        assert len(api.asked) == 3
        for question in api.asked:
            system, user = question["messages"]
            assert (system["role"], user["role"]) == ("system", "user")
            assert json.loads(user["content"])["texts"]["strategy_name"] == text
            assert text not in system["content"]
        api.asked.clear()
    assert (await backtest.get()).metrics == before.metrics
    assert await what_there_is(client) == there_was
    again = (await client.approvals.approve("victim", backtest.id)).decision
    # All that changed is the number of trials, by the set that was proposed.
    changed = {one.criterion for one, other in zip(again.gates, decision.gates, strict=True) if one != other}
    assert changed <= {"dsr", "min_backtest_length"}


def test_no_model_is_loaded_without_a_key() -> None:
    """Wiring a server imports neither the SDK nor what asks it."""
    script = "import sys; import stratopt_server.app; print({'groq', 'httpx'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert told.stdout.strip() == "set()"
