"""Finding out which bars a run is made on."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from stratopt_server.domain.errors import Code, Violations
from stratopt_server.domain.market import SYMBOL, TIMEFRAMES, Bars, Dataset
from stratopt_server.domain.paging import Page
from stratopt_server.domain.ports import BarsStore, DatasetFilter, DatasetStore
from stratopt_server.settings import Settings
from stratopt_server.usecases.requests import RunRequest

BARS_MIN = 2
"""Fewest bars a run can be made on."""
DATASETS_LISTED_MAX = 20
"""Datasets named in a refusal."""
CLOSED_DAYS_MAX = 4
"""A market that closes may have no bar on the first or last days asked for: a weekend and holidays."""
ALL_WEEK_YEAR = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class MarketSlice:
    """The bars of a run and the dataset they are of."""

    dataset: Dataset
    bars: Bars


class SliceFinder:
    """Finds the bars that a request means; notes everything that is wrong with how it says so."""

    def __init__(self, datasets: DatasetStore, bars: BarsStore, *, settings: Settings) -> None:
        self._datasets = datasets
        self._bars = bars
        self._settings = settings

    def find(self, wanted: RunRequest, violations: Violations) -> MarketSlice | None:
        """Return the bars, or None where a fault was noted."""
        dataset = self._dataset(wanted, violations)
        if _dates_reversed(wanted, violations) or dataset is None:
            return None
        bars = self._select_bars(wanted, dataset, violations)
        return None if bars is None else MarketSlice(dataset, bars)

    def _dataset(self, wanted: RunRequest, violations: Violations) -> Dataset | None:
        exchange = wanted.exchange or self._settings.default_exchange
        timeframe = wanted.timeframe or self._settings.default_timeframe
        if timeframe is not None and timeframe not in TIMEFRAMES:
            allowed = ", ".join(TIMEFRAMES)
            violations.add("timeframe", "UNKNOWN_TIMEFRAME", f"must be one of {allowed}", allowed=allowed)
        if not SYMBOL.fullmatch(wanted.symbol):
            violations.add(
                "symbol",
                "INVALID_SYMBOL",
                f"must be BASE/QUOTE in capitals, e.g. BTC/USDT, not {wanted.symbol!r}",
                value=wanted.symbol,
            )
        if violations.has("timeframe") or violations.has("symbol"):
            return None
        filters = DatasetFilter(symbol=wanted.symbol, exchange=exchange, timeframe=timeframe)
        found = self._datasets.page(Page(DATASETS_LISTED_MAX), filters)
        if len(found) == 1:
            return found[0]
        if found:
            listed = _listed(found)
            violations.add(
                "symbol",
                "DATASET_AMBIGUOUS",
                f"several datasets match: name exchange and timeframe; there are {listed}",
                code=Code.FAILED_PRECONDITION,
                datasets=listed,
            )
        else:
            self._note_absent(wanted.symbol, exchange, timeframe, violations)
        return None

    def _note_absent(
        self, symbol: str, exchange: str | None, timeframe: str | None, violations: Violations
    ) -> None:
        of_symbol = self._datasets.page(Page(DATASETS_LISTED_MAX), DatasetFilter(symbol=symbol))
        there = of_symbol or self._datasets.page(Page(DATASETS_LISTED_MAX), DatasetFilter())
        listed = _listed(there) or "none"
        asked = " ".join(part for part in (symbol, exchange, timeframe) if part)
        violations.add(
            "symbol",
            "DATASET_NOT_FOUND",
            f"there are no bars of {asked}: import them, or use one of {listed}",
            code=Code.NOT_FOUND,
            symbol=symbol,
            datasets=listed,
        )

    def _select_bars(self, wanted: RunRequest, dataset: Dataset, violations: Violations) -> Bars | None:
        start = wanted.start_date or dataset.first_bar_time
        end = wanted.end_date or dataset.last_bar_time
        slack = _slack(dataset)
        outside = {
            "start_date": _days_before(start, dataset.first_bar_time) > slack
            or start > dataset.last_bar_time + slack,
            "end_date": _days_before(dataset.last_bar_time, end) > slack
            or end < dataset.first_bar_time - slack,
        }
        for name in (name for name, is_outside in outside.items() if is_outside):
            first, last = dataset.first_bar_time.isoformat(), dataset.last_bar_time.isoformat()
            violations.add(
                name,
                "DATES_OUTSIDE_DATA",
                f"there are bars from {first} to {last}",
                code=Code.FAILED_PRECONDITION,
                first_bar_time=first,
                last_bar_time=last,
            )
        if any(outside.values()):
            return None
        bars = self._bars.open(dataset.content_hash).between(start, end)
        if len(bars) >= BARS_MIN:
            return bars
        violations.add(
            "end_date",
            "TOO_FEW_BARS",
            f"{len(bars)} bars lie between the dates, at least {BARS_MIN} are needed",
            code=Code.FAILED_PRECONDITION,
            bars=len(bars),
            bars_min=BARS_MIN,
        )
        return None


def _dates_reversed(wanted: RunRequest, violations: Violations) -> bool:
    start, end = wanted.start_date, wanted.end_date
    if start is None or end is None or start <= end:
        return False
    violations.add(
        "end_date",
        "DATES_REVERSED",
        f"end_date {end.isoformat()} is before start_date {start.isoformat()}",
        start_date=start.isoformat(),
        end_date=end.isoformat(),
    )
    return True


def _days_before(earlier: datetime, later: datetime) -> timedelta:
    """Whole UTC days from the one's day to the other's; negative the other way round."""
    return timedelta(days=(later.date() - earlier.date()).days)


def _slack(dataset: Dataset) -> timedelta:
    """How many days at either end may be without a bar and still be covered."""
    all_week = ALL_WEEK_YEAR / TIMEFRAMES[dataset.timeframe]
    return timedelta(0 if dataset.bars_per_year >= all_week * 0.99 else CLOSED_DAYS_MAX)


def _listed(datasets: list[Dataset]) -> str:
    return ", ".join(f"{row.symbol} {row.exchange} {row.timeframe}" for row in datasets)
