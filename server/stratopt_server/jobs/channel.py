"""What a job's process says to the server."""

import os

from stratopt_server.jobs.messages import Changed, FromJob, Stage, encode


class JobFailure(Exception):
    """The job cannot go on, for a reason its owner should read."""

    def __init__(self, reason: str, message: str, **facts: object) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.facts = {name: str(value) for name, value in facts.items()}


class Channel:
    """The pipe to the server."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def send(self, message: FromJob) -> None:
        """Write one message."""
        line = encode(message)
        while line:
            line = line[os.write(self._pipe, line) :]

    def changed(self) -> None:
        """Say that the job's rows changed."""
        self.send(Changed())

    def stage(self, name: str) -> None:
        """Say what begins."""
        self.send(Stage(name))
