"""Loops over bars in vectors of eight: what numba does not make of a loop by itself.

Sums are kept a lane each and added up in a fixed order, so a result does not depend on how wide the
machine's registers are.
"""

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]  # ships no types
from numba import types
from numba.core import cgutils

from stratopt_server.engine.jit import intrinsic
from stratopt_server.engine.kernels.bits import BITS, LANES, VECTOR, WORD, _load, _splat

LANE = ir.IntType(32)


def _data(target: Any, builder: Any, kind: Any, array: Any) -> Any:
    """Find where the numbers of an array begin."""
    return target.make_array(kind)(target, builder, array).data


def _pick(builder: Any, condition: Any, one: Any, other: Any) -> Any:
    """Choose lane by lane, as `one if condition else other`."""
    return builder.select(condition, one, other)


def _folded(builder: Any, vector: Any, combine: Any) -> Any:
    """Combine the lanes of a vector: halves with each other, until one is left."""
    width = LANES
    while width > 1:
        width //= 2
        left, right = (
            builder.shuffle_vector(
                vector,
                ir.Constant(vector.type, ir.Undefined),
                ir.Constant(ir.VectorType(LANE, width), [start + lane for lane in range(width)]),
            )
            for start in (0, width)
        )
        vector = combine(left, right)
    return builder.extract_element(vector, ir.Constant(LANE, 0))


def _least(builder: Any) -> Any:
    """Make the function that takes the lesser of two, lane by lane."""
    return lambda one, other: _pick(builder, builder.fcmp_ordered("<", one, other), one, other)


def _greatest(builder: Any) -> Any:
    """Make the function that takes the greater of two, lane by lane."""
    return lambda one, other: _pick(builder, builder.fcmp_ordered(">", one, other), one, other)


def _tuple(size: int) -> Any:
    """Make the type of so many numbers."""
    kind: Any = types.UniTuple
    return kind(types.float64, size)


def _kept(builder: Any, value: Any) -> Any:
    """Make a variable of a loop, and set it."""
    make: Any = cgutils.alloca_once_value
    return make(builder, value)


def _each_vector(builder: Any, first: Any, count: Any) -> Any:
    """Loop over `count` numbers from number `first` on, LANES at a time; yields where each vector begins."""
    return cgutils.for_range_slice(builder, first, builder.add(first, count), ir.Constant(WORD, LANES), WORD)


@intrinsic
def moments_nb(_context: Any, close: Any, first: Any, count: Any, account: Any) -> Any:
    """Sum up the equity e = cash + size * close of `count` bars from `first` on, and its returns r.

    `account` is (cash, size). Returns the sums of r, r^2, r^3, r^4, min(r, 0)^2 and e, and the least and
    the greatest close. The return of bar `first` is that since the bar before. Nothing is checked:
    first >= 1 must hold, `count` be a multiple of LANES and above 0.
    """
    signature = _tuple(8)(close, first, count, account)

    def generate(target: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = _data(target, builder, sig.args[0], args[0])
        cashes, sizes = (_splat(builder, builder.extract_value(args[3], i)) for i in (0, 1))
        zero = ir.Constant(VECTOR, [0.0] * LANES)
        sums = [_kept(builder, zero) for _ in range(6)]
        any_close = _load(builder, data, args[1])
        low, high = (_kept(builder, any_close) for _ in range(2))
        with _each_vector(builder, args[1], args[2]) as (start, _):
            closes = _load(builder, data, start)
            before = _load(builder, data, builder.sub(start, ir.Constant(WORD, 1)))
            equity, base = (builder.fadd(cashes, builder.fmul(sizes, price)) for price in (closes, before))
            change = builder.fdiv(builder.fsub(equity, base), base)
            square = builder.fmul(change, change)
            loss = _pick(builder, builder.fcmp_ordered("<", change, zero), square, zero)
            terms = (change, square, builder.fmul(square, change), builder.fmul(square, square), loss, equity)
            for total, term in zip(sums, terms, strict=True):
                builder.store(builder.fadd(builder.load(total), term), total)
            builder.store(_least(builder)(builder.load(low), closes), low)
            builder.store(_greatest(builder)(builder.load(high), closes), high)
        found = [_folded(builder, builder.load(total), builder.fadd) for total in sums]
        found.append(_folded(builder, builder.load(low), _least(builder)))
        found.append(_folded(builder, builder.load(high), _greatest(builder)))
        return target.make_tuple(builder, sig.return_type, found)

    return signature, generate


@intrinsic
def span_nb(_context: Any, values: Any, first: Any, count: Any) -> Any:
    """Find the least and the greatest of `count` numbers from number `first` on.

    Nothing is checked: `count` must be a multiple of LANES and above 0.
    """
    signature = _tuple(2)(values, first, count)

    def generate(target: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = _data(target, builder, sig.args[0], args[0])
        combine = (_least(builder), _greatest(builder))
        found = [_kept(builder, _load(builder, data, args[1])) for _ in combine]
        with _each_vector(builder, args[1], args[2]) as (start, _):
            for kept, choose in zip(found, combine, strict=True):
                builder.store(choose(builder.load(kept), _load(builder, data, start)), kept)
        folded = [
            _folded(builder, builder.load(kept), choose) for kept, choose in zip(found, combine, strict=True)
        ]
        return target.make_tuple(builder, sig.return_type, folded)

    return signature, generate


@intrinsic
def beyond_mask_nb(_context: Any, low: Any, high: Any, start: Any, bounds: Any) -> Any:
    """Set bit j iff low[start + j] <= bounds[0] or high[start + j] >= bounds[1].

    Nothing is checked: start + 63 must be a place of both.
    """
    signature = types.uint64(low, high, start, bounds)

    def generate(target: Any, builder: Any, sig: Any, args: Any) -> Any:
        lows, highs = (_data(target, builder, sig.args[i], args[i]) for i in (0, 1))
        below, above = (_splat(builder, builder.extract_value(args[3], i)) for i in (0, 1))
        mask = ir.Constant(WORD, 0)
        for lane in range(0, BITS, LANES):
            offset = ir.Constant(WORD, lane)
            at = builder.add(args[2], offset)
            under = builder.fcmp_ordered("<=", _load(builder, lows, at), below)
            over = builder.fcmp_ordered(">=", _load(builder, highs, at), above)
            bits = builder.zext(builder.bitcast(builder.or_(under, over), ir.IntType(LANES)), WORD)
            mask = builder.or_(mask, builder.shl(bits, offset))
        return mask

    return signature, generate


@intrinsic
def heeded_mask_nb(_context: Any, codes: Any, start: Any, bits: Any) -> Any:
    """Set bit j iff codes[start + j] has any of the bits.

    Nothing is checked: start + 63 must be a place of the codes.
    """
    signature = types.uint64(codes, start, bits)

    def generate(target: Any, builder: Any, sig: Any, args: Any) -> Any:
        byte = ir.IntType(8)
        vector = ir.VectorType(byte, BITS)
        begin = builder.gep(_data(target, builder, sig.args[0], args[0]), [args[1]])
        codes_there = builder.load(builder.bitcast(begin, vector.as_pointer()), align=1)
        single = builder.insert_element(
            ir.Constant(vector, ir.Undefined), builder.trunc(args[2], byte), ir.Constant(LANE, 0)
        )
        wanted = builder.shuffle_vector(single, single, ir.Constant(ir.VectorType(LANE, BITS), [0] * BITS))
        found = builder.icmp_unsigned(
            "!=", builder.and_(codes_there, wanted), ir.Constant(vector, [0] * BITS)
        )
        return builder.bitcast(found, WORD)

    return signature, generate
