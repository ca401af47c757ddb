"""An energy scan evaluated: stack, spectra of regions, edge map; the files that XANES programs open."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xsn_acq.analysis.edge_map import EdgeMap, edge_map
from xsn_acq.errors import ReconstructionError
from xsn_acq.live.energy_pictures import draw_energy_scan
from xsn_acq.live.energy_stack import GrowingStack
from xsn_acq.live.spectra import (
    SPECTRA_NAME,
    RegionSpectrum,
    edge_lines,
    regions_now,
    spectra_of_images,
    write_spectra,
)
from xsn_acq.live.xas_file import write_region_spectra
from xsn_acq.optics.edges import k_edge_between
from xsn_acq.storage.energy_stack import write_energy_stack
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.run import RunRecord

LEAST_JUMP = 3.0
"""A pixel whose jump is less than so many times its noise has no edge: one of a thousand is air."""


@dataclass(frozen=True)
class EvaluatedScan:
    """Files of an evaluated energy scan, and lines for a person."""

    stack: Path
    picture: Path
    lines: tuple[str, ...]


def evaluate_energy_scan(record: RunRecord, data: DataFolder) -> EvaluatedScan:
    """Evaluate a run from its frames.

    Raises
    ------
    ReconstructionError
        It is no energy scan, or has no image with a flat.
    StorageError
        A file cannot be read or written.
    """
    with GrowingStack(record, data.results(record.uid)) as stack:
        stack.push(record.rows("points"))
        return conclude(stack, record, data)


def spectra_of(stack: GrowingStack, record: RunRecord, folder: Path) -> list[RegionSpectrum]:
    """Spectra of the whole field and of all regions, of what there is; written to the results folder."""
    regions = regions_now(folder, record.start, stack.absorbance.shape[1:])
    images = (
        (float(stack.energies_ev[n]), {"absorbance": stack.image(n)}, {"absorbance": float(stack.noise[n])})
        for n in stack.known
    )
    found = spectra_of_images(images, regions)
    write_spectra(folder, found)
    return found


def conclude(stack: GrowingStack, record: RunRecord, data: DataFolder) -> EvaluatedScan:
    """Write spectra, edge map, pictures and the files for other programs.

    Raises
    ------
    ReconstructionError
        No energy has an image.
    """
    if not stack.known:
        raise ReconstructionError(
            f"run {record.uid[:8]}: wanted images with flats, found none; take it again"
        )
    folder, name = data.results(record.uid), record.uid[:8]
    spectra = spectra_of(stack, record, folder)
    known = stack.known
    energies = stack.energies_ev[known]
    edges, why = _edge_map(stack, energies)
    exported = write_energy_stack(
        data.exports / f"{name}-stack.h5",
        energies,
        (stack.image(number) for number in known),
        pixel_size_m=stack.pixel_size_m,
        quantity="absorbance",
        title=str(record.start.get("note") or f"energy scan {name}"),
        maps=None if edges is None else _maps(edges),
    )
    written = write_region_spectra(data.exports / f"{name}-xas.h5", spectra, record.start)
    picture = draw_energy_scan(
        folder / "energy_scan.png",
        spectra,
        edges,
        stack,
        regions_now(folder, record.start, stack.absorbance.shape[1:]),
        title=f"energy scan {name}: {record.start.get('note') or 'no note'}",
    )
    lines = [*edge_lines(spectra), *([why] if why else []), *_not_aligned(stack)]
    lines += [f"stack {exported}", f"spectra {written or folder / SPECTRA_NAME}", f"picture {picture}"]
    return EvaluatedScan(exported, picture, tuple(lines))


def _edge_map(stack: GrowingStack, energies: np.ndarray) -> tuple[EdgeMap | None, str]:
    """Edge energies of the pixels, or why there are none."""
    edge = k_edge_between(float(energies[0]), float(energies[-1])) if energies.size > 1 else None
    if edge is None:
        return None, "no edge map: wanted one K edge between the first and the last energy"
    noise = stack.noise[stack.known]
    known = noise if np.isfinite(noise).all() and (noise > 0).all() else None
    try:
        images = np.stack([stack.image(number) for number in stack.known])
        found = edge_map(energies, images, sigma=known, edge_ev=edge[1], least_jump_sigmas=LEAST_JUMP)
        return found, ""
    except ReconstructionError as error:
        return None, f"no edge map: {error}"


def _not_aligned(stack: GrowingStack) -> list[str]:
    """Images whose place could not be found: too little in them, or too much noise."""
    shift = stack.shift_px[()][stack.known]
    lost = stack.energies_ev[stack.known][np.isnan(shift).any(axis=1)]
    return (
        [f"not moved into place: {', '.join(f'{e:g}' for e in lost)} eV, too little to see"]
        if lost.size
        else []
    )


def _maps(edges: EdgeMap) -> dict[str, tuple[np.ndarray, str]]:
    return {
        "edge_energy": (edges.edge_ev, "eV"),
        "edge_energy_errors": (edges.sigma_ev, "eV"),
        "jump": (edges.jump, ""),
    }
