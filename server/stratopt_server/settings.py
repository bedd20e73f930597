"""Every setting, in one place, read once.

`STRATOPT_<NAME>` in the environment comes first, then the key `<name>` of a TOML file, then the default.
"""

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    PositiveInt,
    SecretStr,
    StringConstraints,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from stratopt_server.domain.market import EXCHANGE, TIMEFRAMES
from stratopt_server.domain.runs import FillModel
from stratopt_server.logs import LogFormat


def _home(variable: str, *default: str) -> Path:
    """The user's folder for that kind of file, as the XDG specification has it."""
    return Path(os.environ.get(variable) or Path.home().joinpath(*default)) / "stratopt"


PREFIX = "STRATOPT_"
CONFIG_FILE = f"{PREFIX}CONFIG_FILE"
"""Variable that names the TOML file; no setting itself, so a file cannot name another."""
FOREIGN = (f"{PREFIX}SERVER", f"{PREFIX}CALLER", f"{PREFIX}TRACEBACK")
"""Variables of the command line, which share the prefix and are none of ours."""
FOREIGN_PREFIX = f"{PREFIX}GATEWAY_"
PORT_MAX = 65_535
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class UnusableSettings(ValueError):
    """The settings cannot be used; the message has a line for each fault."""

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def _check_listen(address: str) -> str:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or int(port) > PORT_MAX:
        raise ValueError(f"must be HOST:PORT with a port from 0 to {PORT_MAX}, not {address!r}")
    return address


def _check_metrics_listen(address: str) -> str:
    return _check_listen(address) if address else address


def _check_timeframe(timeframe: str) -> str:
    if timeframe not in TIMEFRAMES:
        raise ValueError(f"must be one of {', '.join(TIMEFRAMES)}, not {timeframe!r}")
    return timeframe


class _Environment(EnvSettingsSource):
    """The variables, without those that are as good as not set."""

    def __call__(self) -> dict[str, Any]:
        """Return their texts by the names of settings."""
        return {name: text for name, text in super().__call__().items() if text or name not in path_names()}


