"""``xsn-acq sim`` in a process of its own, for demo, tests and benchmarks; on this machine only."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from xsn_acq.errors import XsnError

READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0


def free_ports(count: int) -> list[int]:
    """Ports nobody uses, all different."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def how_to_reach(port: int) -> str:
    """Return the command after which Channel Access clients of another shell find the simulated beamline."""
    return f"export EPICS_CA_ADDR_LIST=127.0.0.1 EPICS_CA_AUTO_ADDR_LIST=NO EPICS_CA_SERVER_PORT={port}"


def loopback(port: int, repeater_port: int) -> dict[str, str]:
    """Environment in which Channel Access finds the simulated beamline on ``port`` and nothing else."""
    return {
        "EPICS_CA_ADDR_LIST": "127.0.0.1",
        "EPICS_CA_AUTO_ADDR_LIST": "NO",
        "EPICS_CA_SERVER_PORT": str(port),
        "EPICS_CA_REPEATER_PORT": str(repeater_port),
        "EPICS_CA_MAX_ARRAY_BYTES": "1000000",
    }


class SimulatedProcess:
    """A simulated beamline that can be started, killed and started again.

    Parameters
    ----------
    log : Path
        Where its messages go.
    port, repeater_port : int, optional
        Channel Access ports; any free ones when left out.
    speed, seed, sample, faults, hidden, beamline
        As of ``xsn-acq sim``.

    Attributes
    ----------
    environment : dict
        The variables with which Channel Access clients find it.
    ready : str
        What it said when it was ready.
    """

    def __init__(
        self,
        log: Path,
        *,
        port: int | None = None,
        repeater_port: int | None = None,
        speed: float = 20.0,
        seed: int = 7,
        sample: str = "microparticles",
        faults: Sequence[str] = (),
        hidden: Sequence[str] = (),
        beamline: str = "pls2-7c-xni",
    ) -> None:
        free = free_ports(2)
        self.log = log
        self.environment = loopback(port or free[0], repeater_port or free[1])
        self.ready = ""
        self._process: subprocess.Popen[str] | None = None
        self._command = [sys.executable, "-m", "xsn_acq.cli", "sim", beamline]
        self._command += ["--port", self.environment["EPICS_CA_SERVER_PORT"], "--speed", str(speed)]
        self._command += ["--seed", str(seed), "--sample", sample]
        for fault in faults:
            self._command += ["--fault", fault]
        for truth in hidden:
            self._command += ["--hidden", truth]

    def start(self) -> Self:
        """Start, and wait until clients can connect.

        Raises
        ------
        XsnError
            It ended instead, or was not ready in time.
        """
        environment = {**os.environ, **self.environment, "OMP_NUM_THREADS": "1"}
        with self.log.open("a") as errors:
            process = subprocess.Popen(
                self._command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        self._process = process
        watchdog = threading.Timer(READY_TIMEOUT_S, process.kill)
        watchdog.start()
        assert process.stdout is not None
        self.ready = process.stdout.readline().rstrip()
        watchdog.cancel()
        if not self.ready:
            self.stop()
            last = self.log.read_text().strip().splitlines()[-1:]
            raise XsnError(f"the simulated beamline did not start: {' '.join(last)}; see {self.log}")
        return self

    def stop(self) -> None:
        """End it as a person would: SIGTERM."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would: SIGKILL."""
        self._end(signal.SIGKILL)

    def restart(self) -> Self:
        """Power cut, and the power is back."""
        self.kill()
        return self.start()

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
        process, self._process = self._process, None
        if process is None:
            return
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
