"""Pictures of calibrations: what was measured, what was found."""

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from xsn_acq.analysis.calibration.focus import FocusResult
from xsn_acq.analysis.calibration.foucault import PupilPlaneResult
from xsn_acq.analysis.calibration.knife_edge import KnifeEdgeResult
from xsn_acq.analysis.calibration.pixel_size import PixelSizeResult
from xsn_acq.analysis.calibration.rotation_axis import RotationAxisResult, half_turns
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.units import UM

Draw = Callable[[Figure], None]
HALF_TURN_TOLERANCE_DEG = 0.1
_BLUE, _GREY = "#1f4e79", "#8a8a8a"


def knife_edge(found: KnifeEdgeResult, frequency_per_m: FloatArray, above: FloatArray) -> Draw:
    """Draw the curve over the light found above the edge, and its derivative: the illumination."""

    def draw(figure: Figure) -> None:
        top, below = figure.subplots(2, 1, sharex=True)
        curve = found.curve
        order = np.argsort(frequency_per_m)
        top.plot(frequency_per_m[order] * UM, above[order], ".", color=_GREY)
        top.plot(curve.frequency_per_m * UM, curve.transmitted, color=_BLUE)
        top.set(ylabel="light above the edge")
        x, density = found.density_frequency_per_m * UM, found.density / UM
        below.fill_between(
            x, density - found.density_sigma / UM, density + found.density_sigma / UM, color=_BLUE, alpha=0.2
        )
        below.plot(x, density, color=_BLUE)
        below.set(xlabel="spatial frequency of the edge (1/µm)", ylabel="illumination (µm)")
        _grids(top, below)

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


def rotation_axis(found: RotationAxisResult, theta_deg: FloatArray, images: FloatArray) -> Draw:
    """Draw the first image, its partner flipped back about the axis, and their sum: phase cancels in it."""

    def draw(figure: Figure) -> None:
        first, partner = half_turns(theta_deg, HALF_TURN_TOLERANCE_DEG)[0]
        columns = np.arange(images.shape[2])
        flipped = np.array(
            [np.interp(2 * found.column - columns, columns, row, np.nan, np.nan) for row in images[partner]]
        )
        shown = (images[first], flipped, images[first] + flipped)
        names = (
            f"{theta_deg[first]:.1f} deg",
            f"{theta_deg[partner]:.1f} deg, flipped",
            "sum: phase cancels",
        )
        for ax, image, name in zip(
            figure.subplots(1, 3, sharex=True, sharey=True), shown, names, strict=True
        ):
            ax.imshow(image, cmap="gray", interpolation="nearest")
            ax.axvline(found.column, color=_BLUE, linewidth=0.8)
            ax.set_title(name, fontsize=9)

    return draw


def pixel_size(found: PixelSizeResult, displacement_um: FloatArray) -> Draw:
    """Draw the shift of the image against the displacement of the sample."""

    def draw(figure: Figure) -> None:
        above, below = figure.subplots(2, 1, sharex=True)
        shift = found.shift_px[:, 1]
        slope, offset = np.polyfit(displacement_um[found.used], shift[found.used], 1)
        above.plot(displacement_um, shift, "o", color=_BLUE)
        above.plot(displacement_um, slope * displacement_um + offset, color=_GREY)
        above.set(ylabel="shift of the image (px)")
        below.plot(displacement_um, shift - slope * displacement_um - offset, "o", color=_BLUE)
        below.set(xlabel="sample_x (µm)", ylabel="off the line (px)")
        _grids(above, below)

    return draw


def _mark(ax: Any, value: float, sigma: float) -> None:
    ax.axvline(value, color=_GREY)
    ax.axvspan(value - sigma, value + sigma, color=_GREY, alpha=0.3)
    ax.grid(alpha=0.3)


def _grids(*axes: Any) -> None:
    for ax in axes:
        ax.grid(alpha=0.3)
