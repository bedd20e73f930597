"""Bars with an edge planted in them, to show what an approval looks like. They are no market's."""

import csv
import math
import random
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

SYMBOL = "PLANTED/USD"
EXCHANGE = "generated"
TIMEFRAME = "4h"

DAYS = 1_500
BARS_A_DAY = 6
SPAN = timedelta(days=DAYS) - timedelta(days=1)
"""From the first day to the last."""
TREND_DAYS = (12.0, 30.0)
"""How long the price drifts one way before it turns."""
DRIFT_A_BAR = 0.0014
NOISE_A_BAR = 0.010
SEED = 1
START = datetime(2020, 1, 1, tzinfo=UTC)


def write_planted(path: Path) -> Path:
    """Write bars whose price trends up and down by turns, under noise; return the path.

    Whoever follows trends earns on them, on every part of them: that is the edge, and it is planted.
    """
    chance = random.Random(SEED)  # noqa: S311 - it has to be the same every time
    step = timedelta(days=1) / BARS_A_DAY
    price, drift, left = 100.0, DRIFT_A_BAR, 0
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["timestamp", "open", "high", "low", "close", "volume"])
        for number in range(DAYS * BARS_A_DAY):
            if left == 0:
                drift, left = -drift, round(chance.uniform(*TREND_DAYS) * BARS_A_DAY)
            left -= 1
            opened = price
            price *= math.exp(drift + chance.gauss(0.0, NOISE_A_BAR))
            high, low = max(opened, price) * 1.001, min(opened, price) / 1.001
            volume = round(chance.uniform(10, 1_000), 3)
            rows.writerow([(START + number * step).isoformat(), opened, high, low, price, volume])
    return path


if __name__ == "__main__":
    write_planted(Path(sys.argv[1]))
