"""Calibrations over Channel Access: each recovers what the file has wrong and the simulator hides."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from bluesky.utils import RunEngineInterrupted

from tests.system.running import SAFE, at_rest, engine, put_right, small_tomogram
from xsn_acq.config import load_beamline
from xsn_acq.errors import CalibrationError
from xsn_acq.live.calibrate import calibrate
from xsn_acq.live.points import RunPoints
from xsn_acq.params import FindRotationAxis, FoucaultTest, KnifeEdgeScan, PixelSize, Roi
from xsn_acq.plans import calibrations
from xsn_acq.plans.xsn_tomography import xsn_tomography
from xsn_acq.sim.illumination import knife_edge
from xsn_acq.sim.nominal import nominal_state
from xsn_acq.sim.truth import Truth
from xsn_acq.storage.layout import DataFolder

pytestmark = pytest.mark.system

NAME = "pls2-7c-xni"
TRUTH = Truth()
ENERGY_EV = 8300.0
AIR = Roi(min_x=1472, min_y=1568, size_x=256, size_y=64)
AXIS = Roi(min_x=1443, min_y=1464, size_x=320, size_y=272)
BAND = Roi(min_x=0, min_y=1472, size_x=3200, size_y=256)


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
    assert np.abs(measured - truth(frequency)).max() < 0.01
    assert at_rest(devices) == SAFE
    assert_used(
        bench, replace(devices, file=found.file.model_copy(update={"ring": devices.file.ring})), curve
    )


def assert_used(bench, calibrated, curve):
    """The next tomogram's start document has the curve."""
    bench.RE(
        xsn_tomography(
            calibrated, small_tomogram(projections=6, exposure_s=2.5), folder=bench.folder / "frames"
        )
    )
    start = bench.documents.record().start
    assert start["plan_name"] == "xsn_tomography"
    assert start["beamline"]["calibration"]["knife_edge"]["run"] == curve.run
    given = start["acquisition"]["knife_edge"]
    assert given["transmitted"] == list(curve.transmitted)
    # frequencies go with the energy, here by the last digit of the encoder: 0.1 eV
    np.testing.assert_allclose(given["frequency_per_m"], np.array(curve.frequency_per_um) * 1e6, rtol=1e-4)


def test_foucault(bench, devices):
    """Within 5 % of the depth over which it matters.

    That far off, the edge runs by 2 % of the illumination's width (53 um of cutoff_x) across the field of
    60 um, and delta is 2 % wrong at its ends: 0.02 * 53 / 60 of the focal length of 60.3 mm, 1.06 mm.
    """
    wrong = devices.file.geometry.model_copy(update={"cutoff_z_pupil_mm": 0.4})
    params = FoucaultTest(planes=4, edges=9, half_range_mm=6.0, exposure_s=0.1, darks=5, roi=BAND)
    found = bench.run(calibrations.foucault_test, params, geometry=wrong)
    truth_mm = devices.file.geometry.cutoff_z_pupil_mm + TRUTH.pupil_offset_mm
    assert abs(found.file.cutoff_z_mm - truth_mm) < 0.05 * 1.06
    assert at_rest(devices) == SAFE


def test_find_rotation_axis(bench, devices):
    """Within 0.05 px of the frames, which are binned by 2; the file is 4 px wrong. The axis does not lean."""
    calibration = devices.file.calibration
    axis = calibration.rotation_axis.model_copy(update={"column": TRUTH.axis_column - 4.0})
    wrong = calibration.model_copy(update={"rotation_axis": axis})
    params = FindRotationAxis(pairs=3, exposure_s=2.0, frames_per_point=3, darks=5, flats=20, roi=AXIS)
    found = bench.run(calibrations.find_rotation_axis, params, calibration=wrong)
    axis = found.file.calibration.rotation_axis
    assert axis.column == pytest.approx(TRUTH.axis_column, abs=2 * 0.05)
    assert axis.sample_x_um == 0.0
    # 0.05 deg is 0.06 px at the field's rim
    assert axis.roll_deg == pytest.approx(TRUTH.rotation_roll_deg, abs=0.1)
    assert at_rest(devices) == SAFE


