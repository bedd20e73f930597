"""Generate the Python code of every proto into clients/python: the only way to do it.

`python protos/generate.py` rewrites the tree; `--check` fails if it would change.
"""

import argparse
import filecmp
import shutil
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

PROTOS = Path(__file__).parent
TARGET = PROTOS.parent / "clients" / "python"
PACKAGE = Path("stratopt") / "v1"


def generate(target: Path) -> None:
    """Write the messages, stubs and their types below `target`."""
    sources = sorted(str(path) for path in (PROTOS / PACKAGE).glob("*.proto"))
    well_known = files("grpc_tools") / "_proto"
    arguments = ["protoc", f"-I{PROTOS}", f"-I{well_known}"]
    arguments += [f"--{kind}_out={target}" for kind in ("python", "grpc_python")]
    arguments += [f"--mypy_out=quiet:{target}", f"--mypy_grpc_out=only_async,quiet:{target}"]
    for plugin in ("protoc-gen-mypy", "protoc-gen-mypy_grpc"):
        arguments.append(f"--plugin={plugin}={Path(sys.executable).with_name(plugin)}")
    arguments += sources
    if protoc.main(arguments) != 0:
        sys.exit("protoc failed: see its message above")
    (target / PACKAGE / "__init__.py").write_text('"""Generated messages and stubs of stratopt.v1."""\n')
    for path in (target / PACKAGE).glob("*_grpc.py*"):
        if "class " not in path.read_text():  # a file of messages only has no service to offer
            path.unlink()


def differs(fresh: Path) -> list[str]:
    """Name the generated files of the tree that are not what `fresh` has."""
    names = {path.name for root in (fresh, TARGET) for path in (root / PACKAGE).glob("*.py*")}
    _, changed, missing = filecmp.cmpfiles(fresh / PACKAGE, TARGET / PACKAGE, names, shallow=False)
    return sorted([*changed, *missing])


def main() -> None:
    """Generate, or check that what is committed is current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if out of date")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        generate(fresh)
        if check:
            if stale := differs(fresh):
                sys.exit(f"out of date, run `make proto`: {', '.join(stale)}")
            return
        shutil.rmtree(TARGET / PACKAGE, ignore_errors=True)
        shutil.copytree(fresh / PACKAGE, TARGET / PACKAGE)


if __name__ == "__main__":
    main()
