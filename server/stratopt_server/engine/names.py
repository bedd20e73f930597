"""The names of the compiled strategies, for those who must not load the compiler to know them."""

KERNEL_NAMES = frozenset({"ma_cross"})
"""Exactly the keys of `catalog.KERNELS`; a test holds the two together."""
