"""From the points of a calibration run to what they say, in a line and as a section of the calibration."""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from xsn_acq.analysis.calibration.foucault import pupil_plane
from xsn_acq.analysis.calibration.knife_edge import knife_edge_curve
from xsn_acq.analysis.calibration.pixel_size import pixel_size
from xsn_acq.analysis.calibration.rotation_axis import rotation_axis
from xsn_acq.analysis.xsn_stream import XsnSettings
from xsn_acq.errors import CalibrationError
from xsn_acq.live import calibration_pictures as pictures
from xsn_acq.live.finding import Finding, head, rounded
from xsn_acq.live.focus_finding import focus
from xsn_acq.live.points import RunPoints
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.storage.run import Row
from xsn_acq.units import NM, UM, wavelength_m


def find(points: RunPoints) -> Finding:
    """Analyse the points of a run.

    Raises
    ------
    CalibrationError
        The points do not show what they were taken for; the message says what to do.
    """
    plan = str(points.run.start.get("plan_name"))
    if plan not in _ANALYSES:
        raise CalibrationError(
            f"run {points.run.uid[:8]}: plan: wanted one of {', '.join(_ANALYSES)}, found {plan}"
        )
    return _ANALYSES[plan](points)


def _knife_edge(points: RunPoints) -> Finding:
    file, energy = points.beamline, points.energy_ev
    edge_um = points.column("cutoff_x_um")
    frequency = np.asarray([file.cutoff_frequency_per_m(x, energy) for x in edge_um])
    counts, sigma = points.each(_mean_and_error).T
    found = knife_edge_curve(frequency, counts, sigma, passes=file.geometry.cutoff_passes)
    per_um = wavelength_m(energy) * file.zone_plate.focal_length_m(energy) / UM  # of cutoff_x for each 1/m
    section = {
        **head(points),
        "frequency_per_um": _rounded(found.curve.frequency_per_m * UM),
        "transmitted": _rounded(found.curve.transmitted),
        "sigma": _rounded(found.sigma),
        "stray_fraction": round(float(found.stray_fraction), 6),
    }
    line = (
        f"knife edge: half of the light passes at {found.edge_per_m * UM:.4f} +- "
        f"{found.edge_sigma_per_m * UM:.4f} /um (cutoff_x "
        f"{file.geometry.cutoff_x_zero_um + found.edge_per_m * per_um:.3f} um), curve known to "
        f"{100 * found.sigma.max():.2f} %, stray light {100 * found.stray_fraction:.2f} %"
    )
    share = counts / counts.max()
    above = share if file.geometry.cutoff_passes == "positive" else 1 - share
    return Finding("knife_edge", section, line, pictures.knife_edge(found, frequency, above))


def _foucault(points: RunPoints) -> Finding:
    edges = int(points.params["edges"])
    rows = sorted(points.rows, key=lambda row: (row["point"] // edges, row["cutoff_x_um"]))
    planes = int(points.params["planes"])
    light = np.asarray([points.frames(row).mean(axis=(0, 1)) for row in rows])
    z_mm, x_um = (_grid(rows, name, planes, edges) for name in ("cutoff_z_mm", "cutoff_x_um"))
    z_mm = z_mm.mean(axis=1)
    found = pupil_plane(
        z_mm,
        x_um.mean(axis=0),
        light.reshape(planes, edges, -1),
        focal_length_m=points.beamline.zone_plate.focal_length_m(points.energy_ev),
        column_x_m=points.column_x_m(),
    )
    section = {**head(points), "cutoff_z_mm": rounded(found.z_mm), "sigma_mm": rounded(found.sigma_mm)}
    line = (
        f"pupil plane: cutoff_z {found.z_mm:.3f} +- {found.sigma_mm:.3f} mm; the field darkens evenly within "
        f"{found.depth_mm:.2f} mm of it"
    )
    return Finding("pupil_plane", section, line, pictures.pupil_plane(found, z_mm))


def _rotation_axis(points: RunPoints) -> Finding:
    file, optics, theta_deg = points.beamline, points.optics(), points.column("theta_deg")
    air_columns = round(XsnSettings.air_fraction * optics.shape[1])
    images = points.over_flat(background=optics.background, air_columns=air_columns)
    found = rotation_axis(theta_deg, images, optics=optics)
    middle = (file.detection.sensor_columns - 1) / 2
    off_axis_px = points.sensor_column(found.column) - middle
    # the file's column is that of detector_z = 0, where the magnification is another
    scale = file.magnification(points.energy_ev) / file.magnification(points.energy_ev, points.detector_z_mm)
    section = {
        **head(points),
        "column": rounded(middle + off_axis_px * scale),
        "sample_x_um": rounded(points.acquisition["sample_x_um"]),
        "sigma_px": rounded(found.sigma_px * points.binning),
        **_known("roll", found.roll_deg, found.roll_sigma_deg),
        **_known("tilt", found.tilt_deg, found.tilt_sigma_deg),
    }
    line = (
        f"rotation axis: column {section['column']:.2f} +- {section['sigma_px']:.2f} px of the sensor at "
        f"sample_x {section['sample_x_um']:.3f} um, {_lean('roll', section)}, {_lean('tilt', section)}"
    )
    return Finding("rotation_axis", section, line, pictures.rotation_axis(found, theta_deg, images))


def _pixel_size(points: RunPoints) -> Finding:
    x_um = points.column("sample_x_um")
    found = pixel_size(x_um, points.over_flat())
    nominal = points.beamline.nominal_pixel_size_m(points.energy_ev, points.binning, points.detector_z_mm)
    ratio, sigma = found.pixel_size_m / nominal, found.sigma_m / nominal
    section = {**head(points), "ratio": rounded(ratio), "sigma": rounded(sigma)}
    line = (
        f"pixel size: {found.pixel_size_m / NM:.3f} +- {found.sigma_m / NM:.3f} nm at binning "
        f"{points.binning}, {100 * (ratio - 1):+.2f} +- {100 * sigma:.2f} % from the geometry"
    )
    return Finding("pixel_size", section, line, pictures.pixel_size(found, x_um))


_ANALYSES: Mapping[str, Callable[[RunPoints], Finding]] = MappingProxyType(
    {
        "knife_edge": _knife_edge,
        "foucault_test": _foucault,
        "focus_scan": focus,
        "find_rotation_axis": _rotation_axis,
        "pixel_size": _pixel_size,
    }
)


def _known(name: str, value: float, sigma: float) -> dict[str, float]:
    """An angle and its error, where the scan tells it."""
    if not (math.isfinite(value) and math.isfinite(sigma)):
        return {}
    return {f"{name}_deg": rounded(value), f"{name}_sigma_deg": rounded(sigma)}


def _lean(name: str, section: dict[str, Any]) -> str:
    if f"{name}_deg" not in section:
        return f"{name} unknown"
    return f"{name} {section[f'{name}_deg']:.3f} +- {section[f'{name}_sigma_deg']:.3f} deg"


def _mean_and_error(frames: FloatArray) -> tuple[float, float]:
    """Mean of all pixels of some frames, and its standard error from how the frames differ pixel by pixel."""
    variance = frames.astype(np.float64).var(axis=0, ddof=1).mean()
    return float(frames.mean(dtype=np.float64)), float(np.sqrt(variance / frames.size))


def _grid(rows: list[Row], name: str, planes: int, edges: int) -> FloatArray:
    return np.asarray([row[name] for row in rows], float).reshape(planes, edges)


def _rounded(values: FloatArray) -> list[float]:
    return [rounded(value) for value in values]
