"""`python -m stratopt_server`: read the settings, serve until SIGTERM or SIGINT, drain.

SIGHUP reads the routes file again. With a command (`--help` lists them) it does that instead of serving.
"""

import argparse
import sys

from stratopt_server import config_show, health_command
from stratopt_server.settings import UnusableSettings

LIGHT = {"config": config_show.add_command, "health": health_command.add_command}
"""Commands that need no more than the settings: a health check every few seconds must not load the server."""
LIGHT_FAULTS = (OSError, UnusableSettings)
"""What of theirs an operator can mend; anything else is a bug and shows its traceback."""


def main() -> None:
    """Serve, or do what is asked; what keeps it from that is told on standard error, with exit code 2."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}", description="Serve until SIGTERM or SIGINT, or run a command."
    )
    commands = parser.add_subparsers(metavar="COMMAND")
    for add_command in LIGHT.values():
        add_command(commands)
    faults: tuple[type[Exception], ...] = LIGHT_FAULTS
    if not (sys.argv[1:] and sys.argv[1] in LIGHT):
        from stratopt_server import serving  # noqa: PLC0415 - the rest does without

        faults = serving.STARTING_FAULTS
        parser.set_defaults(run=serving.run)
        for add_command in serving.COMMANDS:
            add_command(commands)
    arguments = parser.parse_args()
    try:
        arguments.run(arguments)
    except faults as error:
        print(error, file=sys.stderr)  # noqa: T201
        sys.exit(2)


if __name__ == "__main__":
    main()
