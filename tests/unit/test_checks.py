"""Everything that is refused before anything moves; frame timing; the estimate."""

import math
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from fake_instrument import FILE, instrument

from xsn_acq.errors import LimitError
from xsn_acq.params import Roi, XsnTomography
from xsn_acq.plans.checks import check_before, folder_faults
from xsn_acq.plans.estimate import estimate
from xsn_acq.plans.feasible import infeasible
from xsn_acq.plans.framing import framing, run_up_deg, sweep
from xsn_acq.plans.state import acquisition, read_state
from xsn_acq.sim.alignment import Alignment
from xsn_acq.sim.nominal import nominal_state
from xsn_acq.sim.truth import Truth

PARAMS = XsnTomography(roi=Roi(min_x=1412, min_y=1472, size_x=384, size_y=256))


def faults(devices, folder, params=PARAMS):
    try:
        check_before(devices, params, framing(FILE, params), read_state(devices), folder)
    except LimitError as error:
        return list(error.faults)
    return []


def test_an_aligned_instrument_passes(tmp_path):
    assert faults(instrument(), tmp_path) == []
    assert list(tmp_path.iterdir()) == []  # the probe is gone


def spoil(path, value):
    def apply(devices):
        *parents, last = path.split(".")
        target = devices
        for parent in parents:
            target = getattr(target, parent)
        setattr(target, last, value)

    return apply


SPOILT = [
    ("ring.current.value", 20.0, "ring: wanted 50 mA or more, found 20.0 mA"),
    ("ring.current.value", math.nan, "wanted 50 mA or more, found nan mA"),
    ("sample.x.user_readback.value", 55.0, "wanted the sample in the beam, found it at 55.0 um"),
    ("front_end_shutter.word", "closed", "front_end_shutter: wanted open, found closed"),
    ("shutter.word", "Moving", "shutter: wanted open or closed, found Moving"),
    ("mono.feedback.is_locked", False, "mono feedback: wanted locked"),
    ("mono.energy_ev.value", 7000.0, "energy: wanted 7500.0 to 9500.0 eV, found 7000.0 eV"),
    ("mono.energy_ev.value", math.nan, "energy_ev reads nan"),
    ("mono.energy_ev.value", 8330.0, "zone_plate_z: wanted"),
    ("zone_plate.z.user_readback.value", 0.5, "zone_plate_z: wanted"),
    ("cutoff.z.user_readback.value", -0.8, "cutoff_z: wanted 0.000 +- 0.731 mm, the plane of the pupil"),
    ("zone_plate.z.user_readback.value", math.inf, "zone_plate_z_mm reads inf"),
    ("undulator.gap.value", 8.0, "undulator gap: wanted harmonic 3 at 8300.0"),
    ("undulator.gap.value", math.nan, "gap_mm reads nan"),
    ("undulator.deadband.value", 0.01, "undulator: wanted dead band 0, found 0.01 mm"),
    ("cutoff.x.user_readback.value", math.nan, "cutoff_x_um reads nan"),
    ("camera.cam.is_acquiring", lambda: True, "camera: wanted idle, found acquiring"),
    ("position_compare.is_armed", lambda: True, "wanted disarmed, found armed; unless another session"),
    ("sample.theta.max_velocity.value", 0.1, "sample_theta: wanted 0.19"),
    ("sample.x.user_readback.value", 3000.0, "sample_x: 3000.0 is outside"),
]


@pytest.mark.parametrize(("path", "value", "message"), SPOILT, ids=[message for *_, message in SPOILT])
def test_refused(tmp_path, path, value, message):
    devices = instrument()
    spoil(path, value)(devices)
    assert any(message in fault for fault in faults(devices, tmp_path))


