"""Chemical imaging from the command line: patterns and spectra taken, maps made live, against the truth."""

import json
import subprocess

import h5py
import numpy as np
import pytest

from tests.system.command import own_beamline, run_command
from tests.system.element_truth import ElementTruth
from xsn_acq.live.results import read_status
from xsn_acq.storage.journal import find_run
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.run import RunRecord

pytestmark = pytest.mark.system

SWEEP = """\
exposure_s: 0.5
darks: 8
binning: 8
roi: {min_x: 1344, min_y: 1344, size_x: 512, size_y: 512}
lines: 4
per_line: 18
regions: {fragment: [39, 38, 5, 5]}
"""
ELEMENTS = ("Mn", "Co", "Ni")
PATIENCE_S = 150


@pytest.mark.timeout(240)
def test_three_cathodes(tmp_path):
    data = DataFolder(tmp_path / "data")
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    with own_beamline(speed=20.0, sample="three_cathodes", beamline="ssrl-6-2c") as environment:
        done = subprocess.run(
            run_command(
                tmp_path / "sweep.yaml", data.root, "--live",
                plan="structured_illumination", beamline="ssrl-6-2c",
            ),
            env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    record = RunRecord.from_journal(find_run(data.journal, "last").path)
    assert "72 of 72 patterns used; left out: none" in done.stdout
    assert read_status(data.results(record.uid)).state == "done"

    truth = ElementTruth(record.start["params"])
    with h5py.File(data.results(record.uid) / "element_maps.h5") as file:
        maps = np.array([file[f"entry/{element}/{element}"][()] for element in ELEMENTS])
    assert_particles_are_right(maps, truth)
    assert_fragment_is_seen(json.loads((data.results(record.uid) / "sums.json").read_text()), truth)
    with h5py.File(data.exports / f"{record.uid[:8]}-xrf.h5") as file:
        assert file["entry/instrument/mca/data"].shape == (72 + 2, 1, 4096)  # two references
        assert file["entry/instrument/camera/data"].shape == (2 * 72 + 2, 64, 64)


def assert_particles_are_right(maps, truth):
    """Each element that makes up much of a particle, within 12 % of what the sample sends.

    72 patterns for 4096 pixels; with 1000 patterns of 128 x 128 it is 5 % (docs/figures.md).
    """
    for mask in truth.particles():
        sent, found = truth.maps[:, mask].sum(axis=1), maps[:, mask].sum(axis=1)
        strong = sent > 0.3 * sent.max()
        np.testing.assert_allclose(found[strong], sent[strong], rtol=0.12)


def assert_fragment_is_seen(sums, truth):
    """A fragment of LiCoO2 on a particle of LiNiO2: its cobalt stands out of its own error, and is right."""
    region = next(region for region in sums["regions"] if region["name"] == "fragment")
    cobalt, error = region["sums"]["Co"], region["errors"]["Co"]
    column, row, columns, rows = truth.params.regions["fragment"]
    sent = truth.maps[ELEMENTS.index("Co"), row : row + rows, column : column + columns].sum()
    assert cobalt > 3 * error
    assert cobalt == pytest.approx(sent, abs=3 * error)  # three standard errors
