"""`config show`: everything is there, and no secret is."""

from pathlib import Path

import pytest
from asking import SHOW, asked, run, settings, toml

from stratopt_server.config_show import masked
from stratopt_server.settings import Settings

CLI = ("stratopt_cli.main", "config", "show")


def test_every_setting_is_shown_and_described(tmp_path: Path) -> None:
    """In the order of the class, with the words that stand under it."""
    told = settings(tmp_path)
    assert list(told) == list(Settings.model_fields)
    assert [name for name, setting in told.items() if not setting["description"]] == []
    assert told["data_dir"]["value"] == str(tmp_path / ".local" / "share" / "stratopt")
    assert told["default_exchange"]["value"] is None
    assert told["report_template"]["value"] is True
    assert {setting["source"] for setting in told.values()} == {"default"}


def test_table_is_aligned(tmp_path: Path) -> None:
    """Values and sources begin in the same column on every line."""
    lines = asked(tmp_path, {"STRATOPT_LOG_LEVEL": "DEBUG"}).stdout.splitlines()
    assert len(lines) == 1 + len(Settings.model_fields)
    value, source = lines[0].index("value"), lines[0].index("source")
    assert {(line[value - 1], line[source - 1]) for line in lines} == {(" ", " ")}
    rows = {line[:value].strip(): (line[value:source].strip(), line[source:]) for line in lines[1:]}
    assert rows["log_level"] == ("DEBUG", "environment STRATOPT_LOG_LEVEL")
    assert rows["database_url"] == ("(empty)", "default")
    assert rows["routes_file"] == ("(unset)", "default")
    assert rows["relay_protobuf"] == ("false", "default")


def test_secrets_are_hidden(tmp_path: Path) -> None:
    """Whether they are keys or stand in a URL, from the environment or the file, in the table or as JSON."""
    file = toml(tmp_path, 'groq_api_key = "gsk-hunter2"')
    given = {
        "STRATOPT_CONFIG_FILE": str(file),
        "STRATOPT_DATABASE_URL": "postgresql://me:hunter2@db.example:5432/stratopt",
    }
    told = settings(tmp_path, given)
    assert told["groq_api_key"]["value"] == "***"
    assert told["database_url"]["value"] == "postgresql://me:***@db.example:5432/stratopt"
    shown = asked(tmp_path, given).stdout
    assert "***" in shown
    assert "hunter2" not in shown + str(told)
    assert settings(tmp_path)["groq_api_key"]["value"] == ""


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:hunter2@cache:6379/0", "redis://:***@cache:6379/0"),
        ("postgresql://me:hun@ter/2@db/stratopt", "postgresql://me:***@db/stratopt"),
        (
            "postgresql://db/stratopt?user=me&password=hunter2",
            "postgresql://db/stratopt?user=me&password=***",
        ),
        ("postgresql://me@home:hunter 2@db/stratopt", "postgresql://me@home:***@db/stratopt"),
        ("postgresql://me@db/stratopt", "postgresql://me@db/stratopt"),
        ("https://hunter2@llm.example/v1", "https://***@llm.example/v1"),
        ("redis://hunter2@cache:6379/0", "redis://***@cache:6379/0"),
        ("host=h user=u password=hunter2 dbname=d", "host=h user=u password=*** dbname=d"),
        ("password = 'hun\\'ter 2' host=h", "password = *** host=h"),
        ("password='hunter 2", "password=***"),
        (r"host=h PASSWORD=hun\ ter&2", "host=h PASSWORD=***"),
        ("host=h user=u", "host=h user=u"),
        ("tcp://127.0.0.1:5556", "tcp://127.0.0.1:5556"),
        ("sqlite:////srv/a:b@c/stratopt.db", "sqlite:////srv/a:b@c/stratopt.db"),
    ],
)
def test_passwords_in_urls_are_masked(url: str, shown: str) -> None:
    """Whatever signs they contain; all else stays."""
    assert masked(url) == shown


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_command_line_shows_what_the_server_shows(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """It becomes the server's own command, in the same environment."""
    given = {"STRATOPT_TRIALS_MAX": "7", "STRATOPT_SERVER": "127.0.0.1:1"}
    ours = run(tmp_path, given, command=(*CLI, *arguments))
    assert ours.returncode == 0, ours.stderr
    assert ours.stdout == run(tmp_path, given, command=(*SHOW, *arguments)).stdout


def test_command_line_passes_refusals_on(tmp_path: Path) -> None:
    """With the words and the exit code of the server."""
    ended = run(tmp_path, {"STRATOPT_TRIALS": "7"}, command=CLI)
    assert ended.returncode == 2
    assert ended.stderr == "STRATOPT_TRIALS is no setting: did you mean STRATOPT_TRIALS_MAX?\n"


def test_command_that_is_none_is_refused(tmp_path: Path) -> None:
    """The server does not start by mistake."""
    ended = run(tmp_path, command=("stratopt_server", "confg"))
    assert ended.returncode == 2
    assert "config" in ended.stderr
