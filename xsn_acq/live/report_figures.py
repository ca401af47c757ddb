"""Pictures of a report: slices as they are, and curves, each a PNG as base64 text."""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from xsn_acq.analysis.frc import FrcCurve, Threshold, resolution, threshold_curve
from xsn_acq.analysis.xsn_stream import Quantity
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.units import UM

INK, ACCENT, WARM, GREY = "#222222", "#1f4e79", "#b3541e", "#8a8a8a"
COLOURS: Mapping[Quantity, str] = {"delta": ACCENT, "beta": WARM}
NAMES: Mapping[Quantity, str] = {"delta": "δ", "beta": "β"}
MAPS: Mapping[Quantity, str] = {"delta": "viridis", "beta": "magma"}
_DPI = 130
_MOST_PIXELS = 640
_STOPS = 9
_FONT = {"font.size": 9, "axes.edgecolor": GREY, "axes.linewidth": 0.8, "axes.labelcolor": INK}
_WIDE = 10.0
_BINS, _LEAST = 160, 0.8


@dataclass(frozen=True)
class Slice:
    """A slice to look at: PNG, what it shows, its size in micrometres."""

    png: str
    caption: str
    width_um: float
    height_um: float


def range_of(images: list[FloatArray]) -> tuple[float, float]:
    """Values between which all but the extremes lie."""
    values = np.concatenate([np.ravel(image) for image in images])
    low, high = (float(value) for value in np.percentile(values, (0.2, 99.8)))
    return (low, high) if high > low else (low - 1.0, low + 1.0)


