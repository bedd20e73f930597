"""Relations between parameters, such as `fast_period < slow_period`, evaluated without `eval`.

Arithmetic, comparisons, `and`, `or` and `not` over parameter names and numbers; nothing else. The
same expression works on single values and on arrays of them.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np


def _undefined_by_zero(divide: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """A point that divides by zero satisfies no relation, alone or among many."""

    def divided(left: Any, right: Any) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(np.equal(right, 0), np.nan, divide(left, right))

    return divided


BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: _undefined_by_zero(np.divide),
    ast.Mod: _undefined_by_zero(np.mod),
}
COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.Not: np.logical_not,
}


def holds(expression: str, values: Mapping[str, Any]) -> Any:
    """Evaluate the expression; a flag for single values, an array of flags for arrays.

    Raises ValueError for anything but arithmetic and comparison, KeyError for an unknown name.
    """
    try:
        tree = ast.parse(expression, mode="eval")
    except SyntaxError as error:
        raise ValueError(f"{expression!r} is no expression: {error.msg}") from error
    return _evaluate(tree.body, values)


def _evaluate(node: ast.expr, values: Mapping[str, Any]) -> Any:
    match node:
        case ast.Name(id=name):
            value = np.asarray(values[name])
            return value.astype(np.int64) if value.dtype == np.bool_ else value  # flags count as numbers
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
            return BINARY[type(op)](_evaluate(left, values), _evaluate(right, values))
        case ast.UnaryOp(op=op, operand=operand) if type(op) in UNARY:
            return UNARY[type(op)](_evaluate(operand, values))
        case ast.Compare() if all(type(op) in COMPARE for op in node.ops):
            return _chain(node, values)
        case ast.BoolOp(op=op, values=parts):
            join = np.logical_and if isinstance(op, ast.And) else np.logical_or
            return join.reduce(np.broadcast_arrays(*(_evaluate(part, values) for part in parts)))
        case _:
            raise ValueError(f"only arithmetic and comparison are allowed, not {ast.unparse(node)!r}")


def _chain(node: ast.Compare, values: Mapping[str, Any]) -> Any:
    """`a < b < c` means both comparisons."""
    operands = [_evaluate(operand, values) for operand in (node.left, *node.comparators)]
    links = [
        COMPARE[type(op)](left, right)
        for op, left, right in zip(node.ops, operands, operands[1:], strict=False)
    ]
    return links[0] if len(links) == 1 else np.logical_and.reduce(np.broadcast_arrays(*links))
