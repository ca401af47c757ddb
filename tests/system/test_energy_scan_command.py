"""An energy scan from the command line: taken, shown live, evaluated, exported; every axis goes back."""

import json
import subprocess

import h5py
import numpy as np
import pytest

from tests.system.command import hardware, own_beamline, run_command
from xsn_acq.config import load_beamline
from xsn_acq.config.energy import at_energy
from xsn_acq.live.results import read_status
from xsn_acq.sim.phantoms import phantom
from xsn_acq.storage.journal import find_run
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.run import RunRecord

pytestmark = pytest.mark.system

FILE = load_beamline("pls2-7c-xni")
SCAN = """\
energies_ev: [8310, 8322, 8336, 8340, 8343, 8346, 8350, 8356, 8368, 8395]
exposure_s: 1.0
frames_per_energy: 3
flats: 4
darks: 5
roi: {min_x: 1476, min_y: 1536, size_x: 256, size_y: 128}
regions: {particle: [44, 12, 40, 40]}
"""
PATIENCE_S = 150


@pytest.mark.timeout(240)
def test_an_energy_scan_of_a_particle(tmp_path):
    data = DataFolder(tmp_path / "data")
    (tmp_path / "scan.yaml").write_text(SCAN)
    axes = FILE.axes.zone_plate_z, FILE.axes.bragg, FILE.axes.cutoff_x, FILE.axes.sample_x
    hidden = ["zone_plate_runout_x_um_per_mm=0.3"]
    with own_beamline(speed=40.0, sample="nmc_graded", hidden=hidden) as environment:
        done = subprocess.run(
            run_command(tmp_path / "scan.yaml", data.root, "--live", plan="energy_scan"),
            env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        left = [float(value) for value in hardware(environment, *(f"{axis.pv}.RBV" for axis in axes))]
    assert done.returncode == 0, done.stderr
    record = RunRecord.from_journal(find_run(data.journal, "last").path)
    assert record.uid in done.stdout

    for row in record.rows("points"):
        assert row["energy_ev"] == pytest.approx(row["wanted_ev"], abs=0.05)  # encoder step: 0.006
        wanted = at_energy(FILE, row["wanted_ev"]).zone_plate_z_mm
        assert row["zone_plate_z_mm"] == pytest.approx(wanted, abs=FILE.axes.zone_plate_z.tolerance)
    home = at_energy(FILE, 8300.0)
    tolerances = [axis.tolerance for axis in axes]
    assert np.all(np.abs(np.subtract(left, [home.zone_plate_z_mm, home.bragg_deg, 0, 0])) <= tolerances)

    assert read_status(data.results(record.uid)).state == "done"
    found = {s["region"]: s for s in json.loads((data.results(record.uid) / "spectra.json").read_text())}
    spectrum = found["particle"]
    truth = true_absorbance(spectrum["energy_ev"])
    # blur and the particle's phase at its rim: 2 %; photons of 1600 pixels: 0.0003
    np.testing.assert_allclose(spectrum["mean"], truth, rtol=0.03)
    assert spectrum["edge_ev"] == pytest.approx(half_jump(spectrum), abs=1.0)
    with h5py.File(data.exports / f"{record.uid[:8]}-stack.h5") as stack:
        assert stack["img_xanes"].shape == (10, 64, 128)
        assert np.isfinite(stack["entry/edge_energy/edge_energy"][32, 64])
    with h5py.File(data.exports / f"{record.uid[:8]}-xas.h5") as file:
        assert file["particle/element/symbol"].asstr()[()] == "Ni"


def true_absorbance(energies_ev):
    """Mean absorbance of the sample itself over the region, which lies 0.1 um right of its middle."""
    pixel_um = FILE.pixel_size_m(energies_ev[0], 2) * 1e6
    middle = (FILE.detection.sensor_columns - 1) / 2
    x = (1476 + 2 * np.arange(44, 84) + 0.5 - 1603.42) * pixel_um / 2
    y = (1536 + 2 * np.arange(12, 52) + 0.5 - middle) * pixel_um / 2
    sample, means = phantom("nmc_graded", 7), []
    for energy in energies_ev:
        _, beta = sample.projection(energy, 0.0, x, y)
        means.append(float((4 * np.pi * beta * energy / 1.239841984e-6).mean()))
    return means


def half_jump(spectrum):
    """Where a straight line between the samples crosses half of the jump."""
    energy, mu = np.array(spectrum["energy_ev"]), np.array(spectrum["mean"])
    level = 0.5 * (mu[:2].mean() + mu[-2:].mean())
    above = int(np.argmax(mu > level))
    return np.interp(level, mu[above - 1 : above + 1], energy[above - 1 : above + 1])
