"""Where settings come from, what outweighs what, and how a wrong one is told."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from asking import asked, environment, faults, run, settings, toml

from stratopt_gateway.settings import Settings as GatewaySettings
from stratopt_server.settings import CONFIG_FILE, FOREIGN, Settings, variable_of


def test_environment_outweighs_file_outweighs_default(tmp_path: Path) -> None:
    """Each setting says which of the three it has its value from."""
    file = toml(tmp_path, "trials_max = 7", "lease_seconds = 3", 'log_level = "ERROR"')
    given = {"STRATOPT_CONFIG_FILE": str(file), "STRATOPT_LOG_LEVEL": "DEBUG"}
    told = settings(tmp_path, given)
    assert (told["log_level"]["value"], told["log_level"]["source"]) == (
        "DEBUG",
        "environment STRATOPT_LOG_LEVEL",
    )
    assert (told["trials_max"]["value"], told["trials_max"]["source"]) == (7, f"file {file}")
    assert (told["lease_seconds"]["value"], told["lease_seconds"]["source"]) == (3.0, f"file {file}")
    assert (told["import_rows_max"]["value"], told["import_rows_max"]["source"]) == (20_000_000, "default")


def test_variables_may_be_in_lower_case(tmp_path: Path) -> None:
    """They count, and are named as the page has them."""
    told = settings(tmp_path, {"stratopt_trials_max": "9"})["trials_max"]
    assert (told["value"], told["source"]) == (9, "environment STRATOPT_TRIALS_MAX")


@pytest.mark.parametrize("variable", ["HOME", "XDG_CONFIG_HOME"])
def test_file_of_the_user_is_found(tmp_path: Path, variable: str) -> None:
    """In ~/.config/stratopt, or where XDG_CONFIG_HOME says."""
    folder = tmp_path / "own"
    file = toml((folder / ".config" if variable == "HOME" else folder) / "stratopt", "trials_max = 7")
    told = settings(tmp_path, {variable: str(folder)})["trials_max"]
    assert (told["value"], told["source"]) == (7, f"file {file}")


def test_named_file_stands_for_that_of_the_user(tmp_path: Path) -> None:
    """Only one file is read."""
    toml(tmp_path / ".config" / "stratopt", "trials_max = 7")
    named = toml(tmp_path / "named", "lease_seconds = 3")
    told = settings(tmp_path, {"STRATOPT_CONFIG_FILE": str(named)})
    assert told["trials_max"]["source"] == "default"
    assert told["lease_seconds"]["source"] == f"file {named}"


def test_named_file_that_is_absent_is_refused(tmp_path: Path) -> None:
    """Going on without it would be going on with other settings than meant."""
    absent = tmp_path / "absent.toml"
    assert faults(tmp_path, {"STRATOPT_CONFIG_FILE": str(absent)}) == [
        f"STRATOPT_CONFIG_FILE={absent}: there is no such file"
    ]


def test_broken_toml_is_one_line(tmp_path: Path) -> None:
    """With the file, and the place in it."""
    file = toml(tmp_path, "trials_max = 7", "lease_seconds 3")
    (fault,) = faults(tmp_path, {"STRATOPT_CONFIG_FILE": str(file)})
    assert fault.startswith(f"{file}: is no valid TOML: ")
    assert "line 2" in fault


def test_file_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    """It names the file too."""
    file = tmp_path / "stratopt.toml"
    file.write_bytes(b"\xff\xfe")
    given = {"STRATOPT_CONFIG_FILE": str(file)}
    assert faults(tmp_path, given) == [f"{file}: is no valid TOML: it is not UTF-8"]


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    """Unknown names with the nearest one; wrong values with the variable, or the file and key, at fault."""
    file = toml(tmp_path, "trials_max = -1", "lease_secnds = 3", "[relay]", 'bind = ""')
    given = {
        "STRATOPT_CONFIG_FILE": str(file),
        "STRATOPT_JOBS_RUNING_MAX": "1",
        "STRATOPT_LISTEN": "nowhere",
    }
    told = faults(tmp_path, given)
    assert told[0] == "STRATOPT_JOBS_RUNING_MAX is no setting: did you mean STRATOPT_JOBS_RUNNING_MAX?"
    assert any(line.startswith("STRATOPT_LISTEN: must be HOST:PORT") for line in told)
    assert any(line.startswith(f"{file}: trials_max: ") for line in told)
    assert f"{file}: lease_secnds is no setting: did you mean lease_seconds?" in told
    assert f"{file}: relay is no setting: did you mean relay_bind?" in told
    assert len(told) == 5


def test_wrong_value_of_the_environment_is_not_the_files(tmp_path: Path) -> None:
    """Where both have a setting, only what counts is judged."""
    file = toml(tmp_path, "trials_max = -1")
    given = {"STRATOPT_CONFIG_FILE": str(file), "STRATOPT_TRIALS_MAX": "7"}
    assert settings(tmp_path, given)["trials_max"]["value"] == 7
    (fault,) = faults(tmp_path, {**given, "STRATOPT_TRIALS_MAX": "many"})
    assert fault.startswith("STRATOPT_TRIALS_MAX: ")


def test_misspelt_name_of_the_file_is_refused(tmp_path: Path) -> None:
    """STRATOPT_CONFIG_FILE is near to its misspelling, though it is no setting of the file."""
    assert faults(tmp_path, {"STRATOPT_CONFIG_FIEL": "x"}) == [
        "STRATOPT_CONFIG_FIEL is no setting: did you mean STRATOPT_CONFIG_FILE?"
    ]


def test_variables_of_others_are_let_be(tmp_path: Path) -> None:
    """Gateway and command line share the prefix."""
    others = {
        "STRATOPT_GATEWAY_LISTEN": "127.0.0.1:8080",
        "STRATOPT_SERVER": "127.0.0.1:1",
        "STRATOPT_CALLER": "me",
        "STRATOPT_TRACEBACK": "1",
    }
    assert settings(tmp_path, others)["listen"]["source"] == "default"


def test_faults_as_json(tmp_path: Path) -> None:
    """With --json they are a document on standard output too."""
    ended = asked(tmp_path, {"STRATOPT_TRIALS_MAX": "many"}, "--json")
    assert ended.returncode == 2
    assert json.loads(ended.stdout) == {"faults": ended.stderr.splitlines()}


def test_server_refuses_what_config_show_refuses(tmp_path: Path) -> None:
    """Without a command the same faults end the start."""
    file = toml(tmp_path, "trials = 5")
    given = {"STRATOPT_CONFIG_FILE": str(file), "STRATOPT_DATA_DIR": str(tmp_path / "data")}
    ended = run(tmp_path, given, command=("stratopt_server",))
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == faults(tmp_path, given)
    assert not (tmp_path / "data").exists()


def test_gateway_refuses_an_unknown_variable(tmp_path: Path) -> None:
    """With the name nearest to it; those of the server are let be."""
    given = {"STRATOPT_GATEWAY_LISEN": "127.0.0.1:0", "STRATOPT_TRIALS_MAX": "7"}
    ended = run(tmp_path, given, command=("stratopt_gateway",))
    assert ended.returncode == 2
    assert ended.stderr == "STRATOPT_GATEWAY_LISEN is no setting: did you mean STRATOPT_GATEWAY_LISTEN?\n"


@pytest.mark.parametrize("name", ["data_dir", "cache_dir", "policies_dir", "routes_file", "relay_curve_dir"])
def test_path_that_is_nothing_is_not_set(tmp_path: Path, name: str) -> None:
    """Set to nothing, its variable leaves the file's word, or the default: never the working directory."""
    empty = {f"STRATOPT_{name.upper()}": ""}
    assert settings(tmp_path, empty)[name] == settings(tmp_path)[name]
    file = toml(tmp_path, f'{name} = "/srv/it"')
    told = settings(tmp_path, {**empty, "STRATOPT_CONFIG_FILE": str(file)})[name]
    assert (told["value"], told["source"]) == ("/srv/it", f"file {file}")
    toml(tmp_path, f'{name} = ""')
    assert faults(tmp_path, {"STRATOPT_CONFIG_FILE": str(file)}) == [
        f"{file}: {name}: must be a path, not nothing"
    ]