PARAMETERS = [
    ({"sample_out_um": 2500.0}, "sample_x: wanted -2000 to 2000 um, found 2500 um for the flats"),
    ({"start_deg": 100.0}, "to 460."),
    ({"start_deg": -390.0, "direction": -1, "span_deg": 170.0}, "to -560."),
    ({"start_deg": 400.0, "direction": -1}, "found 400.1"),  # only the run-up is outside
    (
        {"exposure_s": 0.001, "projections": 450, "span_deg": 180.0},
        "sample_theta: wanted 137.4 deg/s, its greatest speed is 30 deg/s",
    ),
    ({"projections": 90000}, "sample_theta: wanted steps of 0.01 deg or more, found 0.004 deg"),
    (
        {"roi": Roi(min_x=3100, min_y=0, size_x=256, size_y=256)},
        "roi.x: wanted at most 3200 px, found 3100 + 256",
    ),
    (
        {"roi": Roi(min_x=0, min_y=1500, size_x=64, size_y=64)},
        "roi.x: wanted the rotation axis in it, column 1603.4 of the sensor, found columns 0 to 63",
    ),
    ({"roi": Roi(min_x=1500, min_y=3200, size_x=256, size_y=256)}, "roi.y: wanted at most 3200 px"),
]


def changed(changes):
    return XsnTomography(**(PARAMS.model_dump(exclude={"roi"}) | {"roi": PARAMS.roi} | changes))


@pytest.mark.parametrize(("changes", "message"), PARAMETERS, ids=[str(c) for c, _ in PARAMETERS])
def test_refused_parameters(tmp_path, changes, message):
    """The beamline file alone tells; the instrument's own limits do not say the same again."""
    (told,) = infeasible(FILE, changed(changes))
    assert message in told
    assert faults(instrument(), tmp_path, changed(changes)) == [told]


def test_what_the_file_allows_is_feasible():
    assert infeasible(FILE, PARAMS) == []
    assert infeasible(FILE, changed({"start_deg": 399.0, "direction": -1})) == []


def test_everything_infeasible_comes_at_once():
    roi = Roi(min_x=3100, min_y=0, size_x=256, size_y=256)
    worst = {"exposure_s": 1e-4, "projections": 36, "span_deg": 720.0, "sample_out_um": -1e4, "roi": roi}
    assert len(infeasible(FILE, changed(worst))) == 4


def test_a_slower_record_counts(tmp_path):
    devices = instrument()
    near_the_limit = changed({"start_deg": 399.5, "direction": -1})
    assert faults(devices, tmp_path, near_the_limit) == []
    devices.sample.theta.acceleration.value = 20.0
    (told,) = faults(devices, tmp_path, near_the_limit)
    assert "with the run-up" in told


def test_soft_limits_of_a_record_count(tmp_path):
    devices = instrument()
    devices.sample.x.limit_faults = lambda position: [f"soft {position}"] if position > 50 else []
    assert faults(devices, tmp_path) == ["soft 60.0"]


def test_all_reasons_come_at_once(tmp_path):
    devices = instrument()
    devices.ring.current.value = 1.0
    devices.undulator.gap.value = 8.0
    params = PARAMS.model_copy(update={"sample_out_um": 2500.0})
    assert len(faults(devices, tmp_path, params)) == 3


def test_folder(tmp_path, monkeypatch):
    assert list(folder_faults(tmp_path / "new" / "folder", 1000)) == []
    (tmp_path / "file").touch()
    assert "found: Not a directory" in next(folder_faults(tmp_path / "file" / "frames", 1000))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1_000_000_000))
    (fault,) = folder_faults(tmp_path, 1_000_000_000)
    assert "wanted 1.10 GB free, found 1.00 GB" in fault


