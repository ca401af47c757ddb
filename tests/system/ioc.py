"""The simulated beamline in a process of its own, and its faults at run time."""

import tempfile
from pathlib import Path

from tests.system.ca_client import Client
from xsn_acq.sim.ioc.faults import parse_fault
from xsn_acq.sim.process import SimulatedProcess


class Ioc(SimulatedProcess):
    """Put faults in force while it runs.

    They go over a Channel Access client of their own, never over pyepics: two owners of one PV name in a
    process crash it at exit.
    """

    faults_at = "SIM:"
    """Prefix of the PVs that take faults."""

    def __init__(self, port=None, **options):
        log = Path(tempfile.mkstemp(prefix="ioc-", suffix=".log")[1])
        super().__init__(log, port=port, **options)
        self._client = None

    def fault(self, text):
        """Put a fault in force now, e.g. ``drop_frames count=3 seed=1``; a misspelt one raises here."""
        parse_fault(text)
        self._put(f"{self.faults_at}Fault", text)

    def clear_faults(self):
        self._put(f"{self.faults_at}Clear", 1)

    def change_sample(self, name):
        self._put(f"{self.faults_at}Sample", name)

    def _put(self, name, value):
        if self._client is None:
            self._client = Client()
        self._client.put(name, value)

    def _end(self, number):
        super()._end(number)
        if self._client is not None:
            self._client.close()
            self._client = None