def test_other_settings_may_be_nothing(tmp_path: Path) -> None:
    """For those it is a value: it switches off what the default has on."""
    told = settings(tmp_path, {"STRATOPT_RELAY_BIND": "", "STRATOPT_RELAY_REQUESTS_BIND": ""})
    assert (told["relay_bind"]["value"], told["relay_requests_bind"]["value"]) == ("", "")
    assert told["relay_bind"]["source"] == "environment STRATOPT_RELAY_BIND"


def test_boolean_is_no_number(tmp_path: Path) -> None:
    """No fee would be an expensive thing to believe; a boolean is one still where one is wanted."""
    file = toml(
        tmp_path,
        "trials_max = true",
        "default_taker_fee = false",
        "lease_seconds = true",
        "calls_per_second_max = false",
        "report_template = false",
    )
    assert faults(tmp_path, {"STRATOPT_CONFIG_FILE": str(file)}) == [
        f"{file}: calls_per_second_max: must be a number, not false",
        f"{file}: default_taker_fee: must be a number, not false",
        f"{file}: lease_seconds: must be a number, not true",
        f"{file}: trials_max: must be a number, not true",
    ]


def test_gateway_refuses_a_misspelt_prefix(tmp_path: Path) -> None:
    """What is nearly its own name is meant for it."""
    ended = run(tmp_path, {"STRATOPT_GATEWY_LISTEN": "127.0.0.1:0"}, command=("stratopt_gateway",))
    assert ended.returncode == 2
    assert ended.stderr == "STRATOPT_GATEWY_LISTEN is no setting: did you mean STRATOPT_GATEWAY_LISTEN?\n"


def test_gateway_lets_settings_of_the_server_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of them is so near to one of its own; nor is a variable of the command line."""
    for name in (*(variable_of(name) for name in Settings.model_fields), CONFIG_FILE, *FOREIGN):
        monkeypatch.setenv(name, "1")
    GatewaySettings()


def test_gateway_refuses_a_level_that_is_none(tmp_path: Path) -> None:
    """On one line."""
    ended = run(tmp_path, {"STRATOPT_GATEWAY_LOG_LEVEL": "LOUD"}, command=("stratopt_gateway",))
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith("STRATOPT_GATEWAY_LOG_LEVEL: ")


def test_light_commands_load_no_server(tmp_path: Path) -> None:
    """A health check runs every few seconds: it loads neither storage nor sockets nor pandas."""
    code = (
        "import sys; from stratopt_server.__main__ import main\n"
        "sys.argv = ['stratopt_server', *sys.argv[1:]]\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'pandas', 'peewee', 'stratopt_server.app', 'zmq'} & set(sys.modules)))"
    )
    for words in (("health", "127.0.0.1:1"), ("config", "show")):
        done = subprocess.run(
            [sys.executable, "-c", code, *words],
            env=environment(tmp_path, None),
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.splitlines()[-1] == "[]"
