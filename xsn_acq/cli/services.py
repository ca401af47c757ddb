"""The processes beside the RunEngine: catalogue and live worker. Their death never stops a run."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def spawn(arguments: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start ``xsn-acq ARGUMENTS`` in a process of its own, out of reach of this terminal's Ctrl-C."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "xsn_acq.cli", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


class Service:
    """A helper process of one run, and the command that finishes its work should it have died.

    Parameters
    ----------
    during : sequence of str
        Arguments of ``xsn-acq`` while the run goes on; the process ends by itself after one run.
    after : sequence of str
        Arguments of ``xsn-acq`` that do what is left when the first process died.
    log : Path
        Where its output goes.
    """

    def __init__(self, during: Sequence[str], after: Sequence[str], log: Path) -> None:
        self._after = after
        self._log = log
        self._process = spawn(during, log)

    def finish(self, timeout_s: float) -> int:
        """Wait until its work is done, with the ``after`` command if it died; the exit status."""
        try:
            if self._process.wait(timeout_s) == 0:
                return 0
        except subprocess.TimeoutExpired:
            self.kill()
        return spawn(self._after, self._log).wait()

    def last_words(self) -> str:
        """The last line of what it said."""
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    def kill(self) -> None:
        """End it now."""
        self._process.kill()
        self._process.wait()
