"""Where settings come from, what outweighs what, and how a wrong one is told."""

import json
from pathlib import Path

import pytest
from asking import asked, faults, run, settings, toml


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
