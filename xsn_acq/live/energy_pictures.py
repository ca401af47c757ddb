"""Pictures of energy scans: spectra of regions with their lines, the field, its edge energies."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from xsn_acq.analysis.edge_map import EdgeMap
from xsn_acq.analysis.spectra import Region
from xsn_acq.live.energy_stack import GrowingStack
from xsn_acq.live.spectra import RegionSpectrum
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.units import UM


def draw_energy_scan(
    path: Path,
    spectra: Sequence[RegionSpectrum],
    edges: EdgeMap | None,
    stack: GrowingStack,
    regions: Sequence[Region],
    *,
    title: str,
) -> Path:
    """Spectra beside the last image and the map of edge energies."""
    figure = Figure(figsize=(13.0, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.2, 1, 1))
    draw_spectra(left, spectra)
    last = stack.known[-1]
    energy = float(stack.energies_ev[last])
    _image(figure, middle, stack.image(last), stack.pixel_size_m, f"absorbance, {energy:.1f} eV", "gray")
    if edges is None:
        right.set_axis_off()
    else:
        title_ = "edge energy, eV (white: none found)"
        _image(figure, right, edges.edge_ev, stack.pixel_size_m, title_, "viridis")
    for number, region in enumerate(regions):
        _outline(middle, region, stack, f"C{number}")
    figure.suptitle(title, fontsize=10)
    figure.savefig(path, dpi=100)
    return path


def draw_spectra(axes: Axes, spectra: Sequence[RegionSpectrum]) -> None:
    """Values with errors, lines before and after the edge, the edge."""
    for number, each in enumerate(spectra):
        colour = f"C{number}"
        label = each.region
        if each.edge is not None:
            label += f": {each.edge.energy_ev:.2f} eV"
            axes.axvline(each.edge.energy_ev, color=colour, lw=0.6, ls=":")
        energy = each.values.energy_ev
        error = np.where(np.isfinite(each.values.error), each.values.error, 0.0)
        axes.errorbar(energy, each.values.mean, error, color=colour, marker="o", ms=3, lw=1, label=label)
        if each.normalised is not None:
            axes.plot(energy, each.normalised.pre, color=colour, lw=0.6, ls="--")
            if each.normalised.post is not None:
                axes.plot(energy, each.normalised.post, color=colour, lw=0.6, ls="--")
    axes.set(xlabel="photon energy, eV", ylabel=", ".join(dict.fromkeys(each.quantity for each in spectra)))
    axes.legend(fontsize=7)


def _outline(axes: Axes, region: Region, stack: GrowingStack, colour: str) -> None:
    """Draw the box of a region."""
    ny, nx = stack.absorbance.shape[1:]
    pixel_um = stack.pixel_size_m / UM
    corner = (region.min_x - nx / 2) * pixel_um, (region.min_y - ny / 2) * pixel_um
    size = region.size_x * pixel_um, region.size_y * pixel_um
    axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=colour, lw=1.2))


def _image(
    figure: Figure, axes: Axes, image: FloatArray, pixel_size_m: float, title: str, colours: str
) -> None:
    ny, nx = (n * pixel_size_m / UM for n in image.shape)
    finite = image[np.isfinite(image)]
    low, high = np.percentile(finite, (1, 99)) if finite.size else (0.0, 1.0)
    shown = axes.imshow(image, cmap=colours, vmin=low, vmax=high, extent=(-nx / 2, nx / 2, ny / 2, -ny / 2))
    axes.set(title=title, xlabel="x, um", ylabel="y, um")
    figure.colorbar(shown, ax=axes, shrink=0.8)
