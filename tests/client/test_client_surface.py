"""What users may import, what it costs them, and how it reads."""

import json
import subprocess
import sys
from pathlib import Path

import stratopt_client
import stratopt_client.sync

SAMPLE = Path(__file__).with_name("sample_program.py")

LOADED = """
import json, sys
before = set(sys.modules)
import stratopt_client.sync
roots = {name.partition(".")[0] for name in set(sys.modules) - before}
print(json.dumps(sorted(roots - set(sys.stdlib_module_names))))
"""


def test_client_surface_is_deliberate() -> None:
    """The names a user may import change only on purpose."""
    assert sorted(stratopt_client.__all__) == [
        "AlreadyExists",
        "BacktestHandle",
        "BacktestOptions",
        "Client",
        "DEFAULT_TARGET",
        "FailedPrecondition",
        "ImportOptions",
        "InvalidInput",
        "InvalidRequest",
        "JobCancelled",
        "JobFailed",
        "NotFound",
        "Objective",
        "OptimizationHandle",
        "OptimizationOptions",
        "Page",
        "Pager",
        "ParamRange",
        "ParamRanges",
        "ParamValue",
        "Params",
        "PipelineHandle",
        "ResourceExhausted",
        "RunOptions",
        "StopRuleOptions",
        "StratoptError",
        "Unavailable",
        "ValidationOptions",
        "Violation",
        "params_to_python",
        "to_dict",
    ]
    assert sorted(stratopt_client.sync.__all__) == [
        "SyncBacktestHandle",
        "SyncClient",
        "SyncOptimizationHandle",
        "SyncPager",
        "SyncPipelineHandle",
    ]


def test_public_names_exist_and_explain_themselves() -> None:
    """Every class and function of the surface has a docstring."""
    for module in (stratopt_client, stratopt_client.sync):
        for name in module.__all__:
            thing = getattr(module, name)
            assert not callable(thing) or thing.__doc__, name


def test_client_needs_only_the_base_install() -> None:
    """Importing it loads gRPC, protobuf and our own protocol, nothing else."""
    loaded = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True).stdout
    # grpc itself looks for its companions, and is built with Cython.
    ours = {"google", "stratopt", "stratopt_client", "typing_extensions"}
    others = [name for name in json.loads(loaded) if not name.startswith(("grpc", "cython", "_cython"))]
    assert set(others) - ours == set()


def test_sample_program_is_typed() -> None:
    """What a newcomer writes passes mypy --strict without a cast."""
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(SAMPLE)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
