"""A really started gateway, and how tests speak to it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

STOP_SECONDS = 20.0
JOB_SECONDS = 60.0
PROBLEM = "application/problem+json"


class GatewayProcess:
    """A gateway in a process of its own, on a free port."""

    def __init__(self, server: str, log: Path, settings: Mapping[str, str] | None = None) -> None:
        """Start it and wait until it says where it listens."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("STRATOPT_")}
        environment |= {
            "STRATOPT_GATEWAY_LISTEN": "127.0.0.1:0",
            "STRATOPT_GATEWAY_SERVER": server,
            **(settings or {}),
        }
        self._log_path = log
        with log.open("a") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "stratopt_gateway"],
                stdout=subprocess.PIPE,
                stderr=file,
                env=environment,
                text=True,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self.stop()
        assert line, f"the gateway did not start:\n{self.log()}"
        self.url: str = json.loads(line)["listening"]

    def log(self) -> str:
        """Everything it has logged."""
        return self._log_path.read_text()

    def open(self, **options: Any) -> httpx.Client:
        """Return a client of it."""
        return httpx.Client(base_url=self.url, timeout=JOB_SECONDS, trust_env=False, **options)

    def stop(self) -> int:
        """Ask it to end, wait, and return its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(STOP_SECONDS)
        if self._process.stdout is not None:
            self._process.stdout.close()
        return code


def problem_of(response: httpx.Response, status: int) -> dict[str, Any]:
    """Return the problem that an answer is, after checking that it is a whole one."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == PROBLEM
    said: dict[str, Any] = response.json()
    assert set(said) == {"type", "title", "status", "detail", "reason", "errors"}
    assert said["status"] == status
    assert said["type"] == f"urn:stratopt:problem:{said['reason'].lower().replace('_', '-')}"
    assert said["title"]
    assert said["detail"]
    assert "Traceback" not in response.text
    return said


def done(http: httpx.Client, path: str, **query: str) -> dict[str, Any]:
    """Ask for a job's status until it has ended well; return the last answer."""
    deadline = time.monotonic() + JOB_SECONDS
    while True:
        answer = http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        job: dict[str, Any] = answer.json()
        if job["status"] not in ("pending", "running"):
            assert job["status"] == "succeeded", job
            return job
        assert time.monotonic() < deadline, f"not done within {JOB_SECONDS} s: {job}"
        time.sleep(0.05)


def events_of(response: httpx.Response) -> Iterator[dict[str, str]]:
    """Yield what an event stream sends, a dictionary of its fields each; comments have the field `:`."""
    event: dict[str, str] = {}
    for line in response.iter_lines():
        if line:
            name, _, value = line.partition(": ")
            event[name or ":"] = value
        elif event:
            yield event
            event = {}
