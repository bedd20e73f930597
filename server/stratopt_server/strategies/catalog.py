"""What is known about the code of a strategy without running it.

Built-in code is known by its hash: whatever a strategy is called, it runs if its code is the text of a
built-in one. Any other code is uploaded code, which is stored and not run until it can be contained.
"""

from collections.abc import Collection
from dataclasses import dataclass
from importlib.resources import files
from types import ModuleType

from stratopt_server.domain.parameters import ParameterValue
from stratopt_server.domain.strategy import StrategyContract, hash_code
from stratopt_server.strategies.builtin import (
    bollinger_breakout,
    bollinger_reversion,
    dca,
    donchian_breakout,
    grid,
    ma_cross,
    macd,
    momentum,
    rsi_reversion,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Builtin:
    """A strategy that ships with the server."""

    id: str
    name: str
    version: str
    code: str
    default_params: dict[str, ParameterValue]
    contract: StrategyContract


def _builtin(module: ModuleType, *, strategy_id: str, name: str, version: str) -> Builtin:
    file = files("stratopt_server.strategies.builtin") / f"{module.__name__.rpartition('.')[2]}.py"
    params = dict(module.PARAMS)
    return Builtin(
        id=strategy_id,
        name=name,
        version=version,
        code=file.read_text(encoding="utf-8"),
        default_params={param: spec.default for param, spec in params.items()},
        contract=StrategyContract(
            params=params,
            constraints=tuple(module.CONSTRAINTS),
            kernel=module.KERNEL.name,
            strategy_type=module.TYPE,
        ),
    )


BUILTINS = (
    _builtin(ma_cross, strategy_id="ma_cross_v1.0", name="Moving Average Cross Strategy", version="1.0"),
    _builtin(grid, strategy_id="grid_v1.2", name="Grid Trading Strategy", version="1.2"),
    _builtin(rsi_reversion, strategy_id="rsi_reversion_v1.0", name="RSI Reversion Strategy", version="1.0"),
    _builtin(
        bollinger_breakout,
        strategy_id="bollinger_breakout_v1.0",
        name="Bollinger Breakout Strategy",
        version="1.0",
    ),
    _builtin(
        bollinger_reversion,
        strategy_id="bollinger_reversion_v1.0",
        name="Bollinger Reversion Strategy",
        version="1.0",
    ),
    _builtin(macd, strategy_id="macd_v1.0", name="MACD Strategy", version="1.0"),
    _builtin(
        donchian_breakout,
        strategy_id="donchian_breakout_v1.0",
        name="Donchian Breakout Strategy",
        version="1.0",
    ),
    _builtin(momentum, strategy_id="momentum_v1.0", name="Momentum Strategy", version="1.0"),
    _builtin(dca, strategy_id="dca_v1.0", name="Dollar Cost Averaging Strategy", version="1.0"),
)
"""The strategies every database is seeded with."""

UPLOADED = "uploaded code is stored but not run yet: only the code of built-in strategies is"


class Catalog:
    """Tells what a strategy's code declares, and whether it can run here."""

    def __init__(self, kernels: Collection[str]) -> None:
        """`kernels` names the compiled strategies that the engine has."""
        self._kernels = frozenset(kernels)
        self._contracts = {hash_code(builtin.code): builtin.contract for builtin in BUILTINS}

    def contract(self, code_hash: str) -> StrategyContract | None:
        """What the code declares; None for uploaded code."""
        return self._contracts.get(code_hash)

    def why_not_runnable(self, code_hash: str) -> str | None:
        """Say in one sentence why the code cannot run here; None if it can."""
        contract = self._contracts.get(code_hash)
        if contract is None:
            return UPLOADED
        if contract.kernel not in self._kernels:
            return f"the engine has no compiled kernel {contract.kernel!r} yet"
        return None
