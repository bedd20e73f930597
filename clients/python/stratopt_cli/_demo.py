"""`stratopt demo`: the whole service on real bars, in a minute, with only its report left behind."""

import asyncio
import bisect
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from stratopt.v1.backtest_pb2 import SeriesChunk
from stratopt.v1.optimization_pb2 import Optimization
from stratopt_cli._arguments import Json, examples
from stratopt_cli._backtest import write_report
from stratopt_cli._data import import_file
from stratopt_cli._demo_approval import play_approval, play_planted
from stratopt_cli._demo_stage import STRATEGY, Demo, backtest, search
from stratopt_cli._figures import percent
from stratopt_cli._follow import follow_backtest
from stratopt_cli._local_server import local_server
from stratopt_cli._parse import file_name
from stratopt_cli._render import import_views, metrics_table
from stratopt_cli._render_search import optimization_views
from stratopt_cli._serve import SERVER_MODULE
from stratopt_cli._session import CommandFailed, Interrupted, Session, require, session_of
from stratopt_cli._verdict import verdict
from stratopt_client import BacktestHandle, Client, ImportOptions, ParamRanges, to_dict

RANGES: ParamRanges = {
    "fast_period": {"min": 2, "max": 60},
    "slow_period": {"min": 10, "max": 250},
    "signal_threshold": {"choices": [0.0, 0.005, 0.01, 0.02]},
}
TRIALS = 2_000
SEED = 20_240_131
ROUND_TRIPS_MIN = 20
"""A parameter set that traded less is no evidence, however well it did."""


@dataclass(frozen=True, slots=True)
class Bars:
    """The file the demo runs on."""

    file: Path
    symbol: str
    options: ImportOptions


def demo(
    context: typer.Context,
    *,
    data: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Your own bars, CSV or Parquet, in place of the S&P 500."),
    ] = None,
    symbol: Annotated[
        str | None, typer.Option(help="Symbol of your bars, where the file's name does not tell it.")
    ] = None,
    report: Annotated[Path, typer.Option(metavar="FILE", help="Where to write the HTML report.")] = Path(
        "stratopt-demo-report.html"
    ),
    as_json: Json = False,
) -> None:
    """Show the whole service: real bars, a search, an honest look, a decision; then an approval.

    Starts a server of its own in a temporary folder, and stops it again.
    The bars are 20 years of the S&P 500, which come with a Python package,
    so no network is needed. What an approval looks like is shown on generated
    bars with an edge planted in them.
    """
    session = session_of(context, None, as_json)
    if data is not None and symbol is None and file_name(data).symbol is None:
        raise typer.BadParameter(
            "the file's name does not tell it: give --symbol BASE/QUOTE", param_hint="--symbol"
        )
    session.run(_demo(session, data, symbol, report))


demo_epilog = examples("stratopt demo", "stratopt demo --data binance_BTC-USDT_1h.parquet")


async def _demo(session: Session, data: Path | None, symbol: str | None, report: Path) -> None:
    require(SERVER_MODULE, extra="server")
    require("zmq", extra="packages")
    with tempfile.TemporaryDirectory(prefix="stratopt-demo-") as name, _ended_by_signals():
        folder = Path(name)
        session.note("starting a server of its own in a temporary folder ...")
        try:
            async with local_server(folder) as address, Client(address) as client:
                bars = await asyncio.to_thread(_bars, folder, data, symbol)
                await _play(Demo(session, client), folder, bars, report)
        except asyncio.CancelledError:
            session.note("interrupted: the demo's server is stopped, nothing is left behind")
            raise Interrupted from None


