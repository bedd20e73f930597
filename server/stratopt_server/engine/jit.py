"""Numba's decorators with types, and the options every kernel shares."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numba.extending

F = TypeVar("F", bound=Callable[..., object])


def njit(*, borrows: bool = False, inlined: bool = False) -> Callable[[F], F]:
    """Compile the function on first use, keep the machine code on disk, run without the GIL.

    Division by zero gives inf or NaN, as in numpy: a check on each division costs a branch.
    `borrows` is for functions that make no array: those they are given are not reference-counted, which
    is an atomic operation each time and was half the cost of a trade. Such a function must not return an
    array either: its caller would give up a reference that was never taken.
    `inlined` puts the function into each that calls it. It is for what is called often and takes a tuple of
    arrays: a `Book` is passed as a hundred numbers, which took longer than all that is done with it.
    """
    options: dict[str, Any] = {"_nrt": not borrows, "forceinline": inlined}
    decorate: Any = numba.njit(cache=True, nogil=True, error_model="numpy", **options)
    return cast("Callable[[F], F]", decorate)


def intrinsic(function: Callable[..., object]) -> Callable[..., Any]:
    """Let kernels call machine instructions that the function writes itself.

    The function takes numba's typing context first; a kernel calls it without.
    """
    return cast("Callable[..., Any]", numba.extending.intrinsic(function))
