"""Grid: buys on a ladder of lines below an anchor and sells each slot one line higher.

Line k stands at anchor * (1 + profit_ratio) ** -k; falling stop_loss below the lowest line closes
everything and anchors anew.
"""

from stratopt_server.strategies.contract import Integer, Real, kernels

PARAMS = {
    "grid_num": Integer(default=10, minimum=1, maximum=1_000, description="Lines below the anchor."),
    "profit_ratio": Real(
        default=0.01, minimum=1e-6, maximum=1.0, description="Distance of neighbouring lines, a fraction."
    ),
    "stop_loss": Real(
        default=0.05,
        minimum=1e-6,
        maximum=0.999999,
        description="How far below the lowest line everything is sold, a fraction.",
    ),
}
CONSTRAINTS = ()
KERNEL = kernels.grid
TYPE = "grid"
