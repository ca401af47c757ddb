"""Chemical imaging of three cathodes at full size, against the truth: numbers for docs/figures.md.

``python -m tests.system.chemical_imaging FOLDER [LINES PER_LINE BINNING]``, by default 1000 patterns
of 128 x 128; in a folder that has a run already, only its maps are judged.
"""

import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np

from tests.system.command import own_beamline, run_command
from tests.system.element_truth import ElementTruth
from xsn_acq.analysis.nxsci.scores import TRUTH_THRESHOLD, map_resolution, psnr
from xsn_acq.storage.journal import find_run
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.run import RunRecord

SWEEP = """\
exposure_s: 0.5
darks: 20
binning: {binning}
roi: {{min_x: 1344, min_y: 1344, size_x: 512, size_y: 512}}
lines: {lines}
per_line: {per_line}
regions: {{fragment: [{column}, {row}, {size}, {size}]}}
"""
FRAGMENT = 312, 304, 40
"""First column and row, and size, unbinned."""


def measured(folder: Path, lines: int, per_line: int, binning: int) -> None:
    """Take the run, with its maps made live."""
    column, row, size = (place // binning for place in FRAGMENT)
    settings = {"lines": lines, "per_line": per_line, "binning": binning}
    folder.mkdir(parents=True, exist_ok=True)
    text = SWEEP.format(column=column, row=row, size=size, **settings)
    (folder / "sweep.yaml").write_text(text)
    with own_beamline(speed=10.0, sample="three_cathodes", beamline="ssrl-6-2c") as environment:
        command = run_command(
            folder / "sweep.yaml", folder, "--live", plan="structured_illumination", beamline="ssrl-6-2c"
        )
        subprocess.run(command, env=environment, check=True)


def judged(folder: Path) -> None:
    """Print what the maps are worth."""
    data = DataFolder(folder)
    record = RunRecord.from_journal(find_run(data.journal, "last").path)
    truth = ElementTruth(record.start["params"])
    results = data.results(record.uid)
    sums = json.loads((results / "sums.json").read_text())
    elements = sums["elements"]
    with h5py.File(results / "element_maps.h5") as file:
        maps = np.array([file[f"entry/{element}/{element}"][()] for element in elements])
    for element, found, true in zip(elements, maps, truth.maps, strict=True):
        seen_nm = 1e9 * map_resolution(found, true, truth.pixel_m, threshold=TRUTH_THRESHOLD)
        print(f"{element}: {psnr(found, true):.1f} dB, {seen_nm:.0f} nm (ring correlation with the truth)")
    print(f"TXM image: {1e9 * (sums['txm_resolution_m'] or np.nan):.0f} nm, between halves")
    for mask in truth.particles():
        row, column = np.argwhere(mask).mean(axis=0)
        region = nearest(sums["regions"], row, column)
        for number, element in enumerate(elements):
            sent = truth.maps[number][mask].sum()
            if sent > 0.01 * truth.maps[:, mask].sum():
                by_map, (by_sum, error) = maps[number][mask].sum() / sent, sum_of(region, element)
                print(
                    f"particle at {row:.0f}, {column:.0f}: {element} {sent:.0f}: map {by_map - 1:+.1%}, "
                    f"sum {by_sum / sent - 1:+.1%} +- {error / sent:.1%}"
                )
    print("fragment:", next(region for region in sums["regions"] if region["name"] == "fragment"))


def nearest(regions, row, column):
    """The particle whose centre is nearest."""
    known = [region for region in regions if "row" in region]
    return min(known, key=lambda region: (region["row"] - row) ** 2 + (region["column"] - column) ** 2)


def sum_of(region, element):
    """Sum and standard error."""
    return region["sums"][element], region["errors"][element]


if __name__ == "__main__":
    place = Path(sys.argv[1])
    if not (place / "journal").is_dir():
        measured(place, *map(int, sys.argv[2:] or (10, 100, 4)))
    judged(place)
