"""`python -m bench [--only NAME]`: run the benches; the last line printed for each is one JSON object."""

import argparse
import importlib
import json
import subprocess
import sys

NAMES = (
    "sweep_ma_cross",
    "sweep_grid",
    "sweep_signals",
    "sweep_year",
    "growth",
    "cold_process",
    "startup",
    "rpc_latency",
    "searchers",
    "job_10k_trials",
    "resume",
    "watchers",
    "null_test",
    "decision_latency",
    "relay",
    "cached_backtest",
    "load",
    "faults",
)


def main() -> None:
    """Run one bench here, or all of them in a process each."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", choices=NAMES, metavar="NAME", help="one of " + ", ".join(NAMES))
    only = parser.parse_args().only
    if only is None:
        for name in NAMES:
            print(f"{name} ...", file=sys.stderr)
            subprocess.run([sys.executable, "-m", "bench", "--only", name], check=True)
        return
    print(json.dumps(importlib.import_module(f"bench.{only}").run()))


if __name__ == "__main__":
    main()
