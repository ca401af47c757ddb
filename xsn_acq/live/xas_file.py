"""Spectra of regions as NXxas."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xsn_acq.live.spectra import RegionSpectrum
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.edges import k_edge_between
from xsn_acq.storage.nxxas import Curve, Spectrum, XasMeasurement, write_nxxas
from xsn_acq.units import HC_EV_M

THICKNESS_M = 1e-6
"""Of which the absorbance is given where beta is what was measured."""
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9_]")


def write_region_spectra(
    path: Path, spectra: Sequence[RegionSpectrum], start: Mapping[str, Any]
) -> Path | None:
    """Write the spectra of an energy scan or of volumes as NXxas, an entry for each region.

    Parameters
    ----------
    path : Path
    spectra : sequence of RegionSpectrum
        Absorbance, or delta and beta: the absorbance is then that of `THICKNESS_M` of the material.
    start : mapping
        Start document of the run, or of the first of several.

    Returns
    -------
    Path or None
        None where the energies hold no K edge or more than one: the format wants to know which it is.
    """
    energy = spectra[0].values.energy_ev
    edge = k_edge_between(float(energy[0]), float(energy[-1])) if energy.size > 1 else None
    if edge is None:
        return None
    regions = list(dict.fromkeys(each.region for each in spectra))
    entries = [
        _entry(name, {each.quantity: each for each in spectra if each.region == name}) for name in regions
    ]
    beamline, params = start["beamline"], start["params"]
    measurement = XasMeasurement(
        title=str(start.get("note") or f"run {str(start['uid'])[:8]}"),
        sample_name=str(start.get("note") or "sample"),
        source_name=str(beamline["title"]),
        start_time_s=float(start["time"]),
        element=edge[0],
        edge="K",
        exposure_s=float(params["exposure_s"]),
        parameters=_parameters(start, volumes="absorbance" not in {each.quantity for each in spectra}),
    )
    return write_nxxas(path, entries, measurement)


def _parameters(start: Mapping[str, Any], *, volumes: bool) -> dict[str, str | float]:
    found: dict[str, str | float] = {"plan": str(start["plan_name"])}
    if not volumes:
        return {"run": str(start["uid"]), **found}
    found["scan"] = str(start["hyperspectral"]["scan"])
    found["thickness_m"], found["absorbance"] = THICKNESS_M, "4 pi beta thickness_m / wavelength"
    return found


def _entry(name: str, found: Mapping[str, RegionSpectrum]) -> Spectrum:
    main = found["absorbance"] if "absorbance" in found else found["beta"]
    lines, edge, energy = main.normalised, main.edge, main.values.energy_ev
    scale = np.ones(energy.size) if main.quantity == "absorbance" else absorbance_of_beta(energy)
    return Spectrum(
        name=_NOT_A_NAME.sub("_", name),
        energies_ev=energy,
        absorbance=Curve(scale * main.values.mean, scale * main.values.error),
        delta=_curve(found["delta"]) if "delta" in found else None,
        beta=_curve(found["beta"]) if "beta" in found else None,
        normalised=None if lines is None or lines.normalised is None else Curve(lines.normalised),
        pre_edge_line=None if lines is None else scale * lines.pre,
        post_edge_line=None if lines is None or lines.post is None else scale * lines.post,
        edge_energy_ev=None if edge is None else edge.energy_ev,
        edge_energy_error_ev=None if edge is None else edge.sigma_ev,
    )


def absorbance_of_beta(energy_ev: FloatArray) -> FloatArray:
    """Return the absorbance of `THICKNESS_M` of a material for each unit of beta.

    >>> round(float(absorbance_of_beta(np.array([8333.0]))[0] * 4.6e-7), 4)
    0.0388
    """
    return np.asarray(4 * np.pi * THICKNESS_M * np.asarray(energy_ev) / HC_EV_M)


def _curve(spectrum: RegionSpectrum) -> Curve:
    return Curve(spectrum.values.mean, spectrum.values.error)
