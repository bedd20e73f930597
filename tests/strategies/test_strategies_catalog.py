"""What is known about the code of a strategy: built-in code by its text, and nothing of any other."""

import ast
from itertools import product

import pytest

from stratopt_server.domain.constraints import holds
from stratopt_server.domain.parameters import Integer, Real, typed
from stratopt_server.domain.strategy import STRATEGY_ID, hash_code
from stratopt_server.engine.names import KERNEL_NAMES
from stratopt_server.strategies.catalog import BUILTINS, UPLOADED, Builtin, Catalog
from stratopt_server.strategies.contract import Kernel, kernels

SEEDS = {
    "grid_v1.2": (
        "Grid Trading Strategy",
        "1.2",
        {"grid_num": 10, "profit_ratio": 0.01, "stop_loss": 0.05},
    ),
    "ma_cross_v1.0": (
        "Moving Average Cross Strategy",
        "1.0",
        {"fast_period": 5, "slow_period": 20, "signal_threshold": 0.02},
    ),
    "rsi_reversion_v1.0": (
        "RSI Reversion Strategy",
        "1.0",
        {"period": 14, "oversold": 30.0, "overbought": 70.0},
    ),
    "bollinger_breakout_v1.0": ("Bollinger Breakout Strategy", "1.0", {"period": 20, "width": 2.0}),
    "bollinger_reversion_v1.0": ("Bollinger Reversion Strategy", "1.0", {"period": 20, "width": 2.0}),
    "macd_v1.0": ("MACD Strategy", "1.0", {"fast_period": 12, "slow_period": 26, "signal_period": 9}),
    "donchian_breakout_v1.0": ("Donchian Breakout Strategy", "1.0", {"entry_period": 20, "exit_period": 10}),
    "momentum_v1.0": ("Momentum Strategy", "1.0", {"lookback": 90, "threshold": 0.0}),
    "dca_v1.0": (
        "Dollar Cost Averaging Strategy",
        "1.0",
        {"interval": 24, "order_share": 0.05, "take_profit": 0.1},
    ),
}
"""The seed rows: the first two as they are documented, the rest at the defaults their field knows them by."""
TYPES = {"grid", "momentum", "mean_reversion", "breakout", "dca"}
"""The words of the services around us, and the one they have none for."""
BUILT_IN_KERNELS = {kernel.name for kernel in vars(kernels).values() if isinstance(kernel, Kernel)}

every_builtin = pytest.mark.parametrize("builtin", BUILTINS, ids=lambda builtin: builtin.id)


@pytest.fixture
def catalog() -> Catalog:
    """A catalog beside an engine that has every kernel there is a name for."""
    return Catalog(BUILT_IN_KERNELS)


def test_seeds_are_the_documented_ones() -> None:
    """The built-in strategies are these rows, each default in its own kind."""
    made = {builtin.id: (builtin.name, builtin.version, builtin.default_params) for builtin in BUILTINS}
    assert made == SEEDS
    for builtin in BUILTINS:
        kinds = {name: type(value) for name, value in SEEDS[builtin.id][2].items()}
        assert {name: type(value) for name, value in builtin.default_params.items()} == kinds


@every_builtin
def test_known_by_its_text(catalog: Catalog, builtin: Builtin) -> None:
    """Built-in code is recognised by its text alone: no id or name is asked for."""
    assert catalog.contract(hash_code(builtin.code)) == builtin.contract
    assert catalog.why_not_runnable(hash_code(builtin.code)) is None


@every_builtin
@pytest.mark.parametrize(
    "change",
    [
        lambda code: code + " ",
        lambda code: code[:-1],
        lambda code: code.replace("\n", "\r\n"),
        lambda code: "import os\n" + code,
        lambda code: code.replace("default", "Default", 1),
        str.strip,
    ],
)
def test_changed_code_is_uploaded_code(catalog: Catalog, builtin: Builtin, change: object) -> None:
    """Code that differs by one character is uploaded code: nothing is known of it and it does not run."""
    changed = hash_code(change(builtin.code))
    assert catalog.contract(changed) is None
    assert catalog.why_not_runnable(changed) == UPLOADED


