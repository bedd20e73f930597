"""`health`: ask a server whether it serves, as a container or a supervisor does."""

import argparse
import sys
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from stratopt_server.settings_reading import read_settings

ANSWER_SECONDS_MAX = 5.0
"""How long a server may take to answer."""
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - nothing is bound here
"""Where to ask a server that listens on all addresses."""


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `health` to the commands of the server."""
    health = commands.add_parser("health", help="ask whether a server serves; exit with 0 if it does")
    health.add_argument(
        "address",
        nargs="?",
        metavar="ADDRESS",
        help="HOST:PORT of its gRPC port; without it the one that STRATOPT_LISTEN names",
    )
    health.set_defaults(run=_health)


def trouble_of(address: str) -> str | None:
    """Ask the server there how it is; None if it serves, else why it does not."""
    host, _, port = address.rpartition(":")
    if port == "0":
        return "port 0 stands for any free one: name the address that the server listens on"
    target = f"{EVERYWHERE.get(host, host)}:{port}"
    # A proxy of the environment does not stand between a server and whoever looks after it.
    with grpc.insecure_channel(target, options=[("grpc.enable_http_proxy", 0)]) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check
        try:
            answer = check(health_pb2.HealthCheckRequest(), timeout=ANSWER_SECONDS_MAX)
        except grpc.RpcError as error:
            call: Any = error  # gRPC raises what is a call too
            return f"no answer: {' '.join(str(call.details()).split())}"
    if answer.status == health_pb2.HealthCheckResponse.SERVING:
        return None
    return f"it is {health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)}"


def _health(arguments: argparse.Namespace) -> None:
    address = arguments.address or read_settings().listen
    trouble = trouble_of(address)
    if trouble is not None:
        print(f"{address}: {trouble}", file=sys.stderr)  # noqa: T201 - this is the answer
        sys.exit(1)
