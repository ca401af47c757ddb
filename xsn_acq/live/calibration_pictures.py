"""Pictures of calibrations: what was measured, what was found."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from xsn_acq.analysis.calibration.focus import FocusResult
from xsn_acq.analysis.calibration.foucault import PupilPlaneResult
from xsn_acq.analysis.calibration.knife_edge import KnifeEdgeResult
from xsn_acq.analysis.calibration.pixel_size import PixelSizeResult
from xsn_acq.analysis.calibration.rotation_axis import RotationAxisResult, half_turns
from xsn_acq.analysis.calibration.sideways import SidewaysRun
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


def focus_over_energy(
    scans: Sequence[tuple[float, FloatArray, FocusResult]],
    theory_mm: Sequence[float],
    sideways: SidewaysRun | None,
) -> Draw:
    """Draw the sharpness at each energy, the focus over the energy against theory, and the way sideways.

    ``scans``: energy in eV, positions, what was found; ``theory_mm``: where theory has each focus.
    """

    def draw(figure: Figure) -> None:
        grid = figure.add_gridspec(2, 2, height_ratios=(1.2, 1.0))
        above = figure.add_subplot(grid[0, :])
        left, right = figure.add_subplot(grid[1, 0]), figure.add_subplot(grid[1, 1])
        energies = [energy for energy, _, _ in scans]
        colours = colormaps["viridis"](np.linspace(0, 0.85, len(scans)))
        for (energy, z_mm, found), theory, colour in zip(scans, theory_mm, colours, strict=True):
            away = 1e3 * (z_mm - theory)
            above.plot(away, found.sharpness, "o-", color=colour, markersize=3, label=f"{energy:.1f} eV")
            above.axvline(1e3 * (found.z_mm - theory), color=colour, linestyle=":")
        above.set(xlabel="zone_plate_z from theory (µm)", ylabel="sharpness")
        above.legend(fontsize=8)
        off = [1e3 * (found.z_mm - theory) for (_, _, found), theory in zip(scans, theory_mm, strict=True)]
        left.errorbar(energies, off, [1e3 * found.sigma_mm for _, _, found in scans], fmt="o-", color=_BLUE)
        left.axhline(0.0, color=_GREY, linestyle="--", label="theory")
        left.set(xlabel="energy (eV)", ylabel="focus from theory (µm)")
        left.legend(fontsize=8)
        _draw_sideways(right, energies, sideways)
        _grids(above, left, right)

    return draw


def _draw_sideways(ax: Any, energies: Sequence[float], sideways: SidewaysRun | None) -> None:
    if sideways is None:
        ax.text(0.5, 0.5, "sideways unknown", ha="center", va="center", transform=ax.transAxes)
        return
    for name, place, colour in zip("xy", sideways.place_um.T, (_BLUE, _GREY), strict=True):
        ax.errorbar(energies, place, sideways.sigma_um, fmt="o-", color=colour, label=f"zone_plate_{name}")
    ax.set(xlabel="energy (eV)", ylabel="image stays in place (µm)")
    ax.legend(fontsize=8)


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