def test_hash_is_of_the_text() -> None:
    """The hash of code is the SHA-256 of its UTF-8 text."""
    assert hash_code("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert hash_code("ä") != hash_code("a\u0308")


@every_builtin
def test_without_its_kernel(builtin: Builtin) -> None:
    """Where the engine lacks the kernel the contract is still known, and the obstacle names the kernel."""
    bare = Catalog(())
    assert bare.contract(hash_code(builtin.code)) == builtin.contract
    assert repr(builtin.contract.kernel) in (bare.why_not_runnable(hash_code(builtin.code)) or "")


@every_builtin
def test_defaults_are_allowed(builtin: Builtin) -> None:
    """Every default is a value that its own parameter accepts, in the parameter's own type."""
    for name, spec in builtin.contract.params.items():
        assert spec.accepts(spec.default), name
        assert type(typed(spec, spec.default)) is type(spec.default)


@every_builtin
def test_defaults_satisfy_constraints(builtin: Builtin) -> None:
    """The defaults together satisfy every constraint, and constraints name no other parameter."""
    defaults = {name: spec.default for name, spec in builtin.contract.params.items()}
    assert defaults == builtin.default_params
    for constraint in builtin.contract.constraints:
        assert bool(holds(constraint, defaults)), constraint


@every_builtin
def test_bounds(builtin: Builtin) -> None:
    """A numeric parameter has room between its bounds, and accepts both."""
    for spec in builtin.contract.params.values():
        assert isinstance(spec, Integer | Real)
        assert spec.minimum < spec.maximum
        assert spec.accepts(spec.minimum)
        assert spec.accepts(spec.maximum)
        assert spec.description.endswith(".")


@every_builtin
def test_code_declares_its_contract(builtin: Builtin) -> None:
    """The text that is stored, run as it stands, declares the contract that the catalog tells."""
    module: dict[str, object] = {}
    exec(compile(ast.parse(builtin.code), builtin.id, "exec"), module)
    assert module["PARAMS"] == builtin.contract.params
    assert module["CONSTRAINTS"] == builtin.contract.constraints
    assert module["KERNEL"] == Kernel(builtin.contract.kernel)
    assert module["TYPE"] == builtin.contract.strategy_type


@every_builtin
def test_seed_fits_its_table(builtin: Builtin) -> None:
    """A seed's id, name and version fit the documented columns."""
    assert STRATEGY_ID.fullmatch(builtin.id)
    assert 0 < len(builtin.name) <= 100
    assert 0 < len(builtin.version) <= 20


def test_kernel_names_are_the_kernels() -> None:
    """The names that are known without the compiler are those of the compiled strategies."""
    from stratopt_server.engine.catalog import KERNELS

    assert frozenset(KERNELS) == KERNEL_NAMES
    assert KERNEL_NAMES <= BUILT_IN_KERNELS


@every_builtin
def test_type_is_a_word_of_ours(builtin: Builtin) -> None:
    """A strategy's type is a word that a trader's routes may know."""
    assert builtin.contract.strategy_type in TYPES


@every_builtin
def test_engine_takes_what_the_contract_allows(builtin: Builtin) -> None:
    """The engine takes the defaults, and every mix of least and greatest values that the contract allows."""
    from stratopt_server.engine.catalog import kernel_named

    params = builtin.contract.params
    corners = product(*((spec.minimum, spec.default, spec.maximum) for spec in params.values()))
    sets = [dict(zip(params, corner, strict=True)) for corner in corners]
    allowed = [
        values for values in sets if all(bool(holds(rule, values)) for rule in builtin.contract.constraints)
    ]
    assert builtin.default_params in allowed
    kernel = kernel_named(builtin.contract.kernel)
    assert kernel.encode(allowed).tolist() == [list(values.values()) for values in allowed]
