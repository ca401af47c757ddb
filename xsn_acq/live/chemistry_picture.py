"""A picture of ``chemistry.h5``: central slices of the densities and of their ratio, and the profile."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from xsn_acq.errors import StorageError
from xsn_acq.live.chemistry import MAPS, RATIO, UNIT
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.units import NM, UM

_COLOURS = {"nickel": "viridis", "others": "cividis", RATIO: "plasma"}
_INKS = {"nickel": "#1f4e79", "others": "#8a6d1a"}
_NOTHING = "#e4e4e4"
_HIGH_PERCENT = 99.5


def draw_chemistry(source: Path, path: Path) -> Path:
    """Draw a PNG.

    Parameters
    ----------
    source : Path
        ``chemistry.h5``.
    path : Path
        Picture to write; its folder exists.

    Returns
    -------
    Path
        The picture.

    Raises
    ------
    StorageError
        The source is no such file.
    """
    figure = Figure(figsize=(14.0, 9.5), layout="constrained")
    FigureCanvasAgg(figure)
    try:
        with h5py.File(source, "r") as file:
            entry = file["entry"]
            grid = figure.add_gridspec(2, 3, height_ratios=(1.25, 1))
            for column, signal in enumerate((*MAPS, RATIO)):
                _draw_map(figure, figure.add_subplot(grid[0, column]), entry[signal], signal)
            below = grid[1, :].subgridspec(1, 2)
            _draw_densities(figure.add_subplot(below[0]), entry)
            _draw_ratio(figure.add_subplot(below[1]), entry)
    except (OSError, KeyError) as error:
        raise StorageError(f"chemistry {source}: wanted the maps of xsn-acq chemistry: {error}") from error
    figure.savefig(path, dpi=100)
    return path


def _title(entry: h5py.Group, signal: str) -> str:
    return str(entry[f"{signal}/title"].asstr()[()])


def _draw_map(figure: Figure, ax: Any, group: h5py.Group, signal: str) -> None:
    middle = group[signal].shape[0] // 2
    image = group[signal][middle]
    half_z, half_x = (group[axis][-1] / UM for axis in ("z", "x"))
    known = image[np.isfinite(image)]
    high = float(np.percentile(known, _HIGH_PERCENT)) if known.size else 1.0
    ax.set_facecolor(_NOTHING)
    drawn = ax.imshow(
        image,
        origin="lower",
        extent=(-half_x, half_x, -half_z, half_z),
        cmap=_COLOURS[signal],
        vmin=0,
        vmax=high,
        interpolation="nearest",
    )
    unit = UNIT if signal in MAPS else "by atoms"
    name = group["title"].asstr()[()]
    ax.set(xlabel="x (µm)", ylabel="z (µm)", title=f"{name}, y = {group['y'][middle] / UM:.2f} µm")
    figure.colorbar(drawn, ax=ax, label=unit, shrink=0.8, extend="both")


def _draw_densities(ax: Any, entry: h5py.Group) -> None:
    profile = entry["profile"]
    for signal in MAPS:
        _with_error(ax, profile, signal, _title(entry, signal), _INKS[signal])
    ax.set(xlabel=_axis_name(profile), ylabel=f"density ({UNIT})", ylim=(0, None))
    ax.set_title("means over shells, standard errors")
    ax.grid(alpha=0.3)
    ax.legend(frameon=False)


def _draw_ratio(ax: Any, entry: h5py.Group) -> None:
    profile = entry["profile"]
    _with_error(ax, profile, RATIO, _title(entry, RATIO), "#7a1f5c")
    ax.set(xlabel=_axis_name(profile), ylabel="ratio by atoms", ylim=(0, None))
    ax.set_title("ratio of the means")
    ax.grid(alpha=0.3)


def _with_error(ax: Any, profile: h5py.Group, signal: str, label: str, colour: str) -> None:
    place, mean, error = (_values(profile, name) for name in ("distance", signal, f"{signal}_errors"))
    ax.errorbar(place / NM, mean, error, fmt="o-", ms=3.5, lw=1.2, capsize=2, color=colour, label=label)


def _values(profile: h5py.Group, name: str) -> FloatArray:
    return np.asarray(profile[name][()], dtype=float)


def _axis_name(profile: h5py.Group) -> str:
    return f"{profile['distance'].attrs['long_name']} (nm)"
