"""Pictures of calibrations: what was measured, what was found."""

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from xsn_acq.analysis.calibration.focus import FocusResult
from xsn_acq.analysis.calibration.foucault import PupilPlaneResult
from xsn_acq.analysis.calibration.knife_edge import KnifeEdgeResult
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.units import UM

Draw = Callable[[Figure], None]
_BLUE, _GREY = "#1f4e79", "#8a8a8a"


def knife_edge(found: KnifeEdgeResult, frequency_per_m: FloatArray, counts: FloatArray) -> Draw:
    """Draw the curve over what was measured, and its derivative: the illumination."""

    def draw(figure: Figure) -> None:
        above, below = figure.subplots(2, 1, sharex=True)
        curve = found.curve
        order = np.argsort(frequency_per_m)
        above.plot(frequency_per_m[order] * UM, counts[order] / counts.max(), ".", color=_GREY)
        above.plot(curve.frequency_per_m * UM, curve.transmitted, color=_BLUE)
        above.set(ylabel="light that passes")
        x, density = found.density_frequency_per_m * UM, found.density / UM
        below.fill_between(
            x, density - found.density_sigma / UM, density + found.density_sigma / UM, color=_BLUE, alpha=0.2
        )
        below.plot(x, density, color=_BLUE)
        below.set(xlabel="spatial frequency of the edge (1/µm)", ylabel="illumination (µm)")
        _grids(above, below)

    return draw


def pupil_plane(found: PupilPlaneResult, z_mm: FloatArray) -> Draw:
    """Draw how unevenly the field darkens in each plane."""

    def draw(figure: Figure) -> None:
        ax = figure.subplots()
        ax.plot(z_mm, found.nonuniformity, "o", color=_BLUE)
        _mark(ax, found.z_mm, found.sigma_mm)
        ax.set(xlabel="cutoff_z (mm)", ylabel="non-uniformity of the darkening")

    return draw


def focus(found: FocusResult, z_mm: FloatArray) -> Draw:
    """Draw the sharpness at each position."""

    def draw(figure: Figure) -> None:
        ax = figure.subplots()
        ax.plot(z_mm, found.sharpness, "o", color=_BLUE)
        _mark(ax, found.z_mm, found.sigma_mm)
        ax.set(xlabel="zone_plate_z (mm)", ylabel="sharpness")

    return draw


def _mark(ax: Any, value: float, sigma: float) -> None:
    ax.axvline(value, color=_GREY)
    ax.axvspan(value - sigma, value + sigma, color=_GREY, alpha=0.3)
    ax.grid(alpha=0.3)


def _grids(*axes: Any) -> None:
    for ax in axes:
        ax.grid(alpha=0.3)
