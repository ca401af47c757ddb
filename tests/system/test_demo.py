"""The demo, whole: what it measures is true, and other programs open what it leaves behind."""

import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.system.command import command
from xsn_acq.cli.demo import SAMPLE, SEED
from xsn_acq.cli.demo_report import judge, richest_planes, voxel_grid
from xsn_acq.sim.phantoms import phantom

# The readers' own warnings are not ours to fail on.
pytestmark = [pytest.mark.system, pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(400)]

PATIENCE_S = 300
TRUE_AXIS_COLUMN = (1603.42 - 1412 - 0.5) / 2
"""Where the simulator hides the axis, in pixels of the demo's binned region."""


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        command("demo", "--output", folder), capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for word in ("picture.png", "reconstruction.h5", "NXtomo", "resolution of delta", "Next:"):
        assert word in done.stdout
    return folder


@pytest.fixture(scope="module")
def verdict(output):
    return judge(output, sample=SAMPLE, seed=SEED)


@pytest.fixture(scope="module")
def exported(output):
    (path,) = (output / "data" / "exports").glob("*.nx")
    return path


def test_delta_of_every_material_is_true(verdict):
    assert [value.material for value in verdict.delta] == ["glue", "Al", "SiO2", "Cu"]
    for value in verdict.delta:
        # the bar; 1.5 to 3 % seen, 2 % of it from the noise of the knife-edge calibration
        assert abs(value.error) < 0.05, value


def test_the_background_is_empty(verdict):
    sample = next(value.measured for value in verdict.delta if value.material == "glue")  # the weakest of all
    assert abs(verdict.air.median) < 0.02 * sample


def test_beta_tells_copper_from_the_light_materials(verdict):
    beta = {value.material: value for value in verdict.beta}
    # 4 sigma: photon noise leaves 2 % of the mean of 793 voxels; the scintillator's blur, the edge of the
    # cutoff and the axis, known as they are calibrated, add 2 %
    assert abs(beta["Cu"].error) < 0.10
    assert beta["Cu"].measured > 2.5 * beta["Al"].measured


def test_the_ledger_is_complete(verdict):
    summary = verdict.record.ledger_summary()
    assert summary["complete"] == 1
    assert summary["pulses"] == summary["captured"] == summary["counted"] == summary["written"] == 360


def test_a_picture_and_a_volume_are_there(output, verdict):
    assert (output / "picture.png").stat().st_size > 50_000
    with h5py.File(verdict.volume) as file:
        assert file["entry/delta/delta"].shape == (128, 192, 192)


def test_the_picture_goes_through_every_material(verdict):
    labels = phantom(SAMPLE, SEED).labels(*voxel_grid((128, 192, 192), verdict.summary.pixel_size_m))
    y, z, x = richest_planes(labels)
    for plane in (labels[y], labels[:, z], labels[:, :, x]):
        assert np.bincount(plane.ravel(), minlength=5).min() > 100  # voxels of air, glue, Al, SiO2, Cu


def test_nxtomo_finds_the_file_consistent(exported):
    from nxtomo.application.nxtomo import NXtomo

    loaded = NXtomo().load(str(exported), "entry", detector_data_as="as_numpy_array")
    NXtomo.check_consistency(loaded, raises_error=True)


def test_nabu_finds_the_file_valid(exported):
    validator = Path(command()[0]).parent / "nabu-validator"
    done = subprocess.run([validator, exported], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "no issue found" in done.stdout.lower(), done.stdout


def test_algotom_finds_the_axis_and_the_copper(exported, verdict):
    import algotom.prep.calculation as calculation
    import algotom.rec.reconstruction as reconstruction

    with h5py.File(exported) as file:
        frames = file["entry/data/data"][()].astype(np.float32)
        keys = file["entry/data/image_key"][()]
        angles = np.radians(file["entry/data/rotation_angle"][()][keys == 0])
    flat, dark = (frames[keys == key].mean(axis=0) for key in (1, 2))
    projections = (frames[keys == 0] - dark) / (flat - dark)

    axis = calculation.find_center_based_phase_correlation(projections[0], projections[180])
    assert axis == pytest.approx(TRUE_AXIS_COLUMN, abs=0.5)  # the bar; 0.004 seen

    truth = phantom(SAMPLE, SEED)
    grid = voxel_grid((128, 192, 192), verdict.summary.pixel_size_m)
    labels = truth.labels(*grid)
    copper = [material.name for material in truth.materials].index("Cu")
    row = int(np.argmax((labels == copper).sum(axis=(1, 2))))
    # over a full turn the phase contrast cancels, and what is left is absorption
    image = reconstruction.fbp_reconstruction(
        projections[:, row], axis, angles=angles, apply_log=True, gpu=False, ncore=1, filter_name="hann"
    )
    # algotom turns the other way: its rows run against our z
    found = image[::-1]
    inside, around = labels[row] == copper, labels[row] == 1
    assert found[inside].mean() > found[around].mean() + 3 * found[around].std() / np.sqrt(inside.sum() / 16)