class Settings(BaseSettings):
    """What an operator may decide. Limits carry their unit in the name."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    listen: Annotated[str, AfterValidator(_check_listen)] = "127.0.0.1:50051"
    """Address of the gRPC port; port 0 takes a free one. Loopback, unless public_without_tls is on."""
    public_without_tls: bool = False
    """Serve addresses that others can reach, gRPC and ZeroMQ, without TLS and keys: only for a network that
    is closed to everybody else, such as one of containers."""
    data_dir: Path = Field(default_factory=lambda: _home("XDG_DATA_HOME", ".local", "share"))
    """Folder of bars and, by default, the database."""
    cache_dir: Path = Field(default_factory=lambda: _home("XDG_CACHE_HOME", ".cache"))
    """Folder of compiled kernels; may be emptied while no server runs."""
    database_url: str = ""
    """`sqlite:///PATH` or `postgresql://USER:PASSWORD@HOST/NAME`; empty means stratopt.db in data_dir."""
    redis_url: str = ""
    """`redis://HOST:PORT/NUMBER`, shared by several servers; empty means a cache in memory."""
    result_cache_hours: float = Field(default=168.0, ge=0, le=8_760)
    """How long a backtest answers for the same one again, if this engine ran it; 0 runs every one."""
    calls_per_second_max: int = Field(default=0, ge=0)
    """Calls that one caller may make in a second, on all servers of one Redis together; 0 counts none."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severity of what is logged, on standard error."""
    log_format: LogFormat = "text"
    """How it is written: text for people, or json, one object a line, for machines."""
    metrics_listen: Annotated[str, AfterValidator(_check_metrics_listen)] = ""
    """Address that Prometheus reads /metrics from over HTTP; port 0 takes a free one, empty is off. Loopback,
    unless public_without_tls is on."""

    default_exchange: Annotated[str, StringConstraints(pattern=f"^{EXCHANGE.pattern}$")] | None = None
    """Exchange meant where a request names none; unset means the only one there is."""
    default_timeframe: Annotated[str, AfterValidator(_check_timeframe)] | None = None
    """Timeframe meant where a request names none; unset means the only one there is."""
    default_taker_fee: float = Field(default=0.001, ge=0, lt=1)
    """Share of an order's value paid as fee where a request names none."""
    default_slippage: float = Field(default=0.0005, ge=0, lt=1)
    """Share by which a fill is worse than its price where a request names none."""
    default_initial_cash: float = Field(default=10_000.0, ge=1, le=1e15)
    """Cash a run begins with where a request names none, in the market's quote currency."""
    default_fill_model: FillModel = FillModel.THROUGH
    """When the resting orders of a grid fill: touch, through, volume or touch_path."""
    default_participation: float = Field(default=0.1, gt=0, le=1)
    """Share of a bar's volume that fills a grid's orders under the fill model `volume`."""
    default_min_trades: PositiveInt = 5
    """Round trips below which a trial is not feasible, where a search names no number."""
    default_max_iterations: PositiveInt = 100
    """Trials of a search that names no number."""
    default_holdout: float = Field(default=0.3, gt=0, le=0.9)
    """Share that a holdout holds out where the request does not say."""

    jobs_running_max: PositiveInt = Field(default_factory=lambda: max(2, os.cpu_count() or 2))
    """Jobs worked on at a time by this server."""
    jobs_pending_max: PositiveInt = 10_000
    """Jobs that may wait; a further one is refused until there is room."""
    approvals_waiting_max: PositiveInt = 32
    """Approvals whose evidence is being gathered or waits for its turn."""
    job_memory_mb_max: int = Field(default=2_048, ge=128)
    """Memory a job may take beyond what its template had; over it the job fails."""
    report_fills_max: PositiveInt = 1_000_000
    """Fills that the report of a backtest may have; one with more fails rather than exceed its memory."""
    job_attempts_max: PositiveInt = 3
    """Attempts at a job that may be lost with their process or server, before it fails."""
    lease_seconds: Seconds = 15.0
    """How long a server is believed to work on a job without a sign of life."""
    drain_seconds: Seconds = 10.0
    """How long running jobs may finish after SIGTERM, before they go back to pending."""
    report_template: bool = True
    """Load vectorbt into a second template at start, so that the first backtest does not wait for it."""

    policy: str = "default/v1"
    """Name and version of the policy that decides where a request names none; none may loosen it."""
    policies_dir: Path | None = None
    """Folder of further policies, a JSON or YAML document each."""
    hard_gates_may_loosen: bool = False
    """Let a request pass more in a hard gate than that policy does. Off: such a request is refused."""

    groq_api_key: SecretStr = SecretStr("")
    """Key of the Groq API; empty lets the advisor speak by rules alone."""
    advisor_base_url: str = ""
    """Address of another API that speaks like Groq's; empty means Groq's own."""
    advisor_model: str = "llama-3.3-70b-versatile"
    """Name of the model that is asked."""
    advisor_timeout_seconds: Seconds = 20.0
    """How long a model may take, all its tries together, before the rules answer."""
    advisor_retries_max: int = Field(default=2, ge=0, le=10)
    """Further tries where the API is busy or ill."""
    advisor_answer_bytes_max: PositiveInt = 20_000
    """Size of a model's answer; a longer one is not used."""
    advisor_answer_tokens_max: PositiveInt = 1_500
    """Tokens a model is asked to stay within."""
    advisor_breaker_failures: PositiveInt = 5
    """Failures in a row after which a model is left alone."""
    advisor_breaker_seconds: Seconds = 60.0
    """How long it is left alone then."""

    relay_bind: str = "tcp://127.0.0.1:5556"
    """Address that parameter packages are published on; `*` as port takes a free one, empty is off."""
    relay_public_host: str = ""
    """Host name that clients are told in place of a wildcard address of the relay; empty tells the address as
    it is bound."""
    relay_framing: Literal["frames", "string"] = "frames"
    """How messages are published: topic and JSON as two frames, or as one text with a space between."""
    relay_protobuf: bool = False
    """Publish packages as protobuf too, under optimizer.pool.trading.pb."""
    relay_heartbeat_seconds: Seconds = 5.0
    """Pause between two messages that say which package is the newest."""
    relay_lease_seconds: Seconds = 5.0
    """Of several servers on one database one publishes; how long it is believed to without a sign of life."""
    relay_requests_bind: str = "tcp://127.0.0.1:5557"
    """Address that requests are answered on over ZeroMQ; empty is off."""
    relay_requests_running_max: PositiveInt = 64
    """Requests worked on at a time; a further one is told to come back."""
    relay_message_bytes_max: PositiveInt = 1_048_576
    """Size of one message that comes in over ZeroMQ."""
    relay_queue_messages_max: PositiveInt = 10_000
    """Messages that wait in each connection, either way; what does not fit is dropped by ZeroMQ."""
    relay_curve_dir: Path | None = None
    """Folder of CURVE keys: server.key_secret, clients/*.key, scanner.key, review.key. Unset: no keys, and
    loopback only."""
    scanner_connect: str = ""
    """Addresses of scanners whose opportunities are heard, comma-separated; empty is off."""
    review_connect: str = ""
    """Addresses of review desks whose words are heard, comma-separated; empty is off."""
    routes_file: Path | None = None
    """YAML file that says which opportunities become pipelines of which strategies."""
    pipelines_running_max: PositiveInt = 2
    """Pipelines worked on at a time by this server."""
    pipelines_pending_max: PositiveInt = 1_000
    """Pipelines that may wait; over it the one that waits longest is dropped."""
    opportunity_age_seconds_max: Seconds = 300.0
    """An opportunity that was seen longer ago is stale."""
    opportunity_duplicate_seconds: Seconds = 3_600.0
    """How long the same content is the same opportunity; the same correlation_id always is."""
    dead_letters_max: PositiveInt = 10_000
    """Messages that could not be used and are kept: the newest."""

    trials_max: PositiveInt = 100_000
    """Trials an optimization may ask for."""
    lattice_points_max: PositiveInt = 50_000_000
    """Lattice points that are looked at to count the feasible ones."""
    param_ranges_max: PositiveInt = 32
    """Parameters a search may vary at once."""
    funding_rates_max: PositiveInt = 50_000
    """Funding rates one run may be given: 45 years of three a day."""
    strategy_code_bytes_max: PositiveInt = 262_144
    """Size of an uploaded strategy's code."""
    import_bytes_max: PositiveInt = 1_073_741_824
    """Size of an imported file."""
    import_rows_max: PositiveInt = 20_000_000
    """Rows of an imported file."""
    message_bytes_max: PositiveInt = 4_194_304
    """Size of one gRPC message, either way."""
    watch_heartbeat_seconds: Seconds = 15.0
    """Silence after which a Watch says that it is still there."""
    request_id_hours: PositiveInt = 24
    """How long a request_id is remembered."""

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_what_would_pass_for_another(cls, given: Any, info: ValidationInfo) -> Any:
        """No boolean is the number 0 or 1, and no empty path the folder that the server happens to run in."""
        name = str(info.field_name)
        if isinstance(given, bool) and cls.model_fields[name].annotation in (int, float):
            raise ValueError(f"must be a number, not {str(given).lower()}")
        if given == "" and name in path_names():
            raise ValueError("must be a path, not nothing")
        return given

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Say where values come from, the strongest first; no .env file, no folder of secrets."""
        del env_settings, dotenv_settings, file_secret_settings
        return init_settings, _Environment(settings_cls), file_source(config_file())

    @property
    def database(self) -> str:
        """URL of the database, the default filled in."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'stratopt.db'}"

    @property
    def scanners(self) -> tuple[str, ...]:
        """Addresses of scanners."""
        return addresses(self.scanner_connect)

    @property
    def review_desks(self) -> tuple[str, ...]:
        """Addresses of review desks."""
        return addresses(self.review_connect)

    @property
    def result_cache_seconds(self) -> float:
        """How long a result is found."""
        return self.result_cache_hours * 3_600

    @property
    def bars_dir(self) -> Path:
        """Folder of the bars of datasets."""
        return self.data_dir / "bars"

    @property
    def signing_key_path(self) -> Path:
        """File of the key that signs packages."""
        return self.data_dir / "keys" / "signing.pem"


