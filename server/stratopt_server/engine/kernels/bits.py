"""Comparisons of many bars at once, as bits of a machine word: what numba does not say itself.

A loop that sets one bit a bar is compiled to shifts; a vector comparison whose result is taken as an
integer is one instruction for four bars.
"""

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]  # ships no types
from numba import types

from stratopt_server.engine.jit import intrinsic

BITS = 64
LANES = 8
"""Bars a vector comparison takes: two registers' worth was fastest on AVX2, and no wider is needed."""
WORD = ir.IntType(BITS)
VECTOR = ir.VectorType(ir.DoubleType(), LANES)


def _splat(builder: Any, value: Any) -> Any:
    """Put one number into every lane."""
    vector = ir.Constant(VECTOR, ir.Undefined)
    for lane in range(LANES):
        vector = builder.insert_element(vector, value, ir.Constant(ir.IntType(32), lane))
    return vector


def _load(builder: Any, data: Any, index: Any) -> Any:
    """Load the LANES doubles from data[index] on, wherever in memory that is."""
    return builder.load(builder.bitcast(builder.gep(data, [index]), VECTOR.as_pointer()), align=8)


@intrinsic
def above_mask_nb(_context: Any, prefix: Any, start: Any, windows: Any, bounds: Any) -> Any:
    """Set bit j iff S_fast - factor * S_slow > limit, where the sums end at prefix[start + j].

    `windows` is (fast, slow), `bounds` (factor, limit). Nothing is checked: start - slow >= 0 and
    start + 63 < prefix.size must hold.
    """
    signature = types.uint64(prefix, start, windows, bounds)

    def generate(target: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = target.make_array(sig.args[0])(target, builder, args[0]).data
        lengths, limits = ([builder.extract_value(pair, i) for i in (0, 1)] for pair in args[2:])
        starts = [args[1], *(builder.sub(args[1], length) for length in lengths)]
        factor, limit = (_splat(builder, value) for value in limits)
        mask = ir.Constant(WORD, 0)
        for lane in range(0, BITS, LANES):
            offset = ir.Constant(WORD, lane)
            heads, fasts, slows = (_load(builder, data, builder.add(at, offset)) for at in starts)
            scaled = builder.fmul(factor, builder.fsub(heads, slows))
            above = builder.fcmp_ordered(">", builder.fsub(builder.fsub(heads, fasts), scaled), limit)
            bits = builder.zext(builder.bitcast(above, ir.IntType(LANES)), WORD)
            mask = builder.or_(mask, builder.shl(bits, offset))
        return mask

    return signature, generate


@intrinsic
def lowest_bit_nb(_context: Any, _word: Any) -> Any:
    """Find the number of the lowest bit set in a word that is not 0."""

    def generate(_target: Any, builder: Any, _sig: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate
