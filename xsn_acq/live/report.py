"""A page for each reconstruction: what was measured, what came out, how sure it is, what to be warned of.

One file of HTML with its pictures inside: it works from disk, without a network, and prints.
"""

import logging
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from xsn_acq.analysis.frc import (
    FrcCurve,
    Threshold,
    central_block,
    reaches_nyquist,
    resolution,
    resolution_range,
)
from xsn_acq.analysis.orthoslices import Plane
from xsn_acq.analysis.xsn_stream import Quantity
from xsn_acq.errors import ReconstructionError, StorageError
from xsn_acq.live import report_facts as facts
from xsn_acq.live import report_figures as figures
from xsn_acq.live.report_page import PAGE, STYLE
from xsn_acq.live.volume import QUANTITIES, Summary, VolumeFile, Voxel
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.detector import FWHM_PER_SIGMA
from xsn_acq.storage.run import RunRecord
from xsn_acq.units import NM, UM, energy_ev

REPORT_NAME = "report.html"
THRESHOLDS: Mapping[str, Threshold] = {
    "1/4": 0.25,
    "1/7": 1 / 7,
    "half-bit": "half-bit",
    "one-bit": "one-bit",
}
_ACROSS: Mapping[Plane, str] = {"xz": "y", "xy": "z", "zy": "x"}
_SIDES: Mapping[Plane, str] = {
    "xz": "x to the right, z up",
    "xy": "x to the right, y up",
    "zy": "z to the right, y up",
}
_BARS_UM = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)

_log = logging.getLogger(__name__)


