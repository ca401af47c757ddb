"""Picture of a sweep: TXM image, maps, the fitted spectrum, dependence of the patterns."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from xsn_acq.live.sweep import GrowingSweep
from xsn_acq.live.sweep_dependence import DependenceCurve
from xsn_acq.live.sweep_maps import SweepMaps
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.units import UM

_COLOURS = ("magma", "viridis", "cividis")
_LOW_KEV, _HIGH_KEV = 4.5, 10.0


def draw_sweep(
    path: Path, growing: GrowingSweep, found: SweepMaps, curve: DependenceCurve, *, title: str
) -> Path:
    """Draw what a sweep shows so far."""
    columns = max(3, 1 + len(found.elements))
    figure = Figure(figsize=(3.6 * columns, 6.8), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2, columns, height_ratios=(1.25, 1))
    pixel_um = growing.pixel_size_m / UM
    first = figure.add_subplot(grid[0, 0])
    _image(figure, first, found.guide.transmission, pixel_um, "TXM transmission", "gray")
    for place, element in enumerate(found.elements):
        axes = figure.add_subplot(grid[0, 1 + place])
        colours = _COLOURS[place % len(_COLOURS)]
        _image(figure, axes, found.maps.values[place], pixel_um, f"{element}, counts/s", colours)
    half = (columns + 1) // 2
    _spectrum(figure.add_subplot(grid[1, :half]), growing)
    _dependence(figure.add_subplot(grid[1, half:]), curve)
    figure.suptitle(f"{title}: {len(found.sweep.patterns)} of {growing.patterns} patterns", fontsize=10)
    figure.savefig(path, dpi=100)
    return path


def _image(figure: Figure, axes: Axes, image: FloatArray, pixel_um: float, title: str, colours: str) -> None:
    rows, columns = image.shape
    half_x, half_y = columns * pixel_um / 2, rows * pixel_um / 2
    low, high = np.percentile(image, (0.5, 99.8))
    shown = axes.imshow(
        image,
        origin="lower",
        extent=(-half_x, half_x, -half_y, half_y),
        cmap=colours,
        vmin=low,
        vmax=max(high, low + 1e-12),
        interpolation="nearest",
    )
    axes.set_title(title, fontsize=9)
    axes.set_xlabel("x, µm", fontsize=8)
    axes.set_ylabel("y, µm", fontsize=8)
    axes.tick_params(labelsize=7)
    figure.colorbar(shown, ax=axes, shrink=0.8).ax.tick_params(labelsize=7)


def _spectrum(axes: Axes, growing: GrowingSweep) -> None:
    """Sum of all spectra and what was fitted to them."""
    total, fitted, energies_kev = growing.summed_fit()
    axes.semilogy(energies_kev, np.maximum(total, 0.5), ".", ms=2, color="0.4", label="all spectra")
    axes.semilogy(energies_kev, np.maximum(fitted, 0.5), color="C3", lw=1, label="fit")
    axes.set(xlim=(_LOW_KEV, _HIGH_KEV), xlabel="energy, keV", ylabel="counts")
    inside = (energies_kev > _LOW_KEV) & (energies_kev < _HIGH_KEV)
    axes.set_ylim(0.5, 2 * max(float(total[inside].max(initial=1.0)), 1.0))
    axes.legend(fontsize=7)


def _dependence(axes: Axes, curve: DependenceCurve) -> None:
    """Mean dependence against the number of patterns."""
    patterns = [point.patterns for point in curve.points]
    axes.plot(patterns, [point.absolute for point in curve.points], "o-", ms=3, label="mean |r|")
    axes.plot(patterns, [point.signed for point in curve.points], "s-", ms=3, label="mean r (signed)")
    axes.set(xlabel="patterns", ylabel="mean dependence of pixels")
    axes.legend(fontsize=7)
