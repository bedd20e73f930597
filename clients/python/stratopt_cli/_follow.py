"""Following a job on the screen, and what Ctrl-C does to it."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as LiveProgress

from stratopt.v1.job_pb2 import Progress
from stratopt.v1.optimization_pb2 import Optimization
from stratopt_cli._figures import duration, score
from stratopt_cli._session import Interrupted, Session
from stratopt_client import BacktestHandle, FailedPrecondition, OptimizationHandle, StratoptError, to_dict

LINE_SECONDS_MIN = 2.0
"""Distance of progress lines where there is no terminal to draw a bar on."""

Tell = Callable[[Progress, str], None]
"""Shows how far a job is, and what it has found."""


@contextmanager
def meter(console: Console, title: str, *, clock: Callable[[], float] = time.monotonic) -> Iterator[Tell]:
    """Yield what draws a bar on a terminal, and writes a line now and then elsewhere."""
    if console.is_terminal:
        with _bar(console, title) as tell:
            yield tell
    else:
        yield _lines(console, title, clock)


async def follow_backtest(session: Session, handle: BacktestHandle) -> None:
    """Show a backtest's progress until it ends; Ctrl-C cancels it."""
    with meter(session.err, "backtest") as tell:
        try:
            async with aclosing(handle.watch()) as events:
                async for event in events:
                    if event.HasField("snapshot"):
                        tell(event.snapshot.progress, event.snapshot.progress.stage)
                    elif event.HasField("progress"):
                        tell(event.progress, event.progress.stage)
        except asyncio.CancelledError:
            await _cancel(session, handle)


async def follow_optimization(session: Session, handle: OptimizationHandle) -> None:
    """Show an optimization's progress and its best so far until it ends; Ctrl-C cancels it."""
    target, best, progress = "", "", Progress()
    with meter(session.err, "searching") as tell:
        try:
            async with aclosing(handle.watch()) as events:
                async for event in events:
                    if event.HasField("snapshot"):
                        target = str(to_dict(event.snapshot)["optimization_target"])
                        best, progress = _best(event.snapshot, target), event.snapshot.progress
                    elif event.HasField("improvement"):
                        best = f"best {target} {score(target, event.improvement.score)}"
                    elif event.HasField("progress"):
                        progress = event.progress
                    tell(progress, best)
        except asyncio.CancelledError:
            await _cancel(session, handle)


def figures(progress: Progress, found: str) -> str:
    """Return what is known of a job's progress on one line."""
    parts = [f"{progress.done:,}/{progress.total:,}"] if progress.total else ["waiting for its turn"]
    if progress.HasField("rate") and progress.done < progress.total:
        parts.append(f"{progress.rate:,.0f}/s")
    if found:
        parts.append(found)
    if progress.HasField("eta_seconds") and progress.done < progress.total:
        parts.append(f"{duration(progress.eta_seconds)} left")
    return "  ".join(parts)


async def _cancel(session: Session, handle: BacktestHandle | OptimizationHandle) -> None:
    """Ask the server to stop a job that the user no longer wants, and say how that went."""
    task = asyncio.current_task()
    assert task is not None, "a coroutine runs in a task"
    # The first Ctrl-C is dealt with here; a second one ends the program at once.
    task.uncancel()
    session.note(f"interrupted: asking the server to cancel {handle.id}")
    try:
        await handle.cancel()
    except FailedPrecondition as error:
        session.note(f"it had ended already: {error}")
    except StratoptError as error:
        session.note(f"that did not work, it may still run: {error}")
    else:
        session.note(f"cancelled: {handle.id}; what it had found by then is kept")
    raise Interrupted


def _best(optimization: Optimization, target: str) -> str:
    if not optimization.HasField("best"):
        return ""
    return f"best {target} {score(target, optimization.best.trial.score)}"


@contextmanager
def _bar(console: Console, title: str) -> Iterator[Tell]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[figures]}", markup=False),
    )
    with LiveProgress(*columns, console=console, transient=True) as live:
        bar = live.add_task(title, total=None, figures="")

        def tell(progress: Progress, found: str) -> None:
            live.update(
                bar,
                total=progress.total or None,
                completed=progress.done,
                figures=figures(progress, found),
            )

        yield tell


def _lines(console: Console, title: str, clock: Callable[[], float]) -> Tell:
    said, said_at = "", float("-inf")

    def tell(progress: Progress, found: str) -> None:
        nonlocal said, said_at
        line = f"{title}: {figures(progress, found)}"
        complete = 0 < progress.total <= progress.done
        if line != said and (complete or clock() - said_at >= LINE_SECONDS_MIN):
            said, said_at = line, clock()
            console.print(line, markup=False)

    return tell
