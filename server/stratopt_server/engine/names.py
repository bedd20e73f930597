"""The names of the compiled strategies, for those who must not load the compiler to know them."""

KERNEL_NAMES = frozenset(
    {
        "bollinger_breakout",
        "bollinger_reversion",
        "dca",
        "donchian_breakout",
        "grid",
        "ma_cross",
        "macd",
        "momentum",
        "rsi_reversion",
    }
)
"""Exactly the keys of `catalog.KERNELS`; a test holds the two together."""
GRID = "grid"
"""The one that places resting orders of its own; all others yield signals."""
