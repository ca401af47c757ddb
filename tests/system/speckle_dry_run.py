"""A tomogram of the simulated 6C, 512 x 512 x 401, from the command line to the volume: numbers for the docs.

``python -m tests.system.speckle_dry_run FOLDER [PICTURE]`` takes one run and reconstructs it with two
workers, some minutes each; in a folder that has a run or a volume already, only what is missing is made. A
frame of this size takes 0.4 s to simulate, four times its exposure: the camera lags behind the stage.
"""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

from tests.system.command import command, own_beamline, run_command
from tests.system.speckle_volume import JudgedVolume
from xsn_acq.analysis.frc import resolution
from xsn_acq.live.volume import FILE_NAME, VolumeFile
from xsn_acq.sim.speckle_samples import GLASS
from xsn_acq.storage.journal import find_run
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.run import RunRecord

SAMPLE, SEED = "glass_spheres scale=0.3", 3
"""24 spheres of 18 to 32 um, eight with a void of 6 to 10 um, in a field of 333 um."""
FIRST_ROW = 824
RUN = f"""\
projections: 401
exposure_s: 0.1
darks: 20
flats: 20
references: 20
roi: {{min_x: 1024, min_y: {FIRST_ROW}, size_x: 512, size_y: 512}}
material: {GLASS.formula}
note: glass spheres
"""
SLABS = (slice(86, 126), slice(176, 216), slice(236, 276), slice(300, 340), slice(396, 436))
"""Rows that are compared with the truth."""
SHOWN = (3, 14)
"""Slab, and row of it, of the picture."""
WORKERS = 2
LOOKS_EVERY_S = 1.0


def measured(folder):
    """Take the run, at the speed of real time."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "speckle.yaml").write_text(RUN)
    with own_beamline(speed=1.0, sample=SAMPLE, seed=SEED, beamline="pls2-6c") as environment:
        going = run_command(folder / "speckle.yaml", folder, plan="speckle_tomography", beamline="pls2-6c")
        subprocess.run(going, env=environment, check=True)
    record = RunRecord.from_journal(find_run(DataFolder(folder).journal, "last").path)
    (times,) = record.rows("run_times")
    print("acquisition:", {name: round(value, 1) for name, value in times.items()}, flush=True)


def reconstructed(folder):
    """Reconstruct it offline; where the volume is."""
    begun_s = time.monotonic()
    process = subprocess.Popen(
        command("reconstruct", "last", "--data", folder, "--workers", WORKERS),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    peak = Peak(process.pid)
    if process.wait():
        raise SystemExit(process.returncode)
    print(
        f"reconstruction {time.monotonic() - begun_s:.0f} s with {WORKERS} workers, at most "
        f"{peak.stop() / 2**30:.2f} GiB in all its processes",
        flush=True,
    )


class Peak:
    """The most memory that a process and those that it started have taken together, bytes."""

    def __init__(self, pid):
        self._pid, self._most, self._ended = pid, 0, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self):
        while not self._ended.wait(LOOKS_EVERY_S):
            self._most = max(self._most, sum(map(proportional, tree(self._pid))))

    def stop(self):
        """The most so far; no more is looked."""
        self._ended.set()
        self._thread.join()
        return self._most


def tree(pid):
    """A process and all that it started, as far as they live."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += tree(int(child))
    return found


def proportional(pid):
    """Memory of a process, what it shares counted in parts; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def judged(volume):
    """Print what the volume is worth; its slabs."""
    slabs = [JudgedVolume(volume, SAMPLE, SEED, FIRST_ROW, rows) for rows in SLABS]
    values = np.array([slab.values(GLASS) for slab in slabs])
    blocks = np.concatenate([slab.background(GLASS) for slab in slabs])
    print(
        f"glass: delta {values[:, 0].min():.3f} to {values[:, 0].max():.3f} of the truth, beta "
        f"{values[:, 1].min():.3f} to {values[:, 1].max():.3f}, slope {[round(s.slope(), 3) for s in slabs]}"
    )
    print(
        f"air, {len(blocks)} blocks of 16 x 16: {np.abs(blocks).max():.2%} of glass at most, "
        f"{blocks.std():.2%} rms, {np.sum(np.abs(blocks) > 0.02)} of them beyond 2 %"
    )
    for void in (void for slab in slabs for void in slab.voids()):
        print(f"void of {void.diameter_um:.1f} um: depth {void.depth:.2f}, truth {void.true_depth:.2f}")
    with VolumeFile(volume) as file:
        curve = file.summary().correlation
        kept = {name: values for name, (values, _) in file.per_pair().items()}
    print(f"even against odd angles: {1e6 * resolution(curve):.2f} um (ring correlation 1/4)")
    print({name: f"{np.median(values):.4g}, at most {values.max():.4g}" for name, values in kept.items()})
    print({name: slabs[0].parameters[name] for name in ("light", "found", "warnings", "drift_px")})
    return slabs


def drawn(slab, row, path):
    """Draw delta of a slice of a volume, its truth, and both along a line through it."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    found, true, x_um = slab.delta[row] * 1e6, slab.true_delta[row] * 1e6, slab.x_um
    middle = int(np.argmax(np.abs(np.diff(true, axis=1)).sum(axis=1)))  # most edges: through a void
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
    extent = [x_um[0], x_um[-1], x_um[-1], x_um[0]]
    for place, image, title in ((axes[0], found, "found"), (axes[1], true, "truth")):
        shown = place.imshow(image, cmap="gray", vmin=-1, vmax=6, extent=extent)
        place.set(title=f"delta (1e-6), {title}", xlabel="x (um)", ylabel="z (um)")
    figure.colorbar(shown, ax=axes[:2])
    axes[2].plot(x_um, true[middle], "0.6", x_um, found[middle], "C0")
    axes[2].set(title=f"along z = {x_um[middle]:.0f} um", xlabel="x (um)", ylabel="delta (1e-6)")
    axes[2].legend(("truth", "found"))
    figure.savefig(path, dpi=70)


def main(place, picture=None):
    """Take, reconstruct, judge and draw."""
    data = DataFolder(place)
    if not any(data.journal.glob("*.jsonl")):
        measured(place)
    if not any(data.root.glob(f"results/*/{FILE_NAME}")):
        reconstructed(place)
    (volume,) = data.root.glob(f"results/*/{FILE_NAME}")
    slabs = judged(volume)
    drawn(slabs[SHOWN[0]], SHOWN[1], picture or place / "speckle.png")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
