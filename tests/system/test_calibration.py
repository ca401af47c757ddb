"""Calibrations over Channel Access: each recovers what the file has wrong and the simulator hides."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from tests.system.running import SAFE, at_rest, engine, put_right
from xsn_acq.config import load_beamline
from xsn_acq.live.calibrate import calibrate
from xsn_acq.params import KnifeEdgeScan, Roi
from xsn_acq.plans import calibrations
from xsn_acq.sim.illumination import knife_edge
from xsn_acq.sim.nominal import nominal_state
from xsn_acq.sim.truth import Truth
from xsn_acq.storage.layout import DataFolder

pytestmark = pytest.mark.system

NAME = "pls2-7c-xni"
TRUTH = Truth()
ENERGY_EV = 8300.0
AIR = Roi(min_x=1472, min_y=1568, size_x=256, size_y=64)


@pytest.fixture
def bench(devices, no_faults, tmp_path):
    """Run a calibration with a beamline file that is wrong in what it measures; the file as it then is."""
    RE, documents = engine()
    data = DataFolder(tmp_path / "data")

    def run(plan, params, **wrong):
        file = devices.file.model_copy(update=wrong)
        RE(plan(replace(devices, file=file), params, folder=tmp_path / "frames"))
        record = documents.record()
        assert record.stop["exit_status"] == "success"
        found = calibrate(record, data)
        assert found.picture.read_bytes().startswith(b"\x89PNG")
        return SimpleNamespace(
            line=found.line, record=record, file=load_beamline(NAME, calibrations=data.calibrations)
        )

    yield SimpleNamespace(run=run, RE=RE, documents=documents, ioc=no_faults, folder=tmp_path)
    put_right(RE, devices)


def test_knife_edge(bench, devices):
    """W within 1 % of all light, everywhere: what is between the points of the scan included."""
    params = KnifeEdgeScan(points=19, exposure_s=0.1, darks=5, binning=8, roi=AIR)
    found = bench.run(calibrations.knife_edge, params)
    truth = knife_edge(devices.file, TRUTH, nominal_state(devices.file), ENERGY_EV)
    frequency = np.linspace(*truth.support_per_m, 500)
    curve = found.file.calibration.knife_edge
    assert curve.run == found.record.uid
    measured = np.interp(frequency * 1e-6, curve.frequency_per_um, curve.transmitted)
    print(found.line, np.abs(measured - truth(frequency)).max())  # noqa: T201
    assert np.abs(measured - truth(frequency)).max() < 0.01
    assert found.line.startswith("knife edge: half of the light passes at ")
    assert at_rest(devices) == SAFE
