"""Fluorescence spectra of a run: NXfluo, and as PyMca opens them with their calibration and live time.

::

    /entry                      NXentry, definition NXfluo
        /instrument/mca         NXdetector, one for each file of the detector: mca, mca_2, ...
            /data               external link to the detector's own file: raw counts
            /calibration        keV: energy of the middle of a bin = zero + gain bin + 0 bin^2
            /live_time          s, one for each spectrum; also /elapsed_time, with dead time
            /attributes         external link to what the detector wrote for each spectrum: the scalers
        /instrument/camera      NXdetector, one for each file of patterns: camera, camera_2, ...
        /instrument/fluorescence   NXdetector: the sum of all spectra over energy (keV, middle of the bin)
        /data                   NXdata, the plot to be shown: links to the sum and its energies
        /lines                  NXdata: fitted counts of each element's lines for each pattern; which spectrum
        /process                NXprocess: how they were fitted

Counts and images stay where they are. PyMca finds calibration and live time beside the data of an NXdetector
(``PyMca5/PyMcaCore/NexusTools.py``, ``getMcaObjectPaths``); its energy of a bin is that of the middle.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import ArrayLike

from xsn_acq.errors import StorageError
from xsn_acq.storage.nexus import iso_time, nxfields, nxgroup, nxroot, nxvalue, whole_file
from xsn_acq.units import wavelength_m

_AT_ONCE = 1000


@dataclass(frozen=True)
class LinkedData:
    """A dataset of another file, and the group beside it with values for each of its frames."""

    path: Path
    dataset: str
    attributes: str | None = None


@dataclass(frozen=True, eq=False)
class DetectorFile:
    """Spectra of one file.

    Attributes
    ----------
    counts : LinkedData
        (n, bins) or (n, 1, bins).
    live_s, real_s : (n,)
        Of each spectrum.
    """

    counts: LinkedData
    live_s: ArrayLike
    real_s: ArrayLike


@dataclass(frozen=True, eq=False)
class FittedLines:
    """Counts of lines for each pattern.

    Attributes
    ----------
    elements : sequence of str
    areas, errors : (elements, patterns)
        For each second of live time.
    flags : (patterns,)
        0 where all is well.
    patterns, spectra : (patterns,)
        Number of each pattern, and of its spectrum in the detector's file; -1 for none.
    parameters : mapping of name to value
        How they were fitted.
    """

    elements: Sequence[str]
    areas: ArrayLike
    errors: ArrayLike
    flags: ArrayLike
    patterns: ArrayLike
    spectra: ArrayLike
    parameters: Mapping[str, str | float]


@dataclass(frozen=True)
class SpectraMeasurement:
    """What all spectra have in common.

    Attributes
    ----------
    title, sample_name, source_name : str
    start_time_s : float
        Unix seconds.
    energy_ev : float
        Of the light.
    zero_ev, ev_per_bin : float
        Bin n holds energies from ``zero_ev + n ev_per_bin`` to ``ev_per_bin`` more.
    """

    title: str
    sample_name: str
    source_name: str
    start_time_s: float
    energy_ev: float
    zero_ev: float
    ev_per_bin: float


def write_spectra(
    path: Path,
    detector: Sequence[DetectorFile],
    measurement: SpectraMeasurement,
    *,
    patterns: Sequence[LinkedData] = (),
    lines: FittedLines | None = None,
) -> Path:
    """Write the spectra of a run; an earlier file of the same name is replaced.

    Parameters
    ----------
    path : Path
        File to write, ``.h5`` by custom. Links are relative to its folder.
    detector : DetectorFiles
        In order of acquisition.
    measurement : SpectraMeasurement
    patterns : LinkedData
        Images of the patterns.
    lines : FittedLines, optional

    Returns
    -------
    Path
        The file.

    Raises
    ------
    StorageError
        When there are none, when a linked file is missing or has other frames than said, when numbers do not
        fit together, or when the file cannot be written.
    """
    path = Path(path).absolute()
    where = f"spectra {path}"
    if not detector:
        raise StorageError(f"{where}: wanted spectra of one file or more, found none")
    with whole_file(path, "spectra") as file:
        nxroot(file, "entry")
        entry = nxgroup(file, "entry", "NXentry", default="data")
        facts = {"definition": "NXfluo", "title": measurement.title, "program_name": "xsn_acq"}
        nxfields(entry, facts | {"start_time": iso_time(measurement.start_time_s)})
        nxgroup(entry, "sample", "NXsample")["name"] = measurement.sample_name
        instrument = _write_instrument(entry, measurement)
        summed = [_write_detector(instrument, i, part, measurement, where) for i, part in enumerate(detector)]
        for i, images in enumerate(patterns):
            _frames(images, where)
            _link(nxgroup(instrument, _numbered("camera", i), "NXdetector"), images, path.parent)
        _write_sum(entry, summed, measurement, where)
        _write_time(entry, detector)
        if lines is not None:
            _write_lines(entry, lines, where)
    return path


def _write_instrument(entry: h5py.Group, measurement: SpectraMeasurement) -> h5py.Group:
    instrument = nxgroup(entry, "instrument", "NXinstrument")
    source = nxgroup(instrument, "source", "NXsource")
    nxfields(source, {"name": measurement.source_name, "type": "Synchrotron X-ray Source", "probe": "x-ray"})
    monochromator = nxgroup(instrument, "monochromator", "NXmonochromator")
    nxvalue(monochromator, "energy", measurement.energy_ev / 1000, "keV")
    nxvalue(monochromator, "wavelength", wavelength_m(measurement.energy_ev) * 1e10, "angstrom")
    return instrument


def _numbered(name: str, index: int) -> str:
    return f"{name}_{index + 1}" if index else name


def _link(group: h5py.Group, source: LinkedData, folder: Path) -> None:
    """Link data, and the values of each frame, to another file."""
    target = os.path.relpath(Path(source.path).absolute(), folder)
    group["data"] = h5py.ExternalLink(target, source.dataset)
    if source.attributes is not None:
        group["attributes"] = h5py.ExternalLink(target, source.attributes)


def _frames(source: LinkedData, where: str) -> tuple[int, ...]:
    """Shape of linked data."""
    try:
        with h5py.File(source.path, "r", swmr=True) as file:
            shape: tuple[int, ...] = file[source.dataset].shape
            if source.attributes is not None:
                file[source.attributes]
    except (OSError, KeyError) as error:
        raise StorageError(f"{where}: {source.path}: wanted {source.dataset}, found: {error}") from error
    return shape


def _write_detector(
    instrument: h5py.Group, index: int, part: DetectorFile, measurement: SpectraMeasurement, where: str
) -> np.ndarray:
    """Write one NXdetector; the sum of its spectra, (bins,)."""
    shape = _frames(part.counts, where)
    times = {"live_time": np.asarray(part.live_s, float), "elapsed_time": np.asarray(part.real_s, float)}
    for name, values in times.items():
        if values.shape != shape[:1] or len(shape) not in (2, 3):
            raise StorageError(
                f"{where}: {part.counts.path.name}: wanted a {name} for each spectrum, found "
                f"{values.shape} for spectra {shape}"
            )
    mca = nxgroup(instrument, _numbered("mca", index), "NXdetector", interpretation="spectrum")
    _link(mca, part.counts, Path(instrument.file.filename).parent)
    nxvalue(mca, "calibration", _calibration_kev(measurement), "keV")
    for name, values in times.items():
        nxvalue(mca, name, values, "s")
    with h5py.File(part.counts.path, "r", swmr=True) as file:
        counts = file[part.counts.dataset]
        summed = np.zeros(shape[-1], np.int64)
        for first in range(0, shape[0], _AT_ONCE):
            summed += counts[first : first + _AT_ONCE].reshape(-1, shape[-1]).sum(axis=0, dtype=np.int64)
    return summed


def _calibration_kev(measurement: SpectraMeasurement) -> np.ndarray:
    gain = measurement.ev_per_bin / 1000
    return np.array([measurement.zero_ev / 1000 + gain / 2, gain, 0.0])


def _write_sum(
    entry: h5py.Group, summed: Sequence[np.ndarray], measurement: SpectraMeasurement, where: str
) -> None:
    lengths = {part.size for part in summed}
    if len(lengths) > 1:
        raise StorageError(f"{where}: wanted spectra of one length, found {sorted(lengths)} bins")
    detector = nxgroup(entry["instrument"], "fluorescence", "NXdetector")
    zero, gain, _ = _calibration_kev(measurement)
    energies = zero + gain * np.arange(lengths.pop())
    data = nxgroup(entry, "data", "NXdata", signal="data", axes=["energy"])
    for name, values, units in (("data", np.sum(summed, axis=0), "counts"), ("energy", energies, "keV")):
        nxvalue(detector, name, values, units, target=f"{detector.name}/{name}")
        data[name] = detector[name]


def _write_time(entry: h5py.Group, detector: Sequence[DetectorFile]) -> None:
    """Write how long was counted; the monitor's own number is that of the spectra."""
    monitor = nxgroup(entry, "control", "NXmonitor")
    monitor["mode"] = "timer"
    nxvalue(monitor, "preset", float(sum(np.sum(part.real_s) for part in detector)), "s")
    nxvalue(monitor, "data", sum(np.size(part.real_s) for part in detector), long_name="number of spectra")


def _write_lines(entry: h5py.Group, lines: FittedLines, where: str) -> None:
    areas = np.asarray(lines.areas, float)
    wanted = (len(lines.elements), np.size(lines.flags))
    numbered = np.shape(lines.patterns) == np.shape(lines.spectra) == wanted[1:]
    if not (areas.shape == np.shape(lines.errors) == wanted and numbered):
        raise StorageError(
            f"{where}: lines: wanted areas and errors {wanted} as elements and flags, found {areas.shape} "
            f"and {np.shape(lines.errors)}"
        )
    data = nxgroup(entry, "lines", "NXdata", signal="areas", axes=["element", "pattern"])
    nxvalue(data, "areas", areas, "counts/s")
    nxvalue(data, "areas_errors", np.asarray(lines.errors, float), "counts/s")
    data["element"] = list(lines.elements)
    data["pattern"], data["spectrum"] = np.asarray(lines.patterns), np.asarray(lines.spectra)
    data["flags"] = np.asarray(lines.flags)
    process = nxgroup(entry, "process", "NXprocess")
    nxfields(process, {"program": "xsn_acq", "version": version("xsn_acq")})
    nxfields(nxgroup(process, "parameters", "NXparameters"), lines.parameters)
