"""The processes beside the RunEngine: catalogue and live worker. Their death never stops a run."""

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from xsn_acq.cli import status

_STDIN = 0


def spawn(arguments: Sequence[str], log: Path, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """Start ``xsn-acq ARGUMENTS`` in a process of its own, out of reach of this terminal's Ctrl-C."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "xsn_acq.cli", *arguments],
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def end_of_input() -> threading.Event:
    """Set when standard input ends: whoever started this process needs it no more, or has died."""
    ended = threading.Event()

    def wait() -> None:
        while os.read(_STDIN, 1024):
            pass
        ended.set()

    threading.Thread(target=wait, name="end of input", daemon=True).start()
    return ended


class Service:
    """A helper process of one session, which does what is left and ends when its standard input does.

    Parameters
    ----------
    arguments : sequence of str
        Arguments of ``xsn-acq``. Should the process have died, another with the same does what is left.
    log : Path
        Where its output goes.
    """

    def __init__(self, arguments: Sequence[str], log: Path) -> None:
        self._arguments = arguments
        self._log = log
        self._process = spawn(arguments, log, subprocess.PIPE)

    def finish(self, timeout_s: float) -> int:
        """Tell that the session is over and wait until its work is done; the exit status."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            ended = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            ended = status.FAILED
        if ended in (status.WELL, status.REFUSED):
            return ended
        return spawn(self._arguments, self._log).wait()

    def last_words(self) -> str:
        """The last line of what it said."""
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    def kill(self) -> None:
        """End it now."""
        self._process.kill()
        self._process.wait()
