"""NXxas: spectra of regions, as NeXus writes X-ray absorption spectra.

Written after the application definition in force (``applications/NXxas.nxdl.xml`` of
https://github.com/nexusformat/definitions, as of 2026-06) and the one that is to follow it (pull request 1640
there: ``contributed_definitions/NXxas.nxdl.xml``): an entry fulfils both. One entry for each region::

    /<region>                       NXentry
        /energy                     eV; also instrument/monochromator/energy, data/energy
        /intensity(_errors)         the absorbance; also data/intensity
        /element/symbol, /edge/name
        /instrument/incoming_beam, /absorbed_beam   before and behind the sample
        /data                       NXdata, the plot to be shown
        /process                    NXprocess: how it was made, energy of the edge
            /delta, /beta, /normalised      NXdata, where they are given
            /normalisation                  NXdata: absorbance, lines before and behind the edge

Values stand once; the other places are hard links, marked by the attribute ``target`` as NeXus does. Of the
definition to come are the classes NXelement and NXabsorption_edge, which the one in force does not know.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import ArrayLike

from xsn_acq.errors import StorageError
from xsn_acq.storage.nexus import iso_time, nxfields, nxgroup, nxroot, nxvalue, whole_file

_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.]*[A-Za-z0-9_])?")
_RELATIVE = "1: the absorbed beam is given relative to the incoming one"


@dataclass(frozen=True, eq=False)
class Curve:
    """Values (n,) over energy, and their standard errors (n,) where they are known."""

    values: ArrayLike
    errors: ArrayLike | None = None


@dataclass(frozen=True, eq=False)
class Spectrum:
    """What is known of one region.

    Attributes
    ----------
    name : str
        Of the region: letters, digits, underscores, and full stops inside.
    energies_ev : (n,)
        Rising.
    absorbance : Curve
        -ln(I / I0).
    delta, beta, normalised : Curve, optional
    pre_edge_line, post_edge_line : (n,), optional
        What was subtracted from the absorbance, and what it was divided by in the end, as absorbance.
    edge_energy_ev, edge_energy_error_ev : float, optional
        Of the edge, and its standard error.
    incoming : (n,), optional
        Counts of the incoming beam; without them the absorbed beam is the transmission.
    """

    name: str
    energies_ev: ArrayLike
    absorbance: Curve
    delta: Curve | None = None
    beta: Curve | None = None
    normalised: Curve | None = None
    pre_edge_line: ArrayLike | None = None
    post_edge_line: ArrayLike | None = None
    edge_energy_ev: float | None = None
    edge_energy_error_ev: float | None = None
    incoming: ArrayLike | None = None


@dataclass(frozen=True)
class XasMeasurement:
    """What all spectra of a file have in common.

    Attributes
    ----------
    title, sample_name, source_name : str
    start_time_s : float
        Unix seconds.
    element, edge : str
        Symbol, and shell as ``K`` or ``L3``.
    exposure_s : float
        Exposure of one frame.
    parameters : mapping of name to value
        How the spectra were made.
    """

    title: str
    sample_name: str
    source_name: str
    start_time_s: float
    element: str
    edge: str
    exposure_s: float
    parameters: Mapping[str, str | float]


def write_nxxas(path: Path, spectra: Sequence[Spectrum], measurement: XasMeasurement) -> Path:
    """Write the spectra of regions; an earlier file of the same name is replaced.

    Parameters
    ----------
    path : Path
        File to write, ``.h5`` by custom.
    spectra : Spectra
        The first is the one to be shown.
    measurement : XasMeasurement

    Returns
    -------
    Path
        The file.

    Raises
    ------
    StorageError
        When there is none, when lengths differ, when a name is wrong or there twice, or when the file cannot
        be written.
    """
    path = Path(path).absolute()
    where = f"NXxas {path}"
    names = [spectrum.name for spectrum in spectra]
    wrong = [name for name in names if not _NAME.fullmatch(name) or names.count(name) > 1]
    if wrong or not names:
        found = ", ".join(map(repr, dict.fromkeys(wrong))) or "none"
        raise StorageError(
            f"{where}: wanted regions, each with a name of its own of letters, digits and _, found {found}"
        )
    with whole_file(path, "NXxas") as file:
        nxroot(file, names[0])
        for spectrum in spectra:
            _write_entry(file, spectrum, measurement, f"{where}: {spectrum.name}")
    return path


def _write_entry(file: h5py.File, spectrum: Spectrum, measurement: XasMeasurement, where: str) -> None:
    energies = np.asarray(spectrum.energies_ev, float)
    if energies.ndim != 1 or energies.size == 0 or not np.all(np.diff(energies) > 0):
        raise StorageError(f"{where}: energies: wanted one or more, rising, found {energies}")
    entry = nxgroup(file, spectrum.name, "NXentry", default="data")
    nxfields(
        entry,
        {
            "definition": "NXxas",
            "title": f"{measurement.title}: {spectrum.name}",
            "start_time": iso_time(measurement.start_time_s),
            "is_experimental": True,
            "program_name": "xsn_acq",
        },
    )
    here = f"/{spectrum.name}"
    nxvalue(entry, "energy", energies, "eV", target=f"{here}/instrument/monochromator/energy")
    _write_curve(entry, "intensity", spectrum.absorbance, where)
    entry["intensity"].attrs.update({"long_name": "absorbance, -ln(I / I0)", "target": f"{here}/intensity"})
    nxgroup(entry, "element", "NXelement")["symbol"] = measurement.element
    nxgroup(entry, "edge", "NXabsorption_edge")["name"] = measurement.edge
    nxgroup(entry, "sample", "NXsample")["name"] = measurement.sample_name
    _write_instrument(entry, spectrum, measurement.source_name, where)
    monitor = nxgroup(entry, "control", "NXmonitor")
    monitor["mode"] = "timer"
    nxvalue(monitor, "preset", float(measurement.exposure_s), "s")
    monitor["data"] = entry["instrument/incoming_beam/data"]
    _write_plot(entry)
    _write_process(entry, spectrum, measurement.parameters, where)


def _write_instrument(entry: h5py.Group, spectrum: Spectrum, source_name: str, where: str) -> None:
    instrument = nxgroup(entry, "instrument", "NXinstrument")
    source = nxgroup(instrument, "source", "NXsource")
    nxfields(source, {"name": source_name, "type": "Synchrotron X-ray Source", "probe": "x-ray"})
    nxgroup(instrument, "monochromator", "NXmonochromator")["energy"] = entry["energy"]
    # larch reads energies of a scan from a positioner (larch/io/xas_data_source/nexus.py)
    nxgroup(instrument, "energy", "NXpositioner")["value"] = entry["energy"]
    incoming, absorbed = (
        nxgroup(instrument, f"{name}_beam", "NXdetector") for name in ("incoming", "absorbed")
    )
    if spectrum.incoming is None:
        before, units = np.ones(entry["energy"].shape), ""
        incoming["description"] = _RELATIVE
    else:
        before, units = _values(spectrum.incoming, entry, "incoming", where), "counts"
    nxvalue(incoming, "data", before, units, target=incoming.name + "/data")
    behind = before * np.exp(-entry["intensity"][()])
    nxvalue(absorbed, "data", behind, units, target=absorbed.name + "/data")


def _write_plot(entry: h5py.Group) -> None:
    """Write the plot to be shown."""
    data = _plot(entry, "data", "intensity", entry["energy"])
    for name in ("intensity", "intensity_errors"):
        if name in entry:
            data[name] = entry[name]
    data["absorbed_beam"] = entry["instrument/absorbed_beam/data"]
    data["mode"] = "Transmission"


def _write_process(
    entry: h5py.Group, spectrum: Spectrum, parameters: Mapping[str, str | float], where: str
) -> None:
    process = nxgroup(entry, "process", "NXprocess")
    nxfields(process, {"program": "xsn_acq", "version": version("xsn_acq")})
    nxfields(nxgroup(process, "parameters", "NXparameters"), parameters)
    for name, energy in (
        ("edge_energy", spectrum.edge_energy_ev),
        ("edge_energy_errors", spectrum.edge_energy_error_ev),
    ):
        if energy is not None:
            nxvalue(process, name, float(energy), "eV")
    for name, curve in {
        "delta": spectrum.delta, "beta": spectrum.beta, "normalised": spectrum.normalised
    }.items():  # fmt: skip
        if curve is not None:
            _write_curve(_plot(process, name, name, entry["energy"]), name, curve, where)
    lines = {"pre_edge_line": spectrum.pre_edge_line, "post_edge_line": spectrum.post_edge_line}
    known = {name: line for name, line in lines.items() if line is not None}
    if known:
        group = _plot(process, "normalisation", "absorbance", entry["energy"])
        group["absorbance"] = entry["intensity"]
        group.attrs["auxiliary_signals"] = list(known)
        for name, line in known.items():
            group[name] = _values(line, group, name, where)


def _plot(parent: h5py.Group, name: str, signal: str, energy: h5py.Dataset) -> h5py.Group:
    """Make an NXdata over energy."""
    group = nxgroup(parent, name, "NXdata", signal=signal, axes=["energy"])
    group["energy"] = energy
    return group


def _write_curve(group: h5py.Group, name: str, curve: Curve, where: str) -> None:
    for part, values in ((name, curve.values), (f"{name}_errors", curve.errors)):
        if values is not None:
            group[part] = _values(values, group, part, where)


def _values(values: ArrayLike, group: h5py.Group, name: str, where: str) -> np.ndarray:
    """Return numbers, one for each energy of a group."""
    found, wanted = np.asarray(values, float), group["energy"].shape
    if found.shape != wanted:
        raise StorageError(f"{where}: {name}: wanted shape {wanted} as the energies, found {found.shape}")
    return found
