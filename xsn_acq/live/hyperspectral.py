"""Spectra of delta and beta from the volumes of a hyperspectral scan, as many as there are."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from xsn_acq.errors import ReconstructionError
from xsn_acq.live.energy_pictures import draw_spectra
from xsn_acq.live.results import ResultPublisher
from xsn_acq.live.spectra import RegionSpectrum, edge_lines, regions_now, spectra_of_images, write_spectra
from xsn_acq.live.volume import FILE_NAME, VolumeFile
from xsn_acq.live.volume_slices import slices_of
from xsn_acq.live.xas_file import write_region_spectra
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.scans import RunSeries, hyperspectral_scans


def publish_spectra(start: Mapping[str, Any], data: DataFolder, publisher: ResultPublisher) -> None:
    """After a tomogram: send and write the spectra of the scan that it is of, if it is of one."""
    uid = (start.get("hyperspectral") or {}).get("scan")
    for scan in hyperspectral_scans(data.journal) if uid else ():
        if scan.uid == uid:
            for spectrum in spectra_of_scan(scan, data)[0]:
                publisher.send(*spectrum.message(scan.uid))


def spectra_of_scan(scan: RunSeries, data: DataFolder) -> tuple[list[RegionSpectrum], list[str]]:
    """Spectra of the energies that are reconstructed so far; see `spectra_of_volumes`."""
    places = (data.results(records[0].uid) / FILE_NAME for records in scan.parts().values())
    return spectra_of_volumes([path for path in places if path.exists()], scan.start(), data)


def spectra_of_volumes(
    volumes: Sequence[Path], start: Mapping[str, Any], data: DataFolder
) -> tuple[list[RegionSpectrum], list[str]]:
    """Spectra of regions of the middle slice: delta and beta at each energy that has a volume.

    Results go to the folder of the scan, ``results/<first 8 of the scan's uuid>/``, where ``regions.json``
    may name other regions than the scan was started with.

    Parameters
    ----------
    volumes : sequence of Path
        ``reconstruction.h5`` of each energy.
    start : mapping
        Start document of the scan's first run.
    data : DataFolder

    Returns
    -------
    spectra : list of RegionSpectrum
    lines : list of str
        For a person: edges, and where the files are.

    Raises
    ------
    ReconstructionError
        There is no volume.
    """
    scan = str(start["hyperspectral"]["scan"])
    if not volumes:
        raise ReconstructionError(
            f"scan {scan[:8]}: wanted volumes, found none; run xsn-acq reconstruct for its runs"
        )
    folder = data.results(scan)
    with VolumeFile(volumes[0]) as first:
        _, nz, nx = first.delta.shape
    spectra = spectra_of_images(slices_of(volumes), regions_now(folder, start, (nz, nx)))
    written = [write_spectra(folder, spectra), _draw(folder / "spectra.png", spectra, scan)]
    exported = write_region_spectra(data.exports / f"{scan[:8]}-xas.h5", spectra, start)
    files = [*written, *([exported] if exported else [])]
    return spectra, [*edge_lines(spectra), *(f"spectra {path}" for path in files)]


def _draw(path: Path, spectra: Sequence[RegionSpectrum], scan: str) -> Path:
    """Delta and beta, one above the other."""
    figure = Figure(figsize=(7.0, 7.0), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, quantity in zip(figure.subplots(2, 1, sharex=True), ("delta", "beta"), strict=True):
        draw_spectra(axes, [each for each in spectra if each.quantity == quantity])
    figure.suptitle(f"hyperspectral scan {scan[:8]}", fontsize=10)
    figure.savefig(path, dpi=100)
    return path
