"""The command, as ``xsn-acq`` and as ``python -m xsn_acq.cli``."""

import os
import sys
from contextlib import suppress
from typing import NoReturn

from xsn_acq.cli.main import main


def command() -> NoReturn:
    """Run `main` and end the process with its exit status, at once: what it opened, it has closed.

    Threads of libca may still call into Python, and crash it while it is being taken down; and ophyd's wait
    for answers of channels that are gone, 10 s in which they keep a core busy.
    """
    ended = main()
    with suppress(BrokenPipeError):  # the reader, as head, may have had enough
        sys.stdout.flush()
    sys.stderr.flush()
    os._exit(ended)


if __name__ == "__main__":
    command()
