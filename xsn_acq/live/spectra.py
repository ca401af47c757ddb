"""Spectra of regions, as they are shown and written: values, lines before and after the edge, its energy.

``spectra.json`` in a results folder holds them; ``regions.json`` beside it, if somebody writes one, takes
the place of the regions that the scan was started with, also while it goes on::

    {"core": [40, 30, 16, 16], "rim": [60, 30, 8, 16]}      first column, first row, columns, rows
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xsn_acq.analysis.spectra import Region, RegionSpectra, Spectrum
from xsn_acq.analysis.xanes import EdgeEnergy, NormalisedSpectrum, edge_energy, normalise_spectrum
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.edges import k_edge_between
from xsn_acq.storage.json_file import as_json, write_json

SPECTRA_NAME = "spectra.json"
REGIONS_NAME = "regions.json"
WHOLE = "whole_field"
Image = tuple[float, Mapping[str, FloatArray], Mapping[str, float]]
"""Energy in eV, an image of each quantity, and the noise of its pixels (standard deviation)."""


@dataclass(frozen=True, eq=False)
class RegionSpectrum:
    """One quantity of one region over energy.

    Attributes
    ----------
    region, quantity : str
        Name, and "absorbance", "delta" or "beta".
    values : Spectrum
        Means over the region and their standard errors.
    normalised : NormalisedSpectrum or None
        None where the edge is not inside the energies so far.
    edge : EdgeEnergy or None
        None where it is not found yet.
    """

    region: str
    quantity: str
    values: Spectrum
    normalised: NormalisedSpectrum | None = None
    edge: EdgeEnergy | None = None

    def plain(self) -> dict[str, Any]:
        """Values that JSON knows."""
        found: dict[str, Any] = {
            "region": self.region,
            "quantity": self.quantity,
            "energy_ev": self.values.energy_ev.tolist(),
            "mean": as_json(self.values.mean),
            "error": as_json(self.values.error),
        }
        if self.normalised is not None:
            found["pre"] = self.normalised.pre.tolist()
            found["post"] = None if self.normalised.post is None else self.normalised.post.tolist()
        if self.edge is not None:
            found["edge_ev"], found["edge_method"] = self.edge.energy_ev, self.edge.method
            found["edge_error_ev"] = as_json(self.edge.sigma_ev)
        return found

    def message(self, uid: str) -> tuple[dict[str, object], FloatArray]:
        """Header of a live result, and energies, means and errors as rows (3, n); ``uid`` of run or scan."""
        header: dict[str, object] = {
            "kind": "spectrum",
            "run": uid,
            "region": self.region,
            "quantity": self.quantity,
            "unit": "",
        }
        if self.edge is not None:
            header["edge_ev"] = self.edge.energy_ev
        return header, np.stack([self.values.energy_ev, self.values.mean, self.values.error])


def spectra_of_images(images: Iterable[Image], regions: Sequence[Region]) -> list[RegionSpectrum]:
    """Spectra of regions of images, one image in memory at a time.

    Raises
    ------
    ReconstructionError
        A region is not inside the images.
    """
    means = RegionSpectra(regions)
    for energy, quantities, noise in images:
        variance = {
            name: np.broadcast_to(np.float64(noise[name]) ** 2, image.shape)
            for name, image in quantities.items()
            if np.isfinite(noise[name])
        }
        means.push(energy, quantities, variance=variance if len(variance) == len(quantities) else None)
    return [
        region_spectrum(region, quantity, values)
        for region, quantities_of in means.value().items()
        for quantity, values in quantities_of.items()
    ]


def region_spectrum(region: str, quantity: str, values: Spectrum) -> RegionSpectrum:
    """Normalise a spectrum as far as it goes: a scan that has not passed the edge has no lines yet.

    The edge is the one K edge between the first and the last energy; delta has none.
    """
    energy, mu, error = values.energy_ev, values.mean, values.error
    edge = k_edge_between(float(energy[0]), float(energy[-1])) if energy.size > 1 else None
    if edge is None or quantity == "delta" or not np.isfinite(mu).all():
        return RegionSpectrum(region, quantity, values)
    known = error if np.all(np.isfinite(error) & (error > 0)) else None
    lines, found = None, None
    try:
        lines = normalise_spectrum(energy, mu, sigma=known, edge_ev=edge[1])
        found = edge_energy(energy, mu, sigma=known, edge_ev=edge[1])
    except ReconstructionError:
        pass  # too few energies yet, or no edge in this region: the spectrum is shown without
    return RegionSpectrum(region, quantity, values, lines, found)


def edge_lines(spectra: Sequence[RegionSpectrum]) -> list[str]:
    """Where each region has its edge, a line each; the error is that of the noise alone."""
    return [
        f"{each.region}: edge at {each.edge.energy_ev:.2f} eV (noise +- {each.edge.sigma_ev:.3f} eV, "
        f"{each.edge.method.replace('_', ' ')})"
        if each.edge is not None
        else f"{each.region}: no edge found"
        for each in spectra
        if each.quantity != "delta"
    ]


def regions_now(folder: Path, start: Mapping[str, Any], shape: tuple[int, int]) -> list[Region]:
    """Whole image (ny, nx), and the regions of ``regions.json`` in the results folder, else of the run.

    Raises
    ------
    ReconstructionError
        The file is not what it should be.
    """
    whole = Region(WHOLE, 0, 0, shape[1], shape[0])
    path = folder / REGIONS_NAME
    given = start.get("params", {}).get("regions", {})
    try:
        raw = json.loads(path.read_text(encoding="utf-8")) if path.exists() else given
        return [whole, *(Region(str(name), *(int(n) for n in _box(box))) for name, box in raw.items())]
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ReconstructionError(
            f'regions {path}: wanted {{"name": [first column, first row, columns, rows]}}: {error}'
        ) from error


def write_spectra(folder: Path, spectra: Sequence[RegionSpectrum]) -> Path:
    """Put ``spectra.json`` into a results folder; a reader never sees half of it."""
    return write_json(folder / SPECTRA_NAME, [each.plain() for each in spectra], "spectra")


def _box(box: Any) -> tuple[int, int, int, int]:
    x, y, width, height = box
    return x, y, width, height