def test_read_only_folder(tmp_path, monkeypatch):
    def denied(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.open", denied)
    assert "found: Permission denied" in next(folder_faults(tmp_path, 1))


def test_frame_timing():
    frame = framing(FILE, PARAMS)
    assert frame.shape == (128, 192)
    assert frame.bytes_per_frame == 2 * 128 * 192
    assert frame.readout_s == pytest.approx(0.0114 * 256 / 3200)
    assert frame.period_s > frame.exposure_s + frame.readout_s
    free = framing(FILE, PARAMS.model_copy(update={"trigger": "free_running"}))
    assert free.period_s == free.exposure_s + free.readout_s
    assert framing(FILE, PARAMS.model_copy(update={"readout_port": "2"})).bytes_per_frame == 128 * 192
    assert framing(FILE, XsnTomography()).roi == (0, 0, 3200, 3200)


def test_axis_column_of_the_binned_frame():
    """A column in the middle between binned pixels 95 and 96 of the region: 95.5."""
    frame = framing(FILE, PARAMS)
    first_of_95 = 1412 + 2 * 95
    assert frame.axis_column(first_of_95 + 1.5) == 95.5
    assert frame.axis_column(1412 + 0.5) == 0.0


@pytest.mark.parametrize(("direction", "start"), [(1, 0.0), (-1, 360.0)])
def test_sweep_reaches_velocity_before_the_first_pulse(direction, start):
    params = PARAMS.model_copy(update={"direction": direction, "start_deg": start})
    rhythm = framing(FILE, params).rhythm(params)
    turn = sweep(rhythm, start, 900, 0.5, 0.001)
    ramp = 0.5 * rhythm.velocity_deg_s * 0.5
    assert direction * (start - turn.begin_deg) > ramp
    # the last exposure starts one step before the end of the span and is over before the stage brakes
    assert direction * (turn.end_deg - start) > 360.0 + ramp


def test_run_up_of_a_slow_stage_has_a_margin_in_angle():
    assert run_up_deg(0.001, 0.5, 0.001) == pytest.approx(0.00025 + 0.01)


def test_acquisition_follows_the_energy():
    devices = instrument()
    devices.mono.energy_ev.value = 8333.0
    devices.cutoff.x.user_readback.value = 9.0
    found = acquisition(FILE, PARAMS, framing(FILE, PARAMS), read_state(devices))
    # f NA / (lambda f): the edge of the pupil, 150 um, is at NA / lambda = 1 / (2 x 30 nm)
    assert found["cutoff_per_m"] == pytest.approx(9.0 / 150.0 / 60e-9)
    highest = FILE.calibration.knife_edge.frequency_per_um[-1]  # measured at 8300 eV
    assert found["knife_edge"]["frequency_per_m"][-1] == pytest.approx(highest * 1e6 * 8333 / 8300)
    assert found["wavelength_m"] == pytest.approx(148.788e-12, rel=1e-5)


@pytest.mark.parametrize(("energy_ev", "detector_z_mm"), [(8300.0, 0.0), (7500.0, 0.0), (9500.0, 20.0)])
def test_axis_column_follows_the_magnification(energy_ev, detector_z_mm):
    truth = Truth(axis_column=FILE.calibration.rotation_axis.column, runout_nm=0.0)
    z = FILE.zone_plate_z_mm(energy_ev, detector_z_mm)
    there = replace(nominal_state(FILE, energy_ev), zone_plate_z_mm=z, detector_z_mm=detector_z_mm)
    view = Alignment(FILE, truth, replace(there, sample_x_um=2.0))
    columns = np.arange(3200)
    wanted = np.interp(view.axis_um(0.0)[0], view.x_um(columns), columns)

    devices = instrument()
    devices.mono.energy_ev.value = energy_ev
    devices.detector.z.user_readback.value = detector_z_mm
    devices.sample.x.user_readback.value = 2.0
    found = acquisition(FILE, PARAMS, framing(FILE, PARAMS), read_state(devices))
    assert found["axis_column"] == pytest.approx(framing(FILE, PARAMS).axis_column(wanted), abs=0.01)


def test_estimate_of_the_papers_tomogram():
    cost = estimate(FILE, XsnTomography())
    assert cost.frames == 940
    # 30 min of exposure; readout, flats, darks and moves add less than 7 % (the paper's overhead was 17 %)
    assert 1800 < cost.duration_s < 1.07 * 1800
    assert 1800 < cost.open_shutter_s < 1.02 * 1800
    assert cost.disk_bytes == 940 * 1600 * 1600 * 2
    text = cost.summary()
    for part in ("940 frames of 1600 x 1600", "31 min", "4.81 GB", "0.4 deg"):
        assert part in text


@pytest.mark.parametrize(
    ("span", "projections", "says"),
    [(360.0, 900, ""), (720.0, 1800, ""), (270.0, 900, "over 90 of 180 deg"), (180.0, 450, "no volume")],
)
def test_the_estimate_warns_of_angles_without_partners(span, projections, says):
    summary = estimate(FILE, XsnTomography(span_deg=span, projections=projections)).summary()
    assert says in summary
    assert ("NOTE" in summary) == bool(says)


def test_estimate_of_hours_and_bytes():
    cost = estimate(FILE, XsnTomography(projections=9000, roi=Roi(min_x=0, min_y=0, size_x=16, size_y=16)))
    assert "5 h" in cost.summary()
    assert "MB" in cost.summary()
