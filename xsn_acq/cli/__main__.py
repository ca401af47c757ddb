"""The command, as ``xsn-acq`` and as ``python -m xsn_acq.cli``."""

import os
import sys
from typing import NoReturn

from xsn_acq.cli import status
from xsn_acq.cli.main import main


def command() -> NoReturn:
    """Run `main` and end the process with its exit status.

    One that was broken off ends at once: threads of libca may still call into Python, and crash it when it
    is being taken down.
    """
    ended = main()
    if ended == status.BROKEN_OFF:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended)
    sys.exit(ended)


if __name__ == "__main__":
    command()
