"""What is read from the command line, and how results are put into words."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from stratopt.v1.backtest_pb2 import Backtest
from stratopt.v1.job_pb2 import Progress
from stratopt.v1.metrics_pb2 import Metrics
from stratopt.v1.optimization_pb2 import Optimization
from stratopt.v1.run_pb2 import Costs, Direction, FillModel
from stratopt_cli._figures import amount, assigned, duration, percent, score, terms
from stratopt_cli._follow import LINE_SECONDS_MIN, meter
from stratopt_cli._parse import NamedFile, file_name, params, ranges, sizing, value
from stratopt_cli._verdict import verdict
from stratopt_client import to_dict

WORD = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=8)


@given(
    st.builds(
        NamedFile,
        exchange=WORD,
        symbol=st.builds(lambda base, quote: f"{base}/{quote}".upper(), WORD, WORD),
        timeframe=st.sampled_from(["1m", "15m", "4h", "1d"]),
    ),
    st.sampled_from(["csv", "parquet", "csv.gz"]),
)
def test_file_name_tells_what_is_in_it(named: NamedFile, ending: str) -> None:
    """EXCHANGE_BASE-QUOTE_TIMEFRAME, in any case, with any ending."""
    assert named.symbol is not None
    name = f"{named.exchange}_{named.symbol.replace('/', '-')}_{named.timeframe}"
    for written in (name, name.lower(), name.upper()):
        assert file_name(Path("folder") / f"{written}.{ending}") == named


@pytest.mark.parametrize(
    "name", ["prices.csv", "BTC-USDT_1h.csv", "binance_BTCUSDT_1h.csv", "binance_BTC-USDT.csv"]
)
def test_other_file_names_tell_nothing(name: str) -> None:
    """Nothing is guessed."""
    assert file_name(Path(name)) == NamedFile()


@given(st.one_of(st.integers(), st.floats(allow_nan=False), st.booleans()))
def test_values_are_read_as_they_are_written(wanted: float | bool) -> None:
    """A whole number stays whole, a real one real, true and false are flags."""
    read = value(str(wanted))
    assert read == wanted
    assert type(read) is type(wanted)


def test_values_of_other_kinds_are_words() -> None:
    """And a value may contain the sign that ends the name."""
    assert params(["mode=a=b", "name = fast", "on=True"]) == {"mode": "a=b", "name": "fast", "on": True}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("x=5:50", {"min": 5, "max": 50}),
        ("x=5:50:5", {"min": 5, "max": 50, "step": 5}),
        ("x=0.5:2:0.5", {"min": 0.5, "max": 2, "step": 0.5}),
        ("x=0.002:0.05:log", {"min": 0.002, "max": 0.05, "log": True}),
        ("x=-5:-1", {"min": -5, "max": -1}),
        ("x=a,b", {"choices": ["a", "b"]}),
        ("x=5,50", {"choices": [5, 50]}),
        ("x=5", {"choices": [5]}),
        ("x=true,false", {"choices": [True, False]}),
    ],
)
def test_ranges_are_read(written: str, meant: object) -> None:
    """Colons make a range, commas a list."""
    assert ranges([written]) == {"x": meant}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("all_in", "all_in"),
        ("fraction:0.5", ("fraction", 0.5)),
        ("fixed: 1000", ("fixed", 1000)),
        ("fixed:1e3", ("fixed", 1000.0)),
    ],
)
def test_sizes_are_read(written: str, meant: object) -> None:
    """A word, with its amount behind a colon where it has one; what it may be is the server's to say."""
    assert sizing(written) == meant


def searched(seen: Metrics | None = None, unseen: Metrics | None = None) -> Optimization:
    """Return a finished search."""
    found = Optimization(id="opt_1", progress=Progress(done=2000, total=2000))
    if seen is not None:
        found.best.trial.metrics.CopyFrom(seen)
    if unseen is not None:
        found.best.out_of_sample.CopyFrom(unseen)
    return found


