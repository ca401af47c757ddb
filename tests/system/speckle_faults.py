"""Phases of a disturbed speckle run against the simulated sample, corrections on and off.

``python -m tests.system.speckle_faults FOLDER`` takes the run of `test_speckle_faults` and prints
the table of docs/speckle_faults.md.
"""

import math
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
from scipy import ndimage

from tests.system.command import own_beamline, run_command
from tests.system.speckle_volume import ENERGY_EV, SAMPLE_BLUR
from xsn_acq.live import frames, speckle_chunks
from xsn_acq.live.scan import good_rows
from xsn_acq.live.speckle_chunks import SpeckleWork
from xsn_acq.live.speckle_drift import StillReference
from xsn_acq.live.speckle_reconstruction import SpeckleReconstruction
from xsn_acq.live.speckle_scan import speckle_scan
from xsn_acq.live.speckle_settings import plain_settings
from xsn_acq.sim.speckle_samples import GLASS, speckle_sample
from xsn_acq.sim.speckle_truth import SpeckleTruth
from xsn_acq.storage.journal import find_run
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.run import RunRecord
from xsn_acq.units import wavelength_m

SAMPLE, SEED = "few_spheres scale=0.45", 1
FIRST_ROW, SHAPE = 1048, (64, 160)
RUN = f"""\
projections: 13
span_deg: 60
exposure_s: 0.1
darks: 5
flats: 9
references: 9
retakes: 0
roi: {{min_x: 1200, min_y: {FIRST_ROW}, size_x: {SHAPE[1]}, size_y: {SHAPE[0]}}}
material: {GLASS.formula}
"""
SPEED = 2.0
"""Slow: what the program itself takes counts so many times in the drift."""
DRIFTS = ("diffuser_drift_x_um_per_h=700", "diffuser_drift_y_um_per_h=-350")
"""Half a grain, 3 um, in some 15 s of the simulated clock."""
DEAD = 0.01
LOST = "drop_frames count=1 seed=2"
SOUND = {"hidden": ("dead_fraction=0", "hot_fraction=0"), "faults": ()}


def disturbed(folder, hidden=(*DRIFTS, f"dead_fraction={DEAD}"), faults=(LOST,), run=RUN):
    """Take a run; how the command ended, and the run."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "speckle.yaml").write_text(run)
    options = {"speed": SPEED, "sample": SAMPLE, "seed": SEED, "beamline": "pls2-6c"}
    with own_beamline(**options, hidden=hidden, faults=faults) as environment:
        going = run_command(folder / "speckle.yaml", folder, plan="speckle_tomography", beamline="pls2-6c")
        done = subprocess.run(going, env=environment, capture_output=True, text=True, check=False)
    return done, RunRecord.from_journal(find_run(DataFolder(folder).journal, "last").path)


def phase_error(record, prepared):
    """Rms error of the phase over its variation, as far as the light lets both pass; every third angle."""
    scan, views = speckle_scan([record])
    optics, errors = prepared.settings.optics, []
    plain = plain_settings(prepared.settings)
    with SpeckleWork(scan.plain(), plain, prepared.axis_column, prepared.seen) as work:
        for view in views[::3]:
            found = work.centred(view, work.field(view))[0].field.phi
            errors.append(_error(found, true_phase(view.theta_deg, optics.pixel_m), optics))
    return float(np.sqrt(np.mean(np.square(errors))))


def true_phase(theta_deg, pixel_m):
    """Phase of the sample at an angle, (ny, nx)."""
    ny, nx = SHAPE
    x_um = (np.arange(nx) - (nx - 1) / 2) * pixel_m * 1e6
    y_um = (np.arange(ny) + FIRST_ROW - SpeckleTruth().axis_row) * pixel_m * 1e6
    delta_m, _ = speckle_sample(SAMPLE, SEED).projection(ENERGY_EV, theta_deg, x_um, y_um)
    return -2 * math.pi / wavelength_m(ENERGY_EV) * delta_m


def _error(found, true, optics):
    lengths, pixel = optics.coherence, optics.pixel_m
    sigma = tuple(SAMPLE_BLUR * length / pixel for length in (lengths.y_m, lengths.x_m))
    found, true = (ndimage.gaussian_filter(image, sigma)[2:-2, 2:-2] for image in (found, true))
    return np.std(found - true) / np.std(true)


@contextmanager
def drift_ignored():
    """References as if nothing moved: the first stands for all."""

    def first(references, seen):
        return StillReference(references[0].image, references[0].frames, references[0].time_s)

    with patch.object(speckle_chunks, "still_reference", first):
        yield


@contextmanager
def bad_pixels_kept():
    """Pixels are all taken for good."""
    with patch.object(frames, "bad_pixels", lambda dark, flat: np.zeros(dark.shape, bool)):
        yield


def prepared_of(record, folder):
    """What the run is retrieved with, found from its own frames."""
    with SpeckleReconstruction(*speckle_scan([record]), folder) as work:
        return work.prepared


def main(folder):
    """Take runs without and with faults; print errors."""
    for name, changes in (("sound", SOUND), ("disturbed", {})):
        done, record = disturbed(folder / name, **changes)
        prepared = prepared_of(record, folder / name / "own")
        print(name, done.returncode, done.stderr, len(good_rows(record.ledger)), "angles")
        print({key: getattr(prepared, key) for key in ("drift_px", "bad_pixels", "warnings", "found")})
        print(f"corrected: {phase_error(record, prepared):.4f}", flush=True)
    for without in (drift_ignored, bad_pixels_kept):
        with without():
            print(f"{without.__name__}: {phase_error(record, prepared):.4f}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