def test_pixel_size(bench, devices):
    """Within 0.2 %: 0.1 px over the 50 px that the image moves. The file is 2 % wrong."""
    wrong = devices.file.detection.model_copy(update={"objective_magnification": 19.6})
    params = PixelSize(
        points=5, half_range_um=1.0, frames_per_point=1, exposure_s=2.0, darks=5, flats=10, roi=AXIS
    )
    found = bench.run(calibrations.pixel_size, params, detection=wrong)
    assert found.file.calibration.pixel_size.ratio == pytest.approx(19.6 / 20.0, rel=0.002)
    assert at_rest(devices) == SAFE


def somewhere(devices):
    """Positions of all that calibrations move."""
    motors = (
        devices.cutoff.x,
        devices.cutoff.z,
        devices.zone_plate.z,
        devices.sample.x,
        devices.sample.theta,
    )
    return [motor.user_readback.get(use_monitor=False) for motor in motors]


PLANES, EDGES = 3, 5


def start(bench, devices):
    """The same five edges in three planes, so near to each other that the light is the same."""
    params = FoucaultTest(
        planes=PLANES, edges=EDGES, half_range_mm=0.1, exposure_s=0.2, darks=2, binning=4, roi=AIR
    )
    bench.RE(calibrations.foucault_test(devices, params, folder=bench.folder))


def scanning(record):
    """The scan is under way: points are beyond doubt."""
    return len(record.rows("points")) >= 2


def test_abort_in_mid_scan_puts_everything_back(bench, devices):
    before = somewhere(devices)
    bench.documents.once(scanning, lambda: bench.RE.abort(reason="enough"))
    with pytest.raises(RunEngineInterrupted):
        start(bench, devices)
    record = bench.documents.record()
    assert record.stop["exit_status"] == "abort"
    rows = record.rows("points")
    good = [row for row in rows if row["status"] == "ok"]
    assert record.stop["reason"] == f"broken off: {len(good)} of 15 points good"
    assert rows[-1]["first_frame"] + rows[-1]["frames"] <= record.streams["stills"].n_frames
    assert somewhere(devices) == pytest.approx(before, abs=1e-6)
    assert at_rest(devices) == SAFE
    with pytest.raises(CalibrationError, match="not a whole scan: broken off"):
        calibrate(record, DataFolder(bench.folder / "data"))


def assert_whole_and_bright(record):
    """Each point has frames beyond doubt, and all planes are as bright."""
    assert record.stop["exit_status"] == "success"
    with RunPoints(record) as points:
        light = points.each(np.mean)
        edge_um = points.column("cutoff_x_um")
    assert sorted(row["point"] for row in points.rows) == list(range(PLANES * EDGES))
    planes = light[np.argsort(edge_um)].reshape(EDGES, PLANES)
    # ring decay is divided out; what is left is drift of 0.2 % and photon noise of 0.1 %
    np.testing.assert_allclose(planes, planes[:, :1] * np.ones(PLANES), atol=0.01 * light.max())


def test_after_a_pause_the_point_is_taken_again(bench, devices, ca):
    bench.documents.once(scanning, bench.RE.request_pause)
    with pytest.raises(RunEngineInterrupted):
        start(bench, devices)
    ca.until(f"{devices.file.pvs.shutter}Sts", "Closed")
    bench.RE.resume()
    record = bench.documents.record()
    assert "flagged" in [row["status"] for row in record.rows("points")]
    assert_whole_and_bright(record)
    assert at_rest(devices) == SAFE


def test_after_a_loss_of_beam_points_are_taken_again(bench, devices, ca):
    def lose():
        bench.ioc.fault("beam_dump")
        ca.until(f"{devices.file.pvs.ring}Current", lambda current: current < 1.0)
        bench.ioc.clear_faults()

    bench.documents.once(scanning, lose)
    start(bench, devices)
    record = bench.documents.record()
    assert "flagged" in [row["status"] for row in record.rows("points")]
    assert_whole_and_bright(record)
    assert at_rest(devices) == SAFE
