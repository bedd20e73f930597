"""The size budget: how long functions and files may be, and how many arguments a function may take.

`python tests/size_budget.py` fails and names what is over it. Code lines are those that are neither
blank, comment nor docstring.
"""

import ast
import io
import statistics
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCES = ("server", "clients/python/stratopt_client", "clients/python/stratopt_cli", "gateway", "protos")
FUNCTION_LINES_MAX = 60
FUNCTION_LINES_P95_MAX = 35
FILE_LINES_MAX = 600
POSITIONAL_MAX = 5

EXCEPTIONS: dict[str, str] = {
    "server/stratopt_server/validation/overfitting/deflation.py:deflated_sharpe_ratio": (
        "the figures of a published formula, in its order"
    ),
}
"""Functions over a limit, by `file:name`, each with its reason."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Measured:
    """One function with its size."""

    place: str
    code_lines: int
    positional: int


def code_lines_of(source: str) -> set[int]:
    """Numbers of the lines that hold code: neither blank, comment nor docstring."""
    skipped = {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    }
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in skipped:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if is_text and isinstance(node.value.value, str):
            lines.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return lines


def functions(path: Path) -> Iterator[Measured]:
    """Measure every function of a file."""
    source = path.read_text(encoding="utf-8")
    code = code_lines_of(source)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, Function):
            span = range(node.lineno, (node.end_lineno or node.lineno) + 1)
            arguments = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
            positional = len([name for name in arguments if name not in ("self", "cls")])
            place = f"{path.relative_to(ROOT)}:{node.name}"
            yield Measured(place, len(code.intersection(span)), positional)


def source_files() -> list[Path]:
    """Every hand-written source file."""
    return sorted(path for folder in SOURCES for path in (ROOT / folder).rglob("*.py"))


def faults() -> list[str]:
    """Name everything over the budget."""
    measured = [function for path in source_files() for function in functions(path)]
    found = [
        f"{function.place}: {function.code_lines} code lines, at most {FUNCTION_LINES_MAX}"
        for function in measured
        if function.code_lines > FUNCTION_LINES_MAX and function.place not in EXCEPTIONS
    ]
    found += [
        f"{function.place}: {function.positional} positional arguments, at most {POSITIONAL_MAX}"
        for function in measured
        if function.positional > POSITIONAL_MAX and function.place not in EXCEPTIONS
    ]
    found += [
        f"{path.relative_to(ROOT)}: {count} lines, at most {FILE_LINES_MAX}"
        for path in source_files()
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > FILE_LINES_MAX
    ]
    p95 = statistics.quantiles((function.code_lines for function in measured), n=20)[-1]
    if p95 > FUNCTION_LINES_P95_MAX:
        found.append(f"95 % of functions have up to {p95:.0f} code lines, wanted {FUNCTION_LINES_P95_MAX}")
    return found


if __name__ == "__main__":
    sys.exit("\n".join(faults()) or None)
