"""What a forked process does: limit itself, do the task, say how it went, and end."""

import logging
import os
import resource
import sys
from pathlib import Path

from stratopt_server import logs
from stratopt_server.domain.errors import RequestRefused, StratoptError, Unavailable, no_room
from stratopt_server.domain.ports import LeaseLost
from stratopt_server.jobs.channel import Channel, JobFailure
from stratopt_server.jobs.messages import (
    Done,
    ExportTrials,
    Failed,
    GatherEvidence,
    ImportFile,
    Interrupted,
    OpenSeal,
    Refused,
    Reproduce,
    RunJob,
    Task,
)

log = logging.getLogger(__name__)

MEGABYTE = 1 << 20
PASSING = frozenset({"DATABASE_BUSY", "DATABASE_FULL", "DATABASE_UNAVAILABLE", "DISK_FULL"})
"""Reasons after which the task may go well when it is begun again."""


def run(task: Task, pipe: int) -> None:
    """Do the task and end the process."""
    channel = Channel(pipe)
    code = 1
    if isinstance(task, RunJob):
        logs.bind(job_id=task.job_id)
    try:
        code = _run(task, channel)
    except BrokenPipeError:
        pass  # the server is gone: nobody to tell
    except BaseException:
        log.critical("%s: the process failed unexpectedly", _words(task), exc_info=True)
    finally:
        sys.stderr.flush()
        os._exit(code)


def _run(task: Task, channel: Channel) -> int:
    """Do the task; report what went wrong in a way the server can pass on."""
    try:
        log.info("%s: begun", _words(task))
        limit_memory(task.memory_mb_max)
        channel.send(Done(_do(task, channel)))
        log.info("%s: done", _words(task))
    except LeaseLost:
        return 0  # cancelled, or another server's now: what was found is not ours to store
    except Unavailable as trouble:
        log.warning("%s: %s: %s", _words(task), trouble.reason, trouble.message)
        channel.send(_said_of(trouble))
    except OSError as error:
        full = no_room(error)
        if full is None:
            raise
        channel.send(Interrupted(reason=full.reason, message=full.message))
    except RequestRefused as refusal:
        channel.send(Refused(refusal.violations))
    except (JobFailure, StratoptError) as failure:
        log.warning("%s: %s: %s", _words(task), failure.reason, failure.message)
        channel.send(Failed(reason=failure.reason, message=failure.message, metadata=failure.facts))
    except MemoryError:
        channel.send(
            Failed(
                reason="MEMORY_LIMIT_EXCEEDED",
                message=f"it needed more than its {task.memory_mb_max} MB: use fewer bars, or raise "
                "job_memory_mb_max",
                metadata={"memory_mb_max": str(task.memory_mb_max)},
            )
        )
        return 1
    return 0


def _words(task: Task) -> str:
    """Name the task for the log."""
    if isinstance(task, RunJob):
        return f"{task.kind.value} {task.job_id}, attempt {task.attempt}"
    return type(task).__name__


def _do(task: Task, channel: Channel) -> object:
    """Import what the task needs only now: the template holds none of it."""
    match task:
        case ImportFile():
            from stratopt_server.jobs.importing import import_bars  # noqa: PLC0415

            return import_bars(task)
        case GatherEvidence():
            from stratopt_server.jobs.evidence import gather_evidence  # noqa: PLC0415

            return gather_evidence(task, channel)
        case Reproduce():
            from stratopt_server.jobs.reproducing import reproduce  # noqa: PLC0415

            return reproduce(task)
        case OpenSeal():
            from stratopt_server.jobs.sealed import open_seal  # noqa: PLC0415

            return open_seal(task)
        case ExportTrials():
            from stratopt_server.jobs.exporting import export_trials  # noqa: PLC0415

            export_trials(task)
            return None
        case RunJob():
            from stratopt_server.jobs.running import run_job  # noqa: PLC0415

            run_job(task, channel)
            return None


def _said_of(trouble: Unavailable) -> Interrupted | Failed:
    """What is away will be back; bars that are gone, for one, will not by themselves."""
    if trouble.reason in PASSING:
        return Interrupted(reason=trouble.reason, message=trouble.message)
    return Failed(reason=trouble.reason, message=trouble.message, metadata=trouble.facts)


def limit_memory(megabytes: int) -> None:
    """Let private memory grow by that much from here; an allocation beyond it is a MemoryError."""
    if sys.platform != "linux":
        return
    status = Path("/proc/self/status").read_text(encoding="ascii")
    held_kb = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmData:"))
    limit = held_kb * 1024 + megabytes * MEGABYTE
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