async def _play(demo: Demo, folder: Path, bars: Bars, report: Path) -> None:
    """Do what a user would: import, search, look hard at the result, check it, ask for approval."""
    session = demo.session
    demo.step(f"1. Import {bars.symbol}")
    imported = await import_file(session, demo.client, bars.file, bars.symbol, bars.options)
    demo.show("import", to_dict(imported), *import_views(imported))
    dataset = imported.dataset

    # It is shown last, but loading what makes reports takes a while; the search does not need it.
    defaults = await backtest(demo, dataset, {})
    demo.step(f"2. Search {TRIALS:,} parameter sets of {STRATEGY} for the best Sharpe ratio")
    found = await search(demo, dataset, RANGES, trials=TRIALS, seed=SEED, min_trades=ROUND_TRIPS_MIN)
    demo.show("optimization", to_dict(found), *optimization_views(found))

    demo.step("3. What that means")
    demo.show("verdict", verdict(found), Text(verdict(found)))

    demo.step("4. Backtests over all bars; the first one of a new server waits until the engine is loaded")
    best = await backtest(demo, dataset, found.best.trial.params) if found.HasField("best") else defaults
    await _compare(demo, defaults, best, found)
    demo.document["report"] = await write_report(session, best, report)

    await play_approval(demo, best.id)
    await play_planted(demo, folder)
    if session.as_json:
        session.show(demo.document)


async def _compare(demo: Demo, defaults: BacktestHandle, best: BacktestHandle, found: Optimization) -> None:
    """Show both backtests side by side, and what buying and holding would have made."""
    for handle in (defaults, best):
        await follow_backtest(demo.session, handle)
    before, after, series = await defaults.result(), await best.result(), await best.series()
    demo.show("backtest_defaults", to_dict(before))
    demo.show("backtest_best", to_dict(after))
    held = _held(series, series.bar_time_us[0])
    told = (
        f"Buying and holding made {percent(held)} over the same bars. Most of these bars are the ones "
        "the search chose the best parameters on, which flatters them."
    )
    if found.best.HasField("out_of_sample"):
        made = found.best.out_of_sample.total_return
        unseen = _held(series, found.holdout_start_date.ToMicroseconds())
        told += (
            f" Over the held-out bars alone they made {percent(made)}, buying and holding {percent(unseen)}"
            f"{'' if made > unseen else ': it was not worth the trouble there'}."
        )
    table = metrics_table([("defaults", before.metrics), ("best found", after.metrics)])
    demo.show("buy_and_hold_return", held, table, Text(told))


def _held(series: SeriesChunk, since_us: int) -> float:
    """Return what buying and holding made from a bar on."""
    first = bisect.bisect_left(series.bar_time_us, since_us)
    return series.benchmark_equity[-1] / series.benchmark_equity[first] - 1


def _bars(folder: Path, data: Path | None, symbol: str | None) -> Bars:
    """Return the user's bars, or those of the S&P 500 in a file of their own."""
    if data is None:
        return Bars(_sp500(folder), "SPX/USD", ImportOptions(exchange="sp500", timeframe="1d"))
    if not data.is_file():
        raise CommandFailed(f"there is no file {data}")
    named = file_name(data)
    options = ImportOptions(exchange=named.exchange, timeframe=named.timeframe)
    return Bars(data, symbol or named.symbol or "", options)


def _sp500(folder: Path) -> Path:
    """Write 20 years of daily bars that come with the package arch."""
    try:
        from arch.data import sp500  # noqa: PLC0415 - it takes a second, and only this function needs it
    except ImportError:
        raise CommandFailed(
            "the demo's bars come with the package arch: pip install 'stratopt[demo]', "
            "or bring your own: stratopt demo --data FILE"
        ) from None
    frame = sp500.load()
    frame.columns = [str(column).lower() for column in frame.columns]
    file = folder / "sp500.csv"
    frame[["open", "high", "low", "close", "volume"]].to_csv(file, index_label="timestamp")
    return file


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and a closed terminal end the demo as Ctrl-C does, so that it cleans up."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None, "a coroutine runs in a task"
    # NotImplementedError: a platform without these signals.
    with suppress(NotImplementedError):
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, task.cancel)
    yield
