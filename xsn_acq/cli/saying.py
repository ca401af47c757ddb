"""What ``xsn-acq run`` says beside its results."""

import sys


def say(what: str) -> None:
    """One line to whoever started the command."""
    print(f"xsn-acq run: {what}", file=sys.stderr, flush=True)
