"""What this package needs beyond the client, loaded when it is used."""

from typing import NoReturn


def absent(what: str, error: ImportError) -> NoReturn:
    """Say how to install what is not there."""
    raise ImportError(f"this needs {what}: pip install 'stratopt[packages]'") from error
