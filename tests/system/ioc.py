"""The simulated beamline in a process of its own."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from tests.system.ca_client import Client
from xsn_acq.sim.ioc.faults import parse_fault

READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0


class Ioc:
    """Start, kill and restart ``xsn-acq sim``, and tell it its faults.

    Faults go over a Channel Access client of their own, never over pyepics: two owners of one PV name in a
    process crash it at exit.
    """

    def __init__(
        self, port, *, speed=20.0, seed=7, sample="microparticles", faults=(), beamline="pls2-7c-xni"
    ):
        self.port, self.speed, self.seed, self.sample = port, speed, seed, sample
        self.faults, self.beamline = tuple(faults), beamline
        self.process = self._client = None
        self.log = Path(tempfile.mkstemp(prefix="ioc-", suffix=".log")[1])

    def start(self):
        command = [sys.executable, "-m", "xsn_acq.cli", "sim", self.beamline, "--port", str(self.port)]
        command += ["--speed", str(self.speed), "--seed", str(self.seed), "--sample", self.sample]
        for fault in self.faults:
            command += ["--fault", fault]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with self.log.open("a") as errors:
            self.process = subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        watchdog = threading.Timer(READY_TIMEOUT_S, self.process.kill)
        watchdog.start()
        try:
            ready = self.process.stdout.readline()
        finally:
            watchdog.cancel()
        if not ready:
            raise RuntimeError(f"the simulated beamline did not start: {self.log.read_text()[-2000:]}")
        return self

    def stop(self):
        """End it as a person would: SIGTERM."""
        self._end(signal.SIGTERM)

    def kill(self):
        """End it as a power cut would: SIGKILL."""
        self._end(signal.SIGKILL)

    def restart(self):
        self.kill()
        return self.start()

    def suspend(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def fault(self, text):
        """Put a fault in force now, e.g. ``drop_frames count=3 seed=1``; a misspelt one raises here."""
        parse_fault(text)
        self._put("SIM:Fault", text)

    def clear_faults(self):
        self._put("SIM:Clear", 1)

    def change_sample(self, name):
        self._put("SIM:Sample", name)

    def _put(self, name, value):
        if self._client is None:
            self._client = Client()
        self._client.put(name, value)

    def _end(self, number):
        if self._client is not None:
            self._client.close()
            self._client = None
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.process = None