@pytest.mark.parametrize(
    ("seen", "unseen", "said"),
    [
        (None, None, "No trial qualifies"),
        (1.0, None, "No bars were held out"),
        (-0.1, 0.5, "did not earn its risk"),
        (1.5, -0.2, "it did not hold at all"),
        (1.5, 0.3, "most of it did not hold"),
        (1.5, 1.2, "it held in part"),
        (1.5, 1.6, "it held."),
    ],
)
def test_verdict_says_what_the_held_out_bars_show(
    seen: float | None, unseen: float | None, said: str
) -> None:
    """The worse it did out of sample, the plainer the words."""
    found = searched(
        None if seen is None else Metrics(sharpe_ratio=seen),
        None if unseen is None else Metrics(sharpe_ratio=unseen, trade_count=50),
    )
    told = verdict(found)
    assert said in told
    assert "round trips" not in told


def test_verdict_names_thin_evidence() -> None:
    """Few round trips out of sample, or none, are said."""
    few = searched(Metrics(sharpe_ratio=1.0), Metrics(sharpe_ratio=0.9, trade_count=3))
    assert "3 round trips out of sample" in verdict(few)
    assert "did not trade" in verdict(searched(Metrics(sharpe_ratio=1.0), Metrics()))


def test_figures_read_well() -> None:
    """Fractions in percent, thousands apart, times in the unit that fits."""
    assert (percent(0.1234), amount(1234567), amount(1234.5)) == ("12.34%", "1,234,567", "1,234.50")
    assert [duration(seconds) for seconds in (0.2, 59, 600, 7200)] == ["under 1 s", "59 s", "10 min", "2.0 h"]
    assert (score("sharpe", 1.5), score("drawdown", 0.125)) == ("1.500", "12.50%")
    assert assigned({"b": 0.1 + 0.2, "a": 5, "c": True, "d": "x"}) == "a=5  b=0.3  c=true  d=x"


def test_terms_that_say_nothing_are_not_shown() -> None:
    """What is as it always is stays unsaid; a maker fee is said where it is another than the taker fee."""
    run = Backtest(costs=Costs(taker_fee=0.001, maker_fee=0.001, fixed_fee=0.0))
    run.trading.direction = Direction.DIRECTION_LONG
    run.trading.fill_model, run.trading.participation = FillModel.FILL_MODEL_THROUGH, 0.1
    assert terms(to_dict(run)) == terms(to_dict(Backtest())) == ""
    run.costs.maker_fee = 0.0
    run.trading.rules.lot_size = 0.5
    run.trading.carry.funding.add(rate=0.1)
    assert terms(to_dict(run)) == "funding_rates=1  lot_size=0.5  maker_fee=0"


def test_progress_off_a_terminal_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    """The first at once, the next after a while, the last always, none twice."""
    now = 0.0
    console = Console(width=100, force_terminal=False)
    with meter(console, "searching", clock=lambda: now) as tell:
        for done in range(101):
            now += LINE_SECONDS_MIN / 32
            tell(Progress(done=done, total=100, rate=500, eta_seconds=8), "best sharpe 1.250")
        tell(Progress(done=100, total=100), "best sharpe 1.250")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "searching: 0/100  500/s  best sharpe 1.250  8 s left"
    assert lines[-1] == "searching: 100/100  best sharpe 1.250"
    assert len(lines) == 5


def test_progress_on_a_terminal_is_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    """It is drawn in place, and gone when the job is done."""
    with meter(Console(width=100, force_terminal=True), "searching") as tell:
        tell(Progress(), "")
        tell(Progress(done=50, total=100, rate=500, eta_seconds=8), "best sharpe 1.250")
    drawn = capsys.readouterr().out
    assert "50/100  500/s  best sharpe 1.250  8 s left" in drawn
    assert "\x1b[" in drawn
