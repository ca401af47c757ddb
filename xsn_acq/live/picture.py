"""A picture of a reconstruction: slices of delta and beta, the truth beside them if known."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure

from xsn_acq.analysis.frc import FrcCurve, resolution
from xsn_acq.analysis.orthoslices import Plane
from xsn_acq.analysis.xsn_stream import Quantity
from xsn_acq.live.volume import PLANES, QUANTITIES, Summary, VolumeFile, Voxel
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.detector import FWHM_PER_SIGMA
from xsn_acq.units import NM, UM

Slices = Mapping[Plane, FloatArray]

FRC_THRESHOLD = 0.25
_WIDE = 10.0
"""Ratio above which a residual is drawn on a logarithmic scale."""

_MAPS: Mapping[Quantity, str] = {"delta": "viridis", "beta": "magma"}
_NAMES: Mapping[Quantity, str] = {"delta": "δ", "beta": "β"}
_PLANES: tuple[tuple[Plane, str, str], ...] = (("xz", "x", "z"), ("xy", "x", "y"), ("zy", "z", "y"))
_BLUE, _GREY = "#1f4e79", "#8a8a8a"


@dataclass(frozen=True)
class _Look:
    """How the images of one quantity are drawn: its name, range of values and their power of ten, pixel."""

    name: str
    low: float
    high: float
    exponent: int
    pixel_um: float
    colours: str

    def draw(self, ax: Any, image: FloatArray) -> Any:
        """Draw one slice with the first row at the bottom: y and z grow upwards."""
        rows, columns = image.shape
        half_x, half_y = columns * self.pixel_um / 2, rows * self.pixel_um / 2
        return ax.imshow(
            np.asarray(image) / 10.0**self.exponent,
            origin="lower",
            extent=(-half_x, half_x, -half_y, half_y),
            cmap=self.colours,
            vmin=self.low,
            vmax=self.high,
            interpolation="nearest",
        )


def draw(
    path: Path,
    volume: VolumeFile,
    *,
    at: Voxel | None = None,
    truth: Mapping[Quantity, Slices] | None = None,
    title: str = "",
) -> Path:
    """Draw slices, residual and ring correlation into a PNG.

    Beta carries little signal: it is smoothed in all three directions over the finest period that the ring
    correlation of delta gives, and the picture says so. The file keeps every voxel as it is.

    Parameters
    ----------
    path : Path
        Written to; its folder exists.
    volume : VolumeFile
    at : (y, z, x), optional
        Voxel that the three planes go through; left out: the centre.
    truth : quantity -> plane -> image, optional
        True values in the same planes, drawn beside in the same colours.
    title : str
        Above all; the run's uid where left out.

    Returns
    -------
    Path
        The file.
    """
    summary = volume.summary()
    ny, nz, nx = volume.delta.shape
    where = at or (ny // 2, nz // 2, nx // 2)
    figure = Figure(figsize=(18.5 if truth else 13.0, 11.0), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title or f"run {summary.run[:8]}", fontsize=15)
    parts: Any = figure.subfigures(3, 1)
    for part, quantity in zip(parts, QUANTITIES, strict=False):
        width_m = _smoothing_m(summary) if quantity == "beta" else 0.0
        sigma = width_m / FWHM_PER_SIGMA / summary.pixel_size_m
        slices = {plane: volume.cut(quantity, plane, where, sigma=sigma) for plane in PLANES}
        known = truth.get(quantity) if truth else None
        look = _look_of(quantity, slices, known, summary.pixel_size_m)
        _draw_quantity(part, look, slices, known, _places_um(volume, where))
        part.suptitle(_caption(quantity, width_m), fontsize=12)
    left, right = parts[2].subplots(1, 2)
    _draw_residual(left, summary.residual)
    _draw_correlation(right, summary.correlation)
    figure.savefig(path, dpi=100)
    return path


def _draw_quantity(
    part: SubFigure, look: _Look, slices: Slices, truth: Slices | None, places_um: Mapping[Plane, str]
) -> None:
    """Draw one row of images: each plane, with its truth beside it."""
    kinds = [("reconstructed", slices)] + ([("truth", truth)] if truth else [])
    shown = [(kind, images[plane[0]], plane) for plane in _PLANES for kind, images in kinds]
    axes = np.ravel(part.subplots(1, len(shown)))
    for ax, (kind, image, (plane, horizontal, vertical)) in zip(axes, shown, strict=True):
        drawn = look.draw(ax, image)
        ax.set(xlabel=f"{horizontal} (µm)", ylabel=f"{vertical} (µm)")
        ax.set_title(f"{places_um[plane]}, {kind}", fontsize=11)
    bar = part.colorbar(drawn, ax=list(axes), fraction=0.02, pad=0.01, extend="both")
    bar.set_label(f"{look.name} (10$^{{{look.exponent}}}$)")


def _caption(quantity: Quantity, width_m: float) -> str:
    return f"{_NAMES[quantity]}" + (f", smoothed over {width_m / NM:.0f} nm" if width_m else "")


def _places_um(volume: VolumeFile, at: Voxel) -> dict[Plane, str]:
    """Say where the planes lie, as ``y = 0.26 µm``."""
    y, z, x = (f"{volume.place_m(axis, index) / UM:.2f} µm" for axis, index in zip("yzx", at, strict=True))
    return {"xz": f"y = {y}", "xy": f"z = {z}", "zy": f"x = {x}"}


def _smoothing_m(summary: Summary) -> float:
    """Finest period that two halves of the data agree on; 0 when that is not known."""
    return 0.0 if summary.correlation is None else resolution(summary.correlation, FRC_THRESHOLD)


def _look_of(quantity: Quantity, slices: Slices, truth: Slices | None, pixel_size_m: float) -> _Look:
    """Range of values from the truth, with room below for noise; else all but the images' extremes."""
    values = np.concatenate([np.ravel(image) for image in (truth or slices).values()])
    if truth:
        high = 1.1 * float(values.max())
        low = -0.1 * high
    else:
        low, high = (float(value) for value in np.percentile(values, (0.2, 99.8)))
    if high <= low:
        low, high = low - 1.0, low + 1.0
    exponent = int(np.floor(np.log10(max(abs(low), abs(high)))))
    scale = 10.0**exponent
    pixel_um = pixel_size_m / UM
    return _Look(_NAMES[quantity], low / scale, high / scale, exponent, pixel_um, _MAPS[quantity])


