"""Wood with glass balls on it, taken for one material and taken for what it is: numbers for the docs.

``python -m tests.system.speckle_mixture FOLDER`` takes one run of a single position of the diffuser and one
of three, some minutes each, reconstructs both and compares them with the truth; in a folder that has the runs
already, they are only judged.
"""

import subprocess
import sys
from pathlib import Path

from tests.system.command import command, own_beamline, run_command
from tests.system.speckle_volume import JudgedVolume
from xsn_acq.live.volume import FILE_NAME
from xsn_acq.sim.speckle_samples import EARLY_WOOD, GLASS
from xsn_acq.storage.layout import DataFolder

SAMPLE, SEED = "toothpick scale=0.16", 2
"""A stick 96 um wide, with rings 2 and 9 um wide and vessels of 2 to 4 um; balls of 15 and 17 um in view."""
FIRST_ROW = 1052
RUN = f"""\
projections: 61
exposure_s: 0.1
darks: 5
flats: 10
references: 10
roi: {{min_x: 1160, min_y: {FIRST_ROW}, size_x: 240, size_y: 56}}
"""
RUNS = {
    "single_material": f"{RUN}material: {GLASS.formula}\n",
    "free": f"{RUN}positions: 3\nmode: free\n",
}


def taken(folder, parameters):
    """Take a run and reconstruct it; exit status and what was said of each."""
    folder.mkdir(parents=True)
    (folder / "speckle.yaml").write_text(parameters)
    with own_beamline(speed=4.0, sample=SAMPLE, seed=SEED, beamline="pls2-6c") as environment:
        going = run_command(folder / "speckle.yaml", folder, plan="speckle_tomography", beamline="pls2-6c")
        said(going, environment)
        said(command("reconstruct", "last", "--data", folder, "--workers", 2, "--quiet"), environment)


def said(going, environment):
    """Run a command; print its exit status and its warnings."""
    done = subprocess.run(going, env=environment, capture_output=True, text=True, check=False)
    print(going[3], "exit", done.returncode, done.stderr, flush=True)


def main(folder):
    """Take what is missing, and judge."""
    for mode, parameters in RUNS.items():
        if not (folder / mode).is_dir():
            taken(folder / mode, parameters)
        (volume,) = DataFolder(folder / mode).root.glob(f"results/*/{FILE_NAME}")
        judged = JudgedVolume(volume, SAMPLE, SEED, FIRST_ROW)
        for material in (GLASS, EARLY_WOOD):
            voxels = int(judged.core(material).sum())
            print(
                mode, material.name, "delta, beta over the truth:", judged.values(material), voxels, "voxels"
            )
        print(mode, "slope", judged.slope(), judged.parameters["warnings"], flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
