"""What every storage promises of advice.

Subclass with a `storage` fixture that gives an empty one.
"""

from domain_samples import NOW, exact

from stratopt_server.domain.advice import (
    Advice,
    AdviceKind,
    AdviceSource,
    Advised,
    Experiment,
    Language,
    Proposal,
)
from stratopt_server.domain.parameters import ChoiceList, IntegerRange, RealRange
from stratopt_server.domain.ports import Storage

ADVICE = Advice(
    id="adv_1",
    kind=AdviceKind.PROPOSE_SEARCH,
    subject_id="opt_1",
    language=Language.CHINESE,
    advised=Advised(
        text="夏普",
        proposal=Proposal(
            param_ranges={
                "fast": IntegerRange(1, 9, 2),
                "slow": RealRange(0.5, 1.0),
                "kind": ChoiceList(("a", 1, 2.0, True)),
            },
            experiments=(Experiment(title="t", why="w", params={"fast": 3, "slow": 1.0}),),
        ),
        source=AdviceSource.MODEL,
        model="m",
        note="n",
        input_tokens=12,
        output_tokens=3,
        prompt="p",
        answer="a",
    ),
    created_at=NOW,
)


class AdviceStoreContract:
    """Advice by id."""

    def test_comes_back_exactly(self, storage: Storage) -> None:
        """What was asked, told and said, and every range with its kind."""
        storage.advice.add(ADVICE)
        assert exact(storage.advice.get("adv_1")) == exact(ADVICE)
        assert storage.advice.get("adv_2") is None