def write_report(volume_path: Path, record: RunRecord | None = None, path: Path | None = None) -> Path:
    """Write the page of a reconstruction.

    Parameters
    ----------
    volume_path : Path
        ``reconstruction.h5``.
    record : RunRecord, optional
        The run: without it the page tells only what the file keeps.
    path : Path, optional
        File to write, which appears whole or not at all; left out: ``report.html`` beside the volume.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    StorageError
        The volume cannot be read, or the page not written.
    """
    import jinja2

    target = path or volume_path.with_name(REPORT_NAME)
    with VolumeFile(volume_path) as volume:
        values = _values(volume, record)
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    text = environment.from_string(PAGE).render(style=STYLE, **values)
    part = target.with_name(target.name + ".part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, target)
    except OSError as error:
        raise StorageError(f"report {target}: cannot be written: {error.strerror}") from error
    return target


def report_on(volume_path: Path, record: RunRecord | None) -> None:
    """Write the page beside a new volume; what fails is logged, for the volume is made."""
    try:
        write_report(volume_path, record)
    except Exception as error:
        _log.warning("report on %s: not written: %s", volume_path, error)


def _values(volume: VolumeFile, record: RunRecord | None) -> dict[str, Any]:
    """Everything the page shows."""
    summary, series = volume.summary(), volume.per_pair()
    energy = energy_ev(volume.wavelength_m)
    note = str(record.start.get("note") or record.start.get("plan_name", "")) if record else volume.title
    curve, ended = volume.parameters.get("knife_edge"), volume.parameters.get("ended")
    light_m = volume.parameters.get("light", {}).get("resolution_m")
    found = facts.warnings(summary, series, record, ended, alike=light_m is not None)
    return {
        "title": note or f"run {summary.run[:8]}",
        "subtitle": f"Reconstruction of run {summary.run[:8]} at {energy:.1f} eV",
        "warnings": [*volume.warnings, *found],
        "cards": _cards(summary, energy, light_m),
        "light": "" if light_m is None else f"{light_m / NM:.0f} nm",
        "slices": [_row(volume, summary, quantity) for quantity in QUANTITIES],
        "bar_um": _bar_um(volume),
        "frc": figures.frc_png(summary.halves.curves, THRESHOLDS) if summary.halves.curves else "",
        "resolutions": [(name, *_resolved(summary, threshold)) for name, threshold in THRESHOLDS.items()],
        "noise": [
            (f"noise of {figures.NAMES[q]}", f"{noise:.2e}") for q, noise in summary.halves.noise.items()
        ],
        "histogram": _histogram(volume, summary),
        "angle": figures.angle_png(summary.theta_deg, summary.residual),
        "convergence": figures.convergence_png(summary.residual) if summary.residual.shape[1] > 1 else "",
        "series": [
            (figures.series_png(summary.theta_deg, values, name, unit), f"{name} at each angle")
            for name, (values, unit) in series.items()
            if _tells(values, summary)
        ],
        "alignment": volume.alignment(),
        "axis": f"{float(volume.parameters['axis_column']):.2f}"
        if "axis_column" in volume.parameters
        else "",
        "measured": facts.measured(record) if record else [],
        "calibrations": facts.calibrations(record) if record else [],
        "knife_edge": figures.knife_edge_png(curve["frequency_per_m"], curve["transmitted"]) if curve else "",
        "settings": facts.settings(volume.parameters),
        "footer": f"xsn_acq {version('xsn_acq')}, {datetime.now(UTC):%Y-%m-%d %H:%M UTC}, {volume.path.name}",
    }


def _tells(values: FloatArray, summary: Summary) -> bool:
    """Whether a number of each angle is worth a picture: it differs, and is not the residual once more."""
    known = values[np.isfinite(values)]
    again = np.array_equal(values, summary.residual[:, -1])
    return bool(known.size and np.ptp(known) > 0 and not again)


def _cards(summary: Summary, energy: float, light_m: float | None) -> list[tuple[str, str]]:
    cards = [
        (f"{energy:.1f} eV", "photon energy"),
        (str(len(summary.theta_deg)), "angles retrieved"),
        (f"{summary.pixel_size_m / NM:.1f} nm", "voxel"),
    ]
    if light_m is not None:
        cards.append((f"{light_m / NM:.0f} nm", "resolution that the light allows"))
    what = "resolution of" if light_m is None else "even and odd angles agree to this,"
    for quantity, curve in summary.halves.curves.items():
        cards.append((_period(curve, 0.25), f"{what} {figures.NAMES[quantity]} at 1/4"))
    for quantity, noise in summary.halves.noise.items():
        least = "" if light_m is None else "at least "
        cards.append((f"{noise:.1e}", f"{least}noise of a voxel, {figures.NAMES[quantity]}"))
    cards.append((f"{float(np.median(summary.residual[:, -1])):.2g}", "residual, median of the angles"))
    return cards


def _period(curve: FrcCurve, threshold: Threshold) -> str:
    """Resolution in words; a curve that never falls is limited by the voxel."""
    limited = "≤ " if reaches_nyquist(curve, threshold) else ""
    return f"{limited}{resolution(curve, threshold) / NM:.0f} nm"


def _resolved(summary: Summary, threshold: Threshold) -> tuple[str, str]:
    """Resolution of delta and of beta at a threshold, with its range."""
    words = []
    for quantity in QUANTITIES:
        curve = summary.halves.curves.get(quantity)
        try:
            if curve is None:
                raise ReconstructionError("no curve")
            span = ""
            if curve.samples is not None:
                low, high = (each / NM for each in resolution_range(curve, threshold))
                span = f" ({low:.0f} to {high:.0f})"
            words.append(_period(curve, threshold) + span)
        except ReconstructionError:
            words.append("not known")
    return words[0], words[1]


def _row(volume: VolumeFile, summary: Summary, quantity: Quantity) -> dict[str, Any]:
    """Three central planes of a quantity; beta is smoothed over what delta resolves, and says so."""
    curve = summary.correlation
    width_m = resolution(curve) if quantity == "beta" and curve is not None else 0.0
    sigma = width_m / FWHM_PER_SIGMA / summary.pixel_size_m
    middle = tuple(n // 2 for n in volume.delta.shape)
    at = (middle[0], middle[1], middle[2])
    images = {plane: _smoothed(image, sigma) for plane, image in summary.slices[quantity].items()}
    low, high = figures.range_of(list(images.values()))
    pixel_um = summary.pixel_size_m / UM
    name = figures.NAMES[quantity]
    return {
        "name": name,
        "slices": [
            figures.Slice(
                figures.slice_png(image, low, high, quantity),
                _where(volume, plane, at),
                image.shape[1] * pixel_um,
                image.shape[0] * pixel_um,
            )
            for plane, image in images.items()
        ],
        "low": f"{low:.2e}",
        "high": f"{high:.2e}",
        "gradient": figures.gradient(quantity),
        "note": f"{name}, no unit"
        + (f"; smoothed over {width_m / NM:.0f} nm in the plane, to be seen" if width_m else ""),
    }


def _smoothed(image: FloatArray, sigma: float) -> FloatArray:
    """In the plane only: a slab across a large volume would have to be read from all of the file."""
    return np.asarray(gaussian_filter(image, sigma, mode="nearest")) if sigma > 0 else image


def _where(volume: VolumeFile, plane: Plane, at: Voxel) -> str:
    axis = _ACROSS[plane]
    return f"{axis} = {volume.place_m(axis, at['yzx'.index(axis)]) / UM:.2f} µm; {_SIDES[plane]}"


def _bar_um(volume: VolumeFile) -> float:
    """Length of the scale bar: the roundest below a quarter of the field."""
    field = volume.delta.shape[2] * volume.pixel_size_m / UM
    return max((length for length in _BARS_UM if length <= 0.3 * field), default=_BARS_UM[0])


def _histogram(volume: VolumeFile, summary: Summary) -> str:
    block = volume.delta[central_block(volume.delta.shape)]
    return figures.histogram_png(block, summary.halves.noise.get("delta"))