def addresses(listed: str) -> tuple[str, ...]:
    """Cut a comma-separated list."""
    return tuple(address for part in listed.split(",") if (address := part.strip()))


def config_file() -> Path | None:
    """Path of the TOML file: the one STRATOPT_CONFIG_FILE names, else the user's own if there is one.

    Raises UnusableSettings if the named one is absent.
    """
    if named := os.environ.get(CONFIG_FILE):
        path = Path(named).expanduser()
        if not path.is_file():
            raise UnusableSettings(f"{CONFIG_FILE}={named}: there is no such file")
        return path
    path = _home("XDG_CONFIG_HOME", ".config") / "stratopt.toml"
    return path if path.is_file() else None


def file_source(path: Path | None) -> TomlConfigSettingsSource:
    """Read the TOML file; None is an empty one. Raises UnusableSettings if it is none that can be read."""
    try:
        return TomlConfigSettingsSource(Settings, toml_file=path)
    except tomllib.TOMLDecodeError as error:
        raise UnusableSettings(f"{path}: is no valid TOML: {error}") from None
    except UnicodeDecodeError:
        raise UnusableSettings(f"{path}: is no valid TOML: it is not UTF-8") from None
    except OSError as error:
        raise UnusableSettings(f"{path}: cannot be read: {error.strerror}") from None


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that is spelt most like this one."""
    return difflib.get_close_matches(name, known, n=1, cutoff=0)[0]


def unknown_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Name every STRATOPT_ variable that is no setting, with the one nearest to it.

    Those of the gateway and of the client share the prefix and are none of ours.
    """
    known = {CONFIG_FILE, *(variable_of(name) for name in Settings.model_fields)}
    return {
        name: nearest(upper, sorted(known))
        for name in environment
        if (upper := name.upper()).startswith(PREFIX)
        and upper not in known
        and upper not in FOREIGN
        and not upper.startswith(FOREIGN_PREFIX)
    }


def given_variables(environment: Mapping[str, str]) -> frozenset[str]:
    """Name the variables that count, in upper case: for a path, nothing is no value."""
    paths = {variable_of(name) for name in path_names()}
    return frozenset(name.upper() for name, text in environment.items() if text or name.upper() not in paths)


def path_names() -> frozenset[str]:
    """Name the settings that are paths."""
    return frozenset(
        name for name, field in Settings.model_fields.items() if field.annotation in (Path, Path | None)
    )


def variable_of(name: str) -> str:
    """Name the environment variable of a setting."""
    return f"{PREFIX}{name.upper()}"
