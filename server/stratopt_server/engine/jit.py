"""Numba's decorators with types, and the options every kernel shares."""

from collections.abc import Callable
from typing import TypeVar

import numba
import numba.extending

F = TypeVar("F", bound=Callable[..., object])


def njit(**options: object) -> Callable[[F], F]:
    """Compile the function on first use, keep the machine code on disk, run without the GIL.

    Division by zero gives inf or NaN, as in numpy: a check on each division costs a branch.
    """
    decorator: Callable[[F], F] = numba.njit(cache=True, nogil=True, error_model="numpy", **options)
    return decorator


def intrinsic(function: F) -> F:
    """Let kernels call machine instructions that the function writes itself."""
    built: F = numba.extending.intrinsic(function)
    return built
