"""Help that teaches, and wrong usage that is told."""

import pytest
from typer.testing import CliRunner, Result

from stratopt_cli import main
from stratopt_cli._run_flags import RunFlags

COMMANDS = [
    ("demo",),
    ("serve",),
    ("gateway",),
    ("up",),
    ("data", "import"),
    ("data", "list"),
    ("strategy", "list"),
    ("backtest", "run"),
    ("optimize", "run"),
    ("approve",),
    ("package", "verify"),
    ("package", "key"),
]
OF_A_SERVER = [command for command in COMMANDS[4:] if command != ("package", "verify")]
"""Those that ask a server."""


def invoke(*arguments: str) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(main.app, arguments)


@pytest.mark.parametrize("command", [(), *COMMANDS], ids=" ".join)
def test_help_has_examples(command: tuple[str, ...]) -> None:
    """Every command explains itself and shows how it is used."""
    result = invoke(*command, "--help")
    assert result.exit_code == 0
    assert "Examples" in result.output
    assert f"stratopt {' '.join(command)}".strip() in result.output


@pytest.mark.parametrize("command", OF_A_SERVER, ids=" ".join)
def test_server_and_json_stand_under_every_command(command: tuple[str, ...]) -> None:
    """They may stand before or after the command."""
    text = invoke(*command, "--help").output
    assert "--server" in text
    assert "--json" in text


@pytest.mark.parametrize("command", [("backtest", "run"), ("optimize", "run")], ids=" ".join)
def test_terms_are_grouped_and_explained(command: tuple[str, ...]) -> None:
    """Both commands that start a run have the same options, in panels that say what they are about."""
    text = invoke(*command, "--help").output
    for panel in ("What trading costs", "What it trades", "What the exchange takes", "When orders fill"):
        assert panel in text
    for flag in RunFlags.__dataclass_fields__:
        assert f"--{flag.replace('_', '-')} " in text


def test_groups_show_their_commands() -> None:
    """`stratopt data` alone is a question."""
    for group, command in (
        ("data", "import"),
        ("strategy", "list"),
        ("backtest", "run"),
        ("optimize", "run"),
    ):
        assert command in invoke(group).output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["backtest", "run", "ma_cross_v1.0"], "symbol"),
        (["backtest", "run", "a", "B/C", "-p", "fast_period"], "is not NAME=VALUE"),
        (["backtest", "run", "a", "B/C", "-p", "x=1", "-p", "x=2"], "given twice"),
        (["backtest", "run", "a", "B/C", "--fill", "open"], "next_open"),
        (["backtest", "run", "a", "B/C", "--fee", "much"], "--fee"),
        (["backtest", "run", "a", "B/C", "--direction", "up"], "long"),
        (["backtest", "run", "a", "B/C", "--fill-model", "maybe"], "touch_path"),
        (["backtest", "run", "a", "B/C", "--sizing", "half"], "is no size"),
        (["backtest", "run", "a", "B/C", "--sizing", "fraction"], "is no size"),
        (["backtest", "run", "a", "B/C", "--sizing", "fraction:half"], "is no size"),
        (["backtest", "run", "a", "B/C", "--sizing", "fixed:true"], "is no size"),
        (["optimize", "run", "a", "B/C", "-r", "x=1:2", "--sizing", "all_in:1"], "is no size"),
        (["optimize", "run", "a", "B/C"], "--range"),
        (["optimize", "run", "a", "B/C", "--range", "x=5:"], "is no range"),
        (["optimize", "run", "a", "B/C", "--range", "x=a:b"], "is no range"),
        (["optimize", "run", "a", "B/C", "--range", "x=1:2:3:4"], "is no range"),
        (["optimize", "run", "a", "B/C", "--range", "x=1:2:1:log"], "is no range"),
        (["data", "import", "prices.csv"], "--symbol"),
        (["demo", "--data", "prices.csv"], "--symbol"),
        (["nonsense"], "nonsense"),
    ],
)
def test_wrong_usage_exits_with_two(arguments: list[str], told: str) -> None:
    """The message names what is wrong; nothing is called."""
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert told in result.output


def test_bug_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What nobody foresaw shows no traceback, unless one is asked for."""

    def broken() -> None:
        raise ZeroDivisionError("nobody foresaw it")

    monkeypatch.setattr(main, "app", broken)
    for wanted in (False, True):
        if wanted:
            monkeypatch.setenv("STRATOPT_TRACEBACK", "1")
        with pytest.raises(SystemExit) as ended:
            main.main()
        assert ended.value.code == 1
        told = capsys.readouterr().err
        assert "error: ZeroDivisionError: nobody foresaw it" in told
        assert ("Traceback" in told) is wanted
