"""What a forked process does: limit itself, do the task, say how it went, and end."""

import os
import resource
import sys
import traceback
from pathlib import Path

from stratopt_server.domain.errors import RequestRefused, StratoptError, Unavailable
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

MEGABYTE = 1 << 20


def run(task: Task, pipe: int) -> None:
    """Do the task and end the process."""
    channel = Channel(pipe)
    code = 1
    try:
        code = _run(task, channel)
    except BrokenPipeError:
        pass  # the server is gone: nobody to tell
    except BaseException:  # noqa: BLE001 - the end of the process: whatever it was, it is on stderr
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _run(task: Task, channel: Channel) -> int:
    """Do the task; report what went wrong in a way the server can pass on."""
    try:
        limit_memory(task.memory_mb_max)
        channel.send(Done(_do(task, channel)))
    except LeaseLost:
        return 0  # cancelled, or another server's now: what was found is not ours to store
    except Unavailable as trouble:
        channel.send(Interrupted(reason=trouble.reason, message=trouble.message))
    except RequestRefused as refusal:
        channel.send(Refused(refusal.violations))
    except (JobFailure, StratoptError) as failure:
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


def limit_memory(megabytes: int) -> None:
    """Let private memory grow by that much from here; an allocation beyond it is a MemoryError."""
    if sys.platform != "linux":
        return
    status = Path("/proc/self/status").read_text(encoding="ascii")
    held_kb = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmData:"))
    limit = held_kb * 1024 + megabytes * MEGABYTE
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
