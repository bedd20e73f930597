"""The pages of decisions and of searches: what a risk officer reads, in one file."""

import re
from html.parser import HTMLParser

import pytest

from stratopt_client import Client, FailedPrecondition, NotFound, params_to_python

STRATEGY = "ma_cross_v1.0"


class Tags(HTMLParser):
    """Checks that every tag is closed where it was opened; keeps the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.text = ""
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, _attrs: object) -> None:
        """Note it."""
        self.seen.add(tag)
        if tag not in {"meta", "line", "rect", "path"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, _attrs: object) -> None:
        """Note it."""
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        """It closes the last one."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep it."""
        self.text += data


async def test_pages_show_the_evidence(client: Client, walk: str) -> None:
    """Every gate with its result, pictures, no script and no address; hostile names are text."""
    code = (await client.strategies.get(STRATEGY)).code
    await client.strategies.create("paged", name="<script>alert(1)</script>", version="1", code=code)
    search = await client.optimizations.start(
        symbol=walk, strategy_id="paged", param_ranges={"fast_period": [3, 9]}, min_trades=1
    )
    found = await search.result(timeout=60)
    backtest = await client.backtests.start(
        symbol=walk, strategy_id="paged", params=params_to_python(found.best.trial.params)
    )
    await backtest.result(timeout=60)
    ranges = {"fast_period": [3, 9]}
    begun = await client.optimizations.start(symbol=walk, strategy_id="paged", param_ranges=ranges)
    with pytest.raises(FailedPrecondition):
        await begun.report_html()
    decision = (await client.approvals.approve("paged", backtest.id)).decision
    pages = {
        "decision": await client.approvals.decision_html(decision.id),
        "search": await search.report_html(),
    }
    for page in pages.values():
        tags = Tags(page)
        assert {"svg", "table", "rect"} <= tags.seen
        assert "script" not in tags.seen
        assert not re.search(r"(?:src|href)=|url\(", page)
        assert "nan" not in tags.text.lower().split()
        assert "None" not in tags.text
        assert "Sharpe ratio a year" in tags.text
    shown = Tags(pages["decision"]).text
    assert all(gate.criterion in shown and gate.explanation in shown for gate in decision.gates)
    assert decision.reason in shown
    with pytest.raises(NotFound):
        await client.approvals.decision_html("dec_none")
