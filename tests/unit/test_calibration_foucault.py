from dataclasses import replace

import numpy as np
import pytest

from xsn_acq.analysis.calibration.foucault import pupil_plane
from xsn_acq.config import load_beamline
from xsn_acq.errors import CalibrationError
from xsn_acq.sim.alignment import Alignment, binned_centres
from xsn_acq.sim.microscope import Microscope
from xsn_acq.sim.nominal import nominal_state
from xsn_acq.sim.phantoms import phantom
from xsn_acq.sim.state import CameraSettings
from xsn_acq.sim.truth import Truth

BEAMLINE = load_beamline("pls2-7c-xni")
STATE = replace(nominal_state(BEAMLINE), shutter_open=True, sample_x_um=60.0)
FOCAL_M = BEAMLINE.zone_plate.focal_length_m(8300.0)
CAMERA = CameraSettings(0.1, 600, 1568, 2000, 64, 8)  # 37 um wide, 7200 photons a binned pixel when open
Z_MM = np.linspace(-6.0, 6.0, 7)
CUTOFF_UM = np.linspace(-40.0, 40.0, 9)


def measured(truth, z_mm=Z_MM, cutoff_um=CUTOFF_UM, passes="positive", camera=CAMERA, seed=2):
    """Counts (z, cutoff x, column) above dark, all noise and drift of the simulator on."""
    geometry = BEAMLINE.geometry.model_copy(update={"cutoff_passes": passes})
    scope = Microscope(BEAMLINE.model_copy(update={"geometry": geometry}), phantom("empty"), truth, seed)
    counts = np.zeros((len(z_mm), len(cutoff_um), camera.shape[1]))
    for i, z in enumerate(z_mm):
        for j, cutoff in enumerate(cutoff_um):
            number = i * len(cutoff_um) + j
            state = replace(STATE, cutoff_z_mm=z, cutoff_x_um=cutoff, time_s=2.5 * number)
            counts[i, j] = scope.frame(state, camera, number).mean(axis=0) - 100.0
    return counts


def column_x_m(camera=CAMERA):
    return Alignment(BEAMLINE, Truth(), STATE).x_um(binned_centres(camera)[0]) * 1e-6


def plane_of(counts, z_mm=Z_MM, cutoff_um=CUTOFF_UM, **more):
    return pupil_plane(z_mm, cutoff_um, counts, focal_length_m=FOCAL_M, column_x_m=column_x_m(), **more)


@pytest.mark.parametrize("passes", ["positive", "negative"])
@pytest.mark.parametrize("offset_mm", [1.3, -3.7])
def test_the_hidden_pupil_is_found(offset_mm, passes):
    cutoff = CUTOFF_UM if passes == "positive" else -CUTOFF_UM
    result = plane_of(
        measured(Truth(pupil_offset_mm=offset_mm), cutoff_um=cutoff, passes=passes), cutoff_um=cutoff
    )
    # 5 % of the depth over which it matters; photon noise of 64 rows leaves 1 %
    assert abs(result.z_mm - offset_mm) < 0.05 * result.depth_mm
    assert abs(result.z_mm - offset_mm) < 4 * result.sigma_mm


def test_four_positions_of_the_edge_will_do():
    cutoff = np.array([-45.0, -15.0, 0.0, 15.0])
    result = plane_of(measured(Truth(pupil_offset_mm=1.3), cutoff_um=cutoff), cutoff_um=cutoff)
    assert abs(result.z_mm - 1.3) < 0.1 * result.depth_mm  # the slope of so few is rough


def test_the_depth_is_where_the_edge_differs_by_the_tolerance():
    result = plane_of(measured(Truth()), tolerance=0.1)
    # the illumination's half width 0.22 NA / lambda is 33 um in the pupil; C over its steepest slope is
    # pi / 4 of the whole width for a half ellipse, a little less with the skew
    width_m = 2 * 0.22 * BEAMLINE.zone_plate.numerical_aperture(8300.0) * FOCAL_M
    field_m = np.ptp(column_x_m())
    assert result.depth_mm == pytest.approx(1e3 * 0.1 * 0.76 * width_m * FOCAL_M / field_m, rel=0.1)


def test_the_nonuniformity_is_what_the_field_shows():
    truth = Truth(pupil_offset_mm=1.0)
    result = plane_of(measured(truth))
    assert np.all(np.diff(result.nonuniformity) < 0)
    quiet = Microscope(BEAMLINE, phantom("empty"), truth)
    half, whole = (
        quiet.photons(replace(STATE, cutoff_z_mm=Z_MM[-1], cutoff_x_um=x), CAMERA).mean(axis=0)
        for x in (0.0, -60.0)
    )
    passing = half / whole
    # the steepest place of the curve is a little off its middle
    assert result.nonuniformity[-1] == pytest.approx(passing[-1] - passing[0], rel=0.15)


def one_plane_dark():
    counts = measured(Truth())
    counts[3] = 0
    return counts


def mirrored():
    return measured(Truth())[:, :, ::-1]


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (lambda: measured(Truth(pupil_offset_mm=9.0)), r"seems to be at [89]\.\d\d mm, outside the scan"),
        (mirrored, "are columns and focal length right"),
        (lambda: np.repeat(measured(Truth())[:1], 7, axis=0), "is it the cutoff filter's"),
        (lambda: measured(Truth())[:, :, :3], "wanted the shape"),
        (lambda: np.ones((7, 9, 250)), "darkens the field by 0% only"),
        (lambda: np.full((7, 9, 250), np.nan), "finite"),
        (lambda: np.zeros((7, 9, 250)), "wanted light above dark in all columns and planes, found 0 in one"),
        (lambda: np.random.default_rng(4).normal(0, 0.1, (7, 9, 250)), "was the shutter open"),
        (one_plane_dark, "wanted light above dark"),
    ],
)
def test_scans_that_show_no_pupil_are_refused(counts, message):
    with pytest.raises(CalibrationError, match=message):
        plane_of(counts())


def test_too_few_positions_are_refused():
    with pytest.raises(
        CalibrationError, match="wanted 3 of z, 4 of cutoff_x, 4 of columns or more, found 2 of z"
    ):
        plane_of(measured(Truth(), z_mm=Z_MM[:2]), z_mm=Z_MM[:2])
