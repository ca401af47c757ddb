"""What the demo says at its end: picture, numbers, paths, what to do next."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsn_acq.analysis.frc import resolution
from xsn_acq.analysis.quality import Background, MaterialValue, background, material_values
from xsn_acq.live.picture import draw
from xsn_acq.live.report import REPORT_NAME
from xsn_acq.live.volume import FILE_NAME, Summary, VolumeFile, Voxel
from xsn_acq.optics.materials import optical_constants
from xsn_acq.sim.phantoms import Phantom, phantom
from xsn_acq.storage.journal import find_run
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.run import RunRecord
from xsn_acq.units import NM, UM

PICTURE = "picture.png"
EROSION_VOXELS = 3
"""Means are taken this far inside a material: the optics blur its rim."""


@dataclass(frozen=True)
class Verdict:
    """The demo's volume against its truth."""

    record: RunRecord
    volume: Path
    summary: Summary
    delta: list[MaterialValue]
    beta: list[MaterialValue]
    air: Background


def judge(output: Path, *, sample: str, seed: int) -> Verdict:
    """Compare the volume of the last run with the phantom, and draw both."""
    folder = DataFolder(output / "data")
    record = RunRecord.from_journal(find_run(folder.journal, "last").path)
    energy_ev = float(record.start["acquisition"]["energy_ev"])
    truth = phantom(sample, seed)
    known = _true_values(truth, energy_ev)
    path = folder.results(record.uid) / FILE_NAME
    with VolumeFile(path) as file:
        summary = file.summary()
        delta, beta = file.delta[()], file.beta[()]
        grid = voxel_grid(delta.shape, summary.pixel_size_m)
        labels = truth.labels(*grid)
        at = richest_planes(labels)
        title = f"{sample}, simulated, {energy_ev:g} eV"
        draw(output / PICTURE, file, at=at, truth=_true_slices(truth, energy_ev, grid, at), title=title)
    return Verdict(
        record=record,
        volume=path,
        summary=summary,
        delta=material_values(delta, labels, known["delta"], erosion=EROSION_VOXELS),
        beta=material_values(beta, labels, known["beta"], erosion=EROSION_VOXELS),
        air=background(delta, labels),
    )


def report(output: Path, *, sample: str, seed: int) -> int:
    """Judge, and print numbers and paths; the exit status."""
    verdict = judge(output, sample=sample, seed=seed)
    _print_numbers(verdict)
    folder = DataFolder(output / "data")
    exports = folder.exports / f"{verdict.record.uid[:8]}.nx"
    _print_paths(
        {
            "picture": output / PICTURE,
            "report": verdict.volume.with_name(REPORT_NAME),
            "volume": verdict.volume,
            "NXtomo": exports,
            "journal": folder.journal,
            "catalogue": folder.catalogue,
        },
        output,
    )
    return 0


def voxel_grid(
    shape: tuple[int, int, int], pixel_size_m: float
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Coordinates x, y, z of a volume (y, z, x) about the rotation axis, micrometres, ready to broadcast."""
    y, z, x = ((np.arange(n) - (n - 1) / 2) * pixel_size_m / UM for n in shape)
    return x[None, None, :], y[:, None, None], z[None, :, None]


def richest_planes(labels: NDArray[Any]) -> Voxel:
    """Voxel (y, z, x) whose planes show every material: none of them much less than in its own best plane."""
    found = []
    for axis in range(3):
        across = np.moveaxis(labels, axis, 0).reshape(labels.shape[axis], -1)
        area = np.stack([(across == label).sum(axis=1) for label in np.unique(labels)])
        found.append(int(np.argmax((area / area.max(axis=1, keepdims=True)).min(axis=0))))
    y, z, x = found
    return y, z, x


def _true_slices(
    truth: Phantom, energy_ev: float, grid: tuple[NDArray[Any], ...], at: Voxel
) -> Mapping[Any, Any]:
    x, y, z = grid
    iy, iz, ix = at
    planes = {"xz": (x, y[[iy]], z), "xy": (x, y, z[:, [iz]]), "zy": (x[:, :, [ix]], y, z)}
    slices: dict[str, dict[str, Any]] = {"delta": {}, "beta": {}}
    for plane, points in planes.items():
        delta, beta = truth.index(energy_ev, *points)
        slices["delta"][plane] = delta.squeeze()
        slices["beta"][plane] = beta.squeeze()
    return slices


def _true_values(truth: Phantom, energy_ev: float) -> dict[str, dict[str, tuple[int, float]]]:
    known: dict[str, dict[str, tuple[int, float]]] = {"delta": {}, "beta": {}}
    for label, material in enumerate(truth.materials):
        if material.formula:
            constants = optical_constants(material.formula, material.density_g_cm3, energy_ev)
            known["delta"][material.name] = (label, constants.delta)
            known["beta"][material.name] = (label, constants.beta)
    return known


def _print_numbers(verdict: Verdict) -> None:
    print(f"\n{'material':<10}{'delta':>12}{'truth':>12}{'error':>9}{'beta':>12}{'truth':>12}{'error':>9}")
    for delta, beta in zip(verdict.delta, verdict.beta, strict=True):
        line = f"{delta.material:<10}{delta.measured:12.3e}{delta.truth:12.3e}{delta.error:9.1%}"
        print(f"{line}{beta.measured:12.3e}{beta.truth:12.3e}{beta.error:9.1%}")
    air, summary = verdict.air, verdict.summary
    print(f"{'air':<10}{air.median:12.3e}{0:12.3e}   (noise of one voxel {air.voxel_sigma:.1e})")
    residual = float(np.median(summary.residual[:, -1]))
    print(f"residual of the retrieval {residual:.4f} (median of {len(summary.residual)} pairs)")
    if summary.correlation is not None:
        nm = resolution(summary.correlation) / NM
        print(f"resolution of delta {nm:.0f} nm (FRC at 1/4, even against odd angles)")
    print(f"ledger: {verdict.record.ledger_summary().get('message', '')}")


def _print_paths(paths: Mapping[str, Path], output: Path) -> None:
    print()
    for name, path in paths.items():
        print(f"{name:<10}{path}")
    print(
        f"\nNext: look at {paths['picture']}; list the runs with "
        f"`.venv/bin/xsn-acq runs --data {output / 'data'}`;\nthen README.md, 'A tomogram by hand'."
    )