def slice_png(image: FloatArray, low: float, high: float, quantity: Quantity) -> str:
    """Draw an image pixel by pixel, its first row at the bottom; large ones are pooled to 640 pixels."""
    factor = -(-max(image.shape) // _MOST_PIXELS)
    rows, columns = (n // factor * factor for n in image.shape)
    pooled = image[:rows, :columns].reshape(rows // factor, factor, columns // factor, factor).mean((1, 3))
    levels = np.clip((pooled - low) / (high - low) * 255, 0, 255).astype(np.uint8)
    picture = Image.fromarray(np.ascontiguousarray(levels[::-1]), "L")
    picture.putpalette(_palette(MAPS[quantity], 256).ravel().tolist())
    return _encoded(picture)


def _palette(name: str, count: int) -> np.ndarray:
    return (matplotlib.colormaps[name](np.linspace(0, 1, count))[:, :3] * 255).round().astype(np.uint8)


def gradient(quantity: Quantity) -> str:
    """Colours of a bar, as a list for CSS."""
    return ", ".join(f"rgb({r} {g} {b})" for r, g, b in _palette(MAPS[quantity], _STOPS))


def _encoded(picture: Image.Image) -> str:
    content = io.BytesIO()
    picture.save(content, "PNG", optimize=False)
    return base64.b64encode(content.getvalue()).decode()


def _axes(width: float = 5.4, height: float = 3.3) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.78 / width, 0.58 / height, 1 - 0.98 / width, 1 - 0.72 / height))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.tick_params(color=GREY, labelcolor=INK)
    return figure, axes


def _png(figure: Figure) -> str:
    content = io.BytesIO()
    figure.savefig(content, dpi=_DPI, facecolor="white")
    return base64.b64encode(content.getvalue()).decode()


def frc_png(curves: Mapping[Quantity, FrcCurve], thresholds: Mapping[str, Threshold]) -> str:
    """Ring correlation of each quantity with one standard deviation, thresholds, resolution at the first."""
    with matplotlib.rc_context(_FONT):
        figure, axes = _axes(6.6, 3.7)
        main = next(iter(thresholds.values()))
        for quantity, curve in curves.items():
            frequency, colour = curve.frequency_per_m * UM, COLOURS[quantity]
            axes.plot(frequency, curve.correlation, color=colour, lw=1.5, label=NAMES[quantity])
            if curve.samples is not None:
                low, high = (curve.correlation + sign * curve.sigma() for sign in (-1, 1))
                axes.fill_between(frequency, low, high, color=colour, alpha=0.15, lw=0)
            axes.axvline(UM / resolution(curve, main), color=colour, lw=0.9, ls=":")
        for style, (name, threshold) in zip(("--", "-.", (0, (1, 1)), "-"), thresholds.items(), strict=False):
            if curve.samples is not None or not isinstance(threshold, str):
                line = threshold_curve(curve, threshold)
                axes.plot(frequency, line, color=GREY, lw=0.9, ls=style, label=name)
        axes.set(xlabel="spatial frequency (1/µm)", ylabel="correlation of the halves", ylim=(-0.1, 1.05))
        axes.set_xlim(0, float(frequency[-1]))
        axes.legend(frameon=False, fontsize=8, ncols=2)
        return _png(figure)


def angle_png(theta_deg: FloatArray, residual: FloatArray) -> str:
    """Last residual of each field against its angle."""
    with matplotlib.rc_context(_FONT):
        figure, axes = _axes()
        axes.plot(theta_deg, residual[:, -1], ".", ms=3.5, color=ACCENT)
        axes.axhline(float(np.median(residual[:, -1])), color=GREY, lw=0.9, ls="--")
        axes.set(xlabel="angle (degree)", ylabel="residual", ylim=(0, None))
        return _png(figure)


def convergence_png(residual: FloatArray) -> str:
    """Residual after each iteration: median and 5 to 95 % of the angles."""
    with matplotlib.rc_context(_FONT):
        figure, axes = _axes()
        count = np.arange(1, residual.shape[1] + 1)
        low, middle, high = np.percentile(residual, (5, 50, 95), axis=0)
        axes.fill_between(count, low, high, color=ACCENT, alpha=0.18, lw=0, label="5 to 95 % of angles")
        axes.plot(count, middle, "o-", ms=3.5, lw=1.3, color=ACCENT, label="median")
        axes.set(xlabel="iteration", ylabel="residual", xticks=count)
        if high.max() > _WIDE * low.min() > 0:
            axes.set_yscale("log")
        else:
            axes.set_ylim(0, 1.1 * float(high.max()))
        axes.legend(frameon=False, fontsize=8)
        return _png(figure)


def histogram_png(values: FloatArray, noise: float | None) -> str:
    """How often each value of delta occurs, with the noise of a voxel as a bar around zero."""
    with matplotlib.rc_context(_FONT):
        figure, axes = _axes()
        low, high = np.percentile(values, (0.02, 99.98))
        scale = 10.0 ** np.floor(np.log10(max(abs(low), abs(high), 1e-30)))
        count, edges = np.histogram(np.ravel(values) / scale, _BINS, (low / scale, high / scale))
        axes.stairs(np.maximum(count, _LEAST), edges, fill=True, color=ACCENT, alpha=0.75)
        axes.set_yscale("log")
        axes.minorticks_off()
        axes.set_ylim(_LEAST, None)
        if noise is not None:
            axes.axvspan(
                -noise / scale, noise / scale, color=WARM, alpha=0.2, lw=0, label="± noise of a voxel"
            )
            axes.legend(frameon=False, fontsize=8)
        axes.set(xlabel=f"δ ($10^{{{np.log10(scale):.0f}}}$)", ylabel="voxels")
        return _png(figure)


def series_png(theta_deg: FloatArray, values: FloatArray, name: str, unit: str) -> str:
    """Something that was found for each field, against the angle."""
    with matplotlib.rc_context(_FONT):
        figure, axes = _axes()
        axes.plot(theta_deg, values, ".-", ms=3.5, lw=0.7, color=ACCENT)
        label = f"{name} ({unit})" if unit else name
        axes.set(xlabel="angle (degree)", ylabel=label.replace("$", r"\$"))
        return _png(figure)


def knife_edge_png(frequency_per_m: FloatArray, transmitted: FloatArray) -> str:
    """The knife-edge curve that the reconstruction used."""
    with matplotlib.rc_context(_FONT):
        figure, axes = _axes()
        axes.plot(np.asarray(frequency_per_m) * UM, transmitted, ".-", ms=3, lw=1.0, color=ACCENT)
        axes.set(xlabel="edge of the cutoff filter (1/µm)", ylabel="light that passes", ylim=(-0.02, 1.04))
        return _png(figure)
