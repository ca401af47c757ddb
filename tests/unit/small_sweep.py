"""A small sweep on the fake instrument, for the tests of its plan."""

import pytest
from structured_machine import StructuredMachine

from xsn_acq.params import Roi, StructuredIllumination
from xsn_acq.params.structured import Sheets
from xsn_acq.plans import exposing
from xsn_acq.plans.structured_illumination import structured_illumination

MODES = pytest.mark.parametrize("mode", ["step", "fly"])
SMALL = {
    "lines": 2,
    "per_line": 3,
    "lines_per_block": 1,
    "references_every": 2,
    "darks": 2,
    "exposure_s": 0.1,
    "sheets": Sheets(step_mm=0.004),
    "roi": Roi(min_x=1500, min_y=1500, size_x=64, size_y=64),
}
ORDER = [
    ("reference", 0),
    *(("in", n) for n in (0, 1, 2)),
    *(("out", n) for n in (0, 1, 2)),
    *(("out", n) for n in (3, 4, 5)),
    *(("in", n) for n in (3, 4, 5)),
]
"""Two blocks of a line: the sample is moved out, and after the second block in again."""


def small(**changes):
    return StructuredIllumination(**(SMALL | changes))


def prompt_machine(monkeypatch):
    """A machine whose frames that are to come are here at once: nobody waits for others."""
    monkeypatch.setattr(exposing, "PATIENCE_S", 0.005)
    monkeypatch.setattr(exposing, "PATIENCE_PERIODS", 0)
    return StructuredMachine()


def play(machine, folder, params, **options):
    """Play the plan; its rows."""
    machine.run(structured_illumination(machine.devices, params, folder=folder, **options))
    return machine.rows["points"]


def closing(machine):
    (message,) = machine.told("close_run")
    return message.kwargs
