"""Programs that others use open our NXtomo file: nxtomo, tomoscan, nabu, algotom."""

import logging
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from documents import SyntheticRun

from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.nxtomo import write_nxtomo
from xsn_acq.storage.run import RunRecord

# The readers' own warnings are not ours to fail on.
pytestmark = [pytest.mark.system, pytest.mark.filterwarnings("ignore")]

SHAPE = (8, 64)
AXIS_COLUMN = 33.25
RADIUS = 9.0


def disc(theta_deg):
    """Counts of a disc of absorbing matter beside the axis: the truth that a reconstruction must find."""
    centre = AXIS_COLUMN + 8.0 * np.cos(np.radians(theta_deg))
    chord = 2 * np.sqrt(np.clip(RADIUS**2 - (np.arange(SHAPE[1]) - centre) ** 2, 0, None))
    return np.broadcast_to(100 + 20_000 * np.exp(-0.02 * chord), SHAPE)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    data = DataFolder(tmp_path_factory.mktemp("data"))
    run = SyntheticRun(
        projections=90,
        span_deg=180.0,
        shape=SHAPE,
        lost=(7,),
        flagged=(11,),
        dark=lambda index: np.full(SHAPE, 100),
        flat=lambda index: np.full(SHAPE, 20_100),
        projection=lambda index, theta_deg: disc(theta_deg),
        acquisition={"axis_column": AXIS_COLUMN},
    )
    record = RunRecord.from_documents(run.play(data.frames_root))
    return write_nxtomo(record, data.exports / f"{record.uid[:8]}.nx")


def test_nxtomo_finds_it_consistent(exported, caplog):
    from nxtomo.application.nxtomo import NXtomo

    with caplog.at_level(logging.WARNING):
        loaded = NXtomo().load(str(exported), "entry", detector_data_as="as_numpy_array")
        NXtomo.check_consistency(loaded, raises_error=True)
    assert not [record for record in caplog.records if "not defined" in record.message]
    assert len(loaded.sample.rotation_angle) == 96


def test_tomoscan_finds_it_ready_to_reconstruct(exported):
    from tomoscan.esrf.scan.nxtomoscan import NXtomoScan
    from tomoscan.validator import ReconstructionValidator

    scan = NXtomoScan(str(exported), "entry")
    validator = ReconstructionValidator(scan, check_phase_retrieval=True, check_values=True)
    assert validator.is_valid(), validator.checkup()
    assert (len(scan.projections), len(scan.flats), len(scan.darks)) == (90, 3, 2)
    # keV from eV in float64, then tomoscan's unit conversions: a few roundings.
    assert scan.energy == pytest.approx(8.333, rel=1e-9)
    assert scan.x_rotation_axis_pixel_position == AXIS_COLUMN - (SHAPE[1] - 1) / 2


def nabu_validator(path):
    """What it says; nabu 2026.1 ends with exit code 0 even when it finds issues, so its words are read."""
    program = Path(sys.executable).with_name("nabu-validator")
    done = subprocess.run([program, str(path)], check=True, capture_output=True, text=True, timeout=200)
    return done.stdout + done.stderr


def test_nabu_validator_finds_no_issue(exported):
    assert "No issue found" in nabu_validator(exported)


def test_nabu_validator_finds_missing_energy(exported):
    """The validator can find fault: else the test above says nothing."""
    copy = exported.with_name("without_energy.nx")
    shutil.copy(exported, copy)
    with h5py.File(copy, "r+") as file:
        del file["entry/instrument/beam"]
    assert "1 issues found" in nabu_validator(copy)


def test_nabu_validator_names_a_source_that_is_gone(exported, tmp_path):
    copy = tmp_path / "elsewhere.nx"
    shutil.copy(exported, copy)
    assert "broken virtual-dataset" in nabu_validator(copy)


def test_algotom_loads_finds_the_axis_and_reconstructs(exported):
    import algotom.io.loadersaver as loadersaver
    import algotom.prep.calculation as calculation
    import algotom.prep.correction as correction
    import algotom.rec.reconstruction as reconstruction

    frames = loadersaver.load_hdf(str(exported), "entry/data/data")
    with h5py.File(exported) as file:
        keys = file["entry/data/image_key"][:]
        angles = np.radians(file["entry/data/rotation_angle"][:])
    flat, dark = (np.mean([frames[i] for i in np.flatnonzero(keys == key)], axis=0) for key in (1, 2))
    order = np.flatnonzero(keys == 0)
    order = order[np.argsort(angles[order])]
    projections = np.asarray([frames[i] for i in order], np.float32)
    sinogram = correction.flat_field_correction(projections[:, 4], flat[4], dark[4])
    # The search steps by a quarter of a pixel.
    assert calculation.find_center_vo(sinogram, 20, 44, ncore=1) == pytest.approx(AXIS_COLUMN, abs=0.5)
    image = reconstruction.fbp_reconstruction(
        sinogram, AXIS_COLUMN, angles=angles[order], apply_log=True, gpu=False, ncore=1, ramp_win=None
    )
    row, column = np.mgrid[: SHAPE[1], : SHAPE[1]] - AXIS_COLUMN
    inside = np.hypot(column - 8, row) < RADIUS - 2
    # Filtered back-projection of 90 views, integer pixels: the mean inside is true to some percent.
    assert np.mean(image[inside]) == pytest.approx(0.02, rel=0.08)
