"""A picture of a reconstruction: central slices of delta and beta, the truth below where it is known."""

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
from xsn_acq.live.volume import QUANTITIES, Summary
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.units import NM, UM

Slices = Mapping[Plane, FloatArray]

FRC_THRESHOLD = 0.25
_MAPS: Mapping[Quantity, str] = {"delta": "viridis", "beta": "magma"}
_NAMES: Mapping[Quantity, str] = {"delta": "δ", "beta": "β"}
_PLANES: tuple[tuple[Plane, str, str, str], ...] = (
    ("xz", "x", "z", "across the axis"),
    ("xy", "x", "y", "along the axis"),
    ("zy", "z", "y", "along the axis"),
)
_BLUE, _GREY = "#1f4e79", "#8a8a8a"


@dataclass(frozen=True)
class _Scale:
    """What all images of one quantity share: grey values and pixel."""

    low: float
    high: float
    exponent: int
    pixel_um: float

    def shown(self, image: FloatArray) -> FloatArray:
        """Values as the colour bar counts them."""
        return np.asarray(image) / 10.0**self.exponent


def draw(
    path: Path, summary: Summary, *, truth: Mapping[Quantity, Slices] | None = None, title: str = ""
) -> Path:
    """Draw slices, residual and ring correlation into a PNG.

    Parameters
    ----------
    path : Path
        Written to; its folder exists.
    summary : Summary
        From `xsn_acq.live.volume.VolumeFile.summary`.
    truth : quantity -> plane -> image, optional
        True values on the same pixels, drawn below with the same colours.
    title : str
        Above all; the run's uid where left out.

    Returns
    -------
    Path
        The file.
    """
    figure = Figure(figsize=(15.0, 14.0 if truth else 10.0), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title or f"run {summary.run[:8]}", fontsize=16)
    above, below = _parts(figure, 2, 1, height_ratios=(9.2 if truth else 5.0, 3.4))
    for half, quantity in zip(_parts(above, 1, 2, wspace=0.03), QUANTITIES, strict=True):
        shown = truth.get(quantity) if truth else None
        _draw_quantity(half, quantity, summary.slices[quantity], shown, summary.pixel_size_m)
    left, right = below.subplots(1, 2)
    _draw_residual(left, summary.residual)
    _draw_correlation(right, summary.correlation)
    figure.savefig(path, dpi=110)
    return path


def _parts(figure: Any, rows: int, columns: int, **layout: Any) -> list[SubFigure]:
    return list(np.ravel(figure.subfigures(rows, columns, **layout)))


def _draw_quantity(
    half: SubFigure, quantity: Quantity, slices: Slices, truth: Slices | None, pixel_size_m: float
) -> None:
    scale = _scale_of(truth or slices, pixel_size_m)
    rows = [("reconstructed", slices)] + ([("truth", truth)] if truth else [])
    axes = np.atleast_2d(half.subplots(len(rows), 3, width_ratios=(1, 1, 1)))
    image: Any = None
    for line, (name, images) in zip(axes, rows, strict=True):
        for ax, (plane, horizontal, vertical, where) in zip(line, _PLANES, strict=True):
            image = _draw_image(ax, images[plane], scale, _MAPS[quantity])
            ax.set(xlabel=f"{horizontal} (µm)", ylabel=f"{vertical} (µm)")
            ax.set_title(f"{name}: {plane}, {where}", fontsize=9)
    name = _NAMES[quantity]
    bar = half.colorbar(image, ax=axes, location="bottom", fraction=0.05, aspect=50, extend="both")
    bar.set_label(f"{name} (10$^{{{scale.exponent}}}$)")
    half.suptitle(f"{name}, central slices", fontsize=13)


def _scale_of(slices: Slices, pixel_size_m: float) -> _Scale:
    """Grey values from the images: all but the extreme 0.2 percent, zero included."""
    values = np.concatenate([np.ravel(image) for image in slices.values()])
    low, high = np.percentile(values, (0.2, 99.8))
    low, high = min(float(low), 0.0), max(float(high), 0.0)
    largest = max(-low, high)
    exponent = int(np.floor(np.log10(largest))) if largest > 0 else 0
    if high <= low:
        low, high = 0.0, 1.0
    return _Scale(low / 10.0**exponent, high / 10.0**exponent, exponent, pixel_size_m / UM)


def _draw_image(ax: Any, image: FloatArray, scale: _Scale, colours: str) -> Any:
    """Draw one slice with the first row at the bottom: y and z grow upwards."""
    rows, columns = image.shape
    half_x, half_y = columns * scale.pixel_um / 2, rows * scale.pixel_um / 2
    return ax.imshow(
        scale.shown(image),
        origin="lower",
        extent=(-half_x, half_x, -half_y, half_y),
        cmap=colours,
        vmin=scale.low,
        vmax=scale.high,
        interpolation="nearest",
    )


def _draw_residual(ax: Any, residual: FloatArray) -> None:
    """Draw how the model comes to agree with the images, over all pairs."""
    count = np.arange(1, residual.shape[1] + 1)
    low, middle, high = np.percentile(residual, (5, 50, 95), axis=0)
    ax.fill_between(count, low, high, color=_BLUE, alpha=0.2, linewidth=0, label="5 to 95 % of pairs")
    ax.semilogy(count, middle, "o-", color=_BLUE, label="median")
    ax.set(xlabel="iteration", ylabel="|measured - model| / |measured - air|")
    ax.set_title(f"residual of the retrieval, {len(residual)} pairs")
    ax.set_xticks(count)
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
