"""A session against a simulated beamline of its own, for the benchmarks of the acquisition."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from xsn_acq.sim.process import SimulatedProcess


@contextmanager
def session(speed: float, *subscribers: Any) -> Iterator[Any]:
    """Open a session; Channel Access of this process is set up for it: one session in a process."""
    with (
        tempfile.TemporaryDirectory() as folder,
        SimulatedProcess(Path(folder) / "sim.log", speed=speed) as simulated,
    ):
        os.environ.update(simulated.environment)
        from xsn_acq.config import load_beamline
        from xsn_acq.session import open_session
        from xsn_acq.storage.layout import DataFolder

        data = DataFolder(Path(folder) / "data")
        with open_session(
            load_beamline("pls2-7c-xni"),
            data,
            "tcp://127.0.0.1:*",
            connect_timeout_s=30.0,
            subscribers=subscribers,
        ) as opened:
            yield opened


class Stopwatch:
    """Subscriber that reads a clock at the start and the stop document of each run."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._begin = 0.0
        self.spans: list[float] = []

    def __call__(self, name: str, doc: dict[str, Any]) -> None:
        if name == "start":
            self._begin = self._clock()
        elif name == "stop":
            self.spans.append(self._clock() - self._begin)