def _draw_residual(ax: Any, residual: FloatArray) -> None:
    """Draw how the model comes to agree with the images, over all pairs."""
    count = np.arange(1, residual.shape[1] + 1)
    low, middle, high = np.percentile(residual, (5, 50, 95), axis=0)
    ax.fill_between(count, low, high, color=_BLUE, alpha=0.2, linewidth=0, label="5 to 95 % of pairs")
    ax.plot(count, middle, "o-", color=_BLUE, label="median")
    ax.set(xlabel="iteration", ylabel="|measured - model| / |measured - air|")
    ax.set_title(f"residual of the retrieval, {len(residual)} pairs")
    ax.set_xticks(count)
    if high.max() > _WIDE * low.min() > 0:
        ax.set_yscale("log")
    else:
        ax.set_ylim(0, 1.1 * high.max())
    ax.grid(alpha=0.3, which="both")
    ax.legend(frameon=False)


def _draw_correlation(ax: Any, curve: FrcCurve | None) -> None:
    ax.set_title("Fourier ring correlation of δ, even against odd angles")
    if curve is None:
        ax.text(0.5, 0.5, "too few pairs", ha="center", va="center", transform=ax.transAxes)
        ax.set_axis_off()
        return
    finest = resolution(curve, FRC_THRESHOLD)
    ax.plot(curve.frequency_per_m * UM, curve.correlation, color=_BLUE)
    ax.axhline(FRC_THRESHOLD, color=_GREY, linestyle="--", label=f"threshold {FRC_THRESHOLD:g}")
    ax.axvline(UM / finest, color=_GREY, linestyle=":", label=f"period {finest / NM:.0f} nm")
    ax.set(xlabel="spatial frequency (1/µm)", ylabel="correlation", ylim=(-0.1, 1.05))
    ax.set_xlim(0, curve.frequency_per_m[-1] * UM)
    ax.grid(alpha=0.3)
    ax.legend(frameon=False)
