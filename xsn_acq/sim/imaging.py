"""The sample's image at the scintillator, on a grid finer than the camera's."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import fft, special

from xsn_acq.optics.arrays import ComplexArray
from xsn_acq.optics.knife_edge import KnifeEdge
from xsn_acq.optics.mode_sum import mode_sum_intensity
from xsn_acq.optics.schlieren import ImageFormation, Schlieren
from xsn_acq.sim.alignment import Alignment, binned_centres
from xsn_acq.sim.phantoms import Phantom
from xsn_acq.sim.pooling import Array
from xsn_acq.sim.state import CameraSettings
from xsn_acq.units import UM, wavelength_m

_IN_FOCUS = 0.02
"""Fraction of lambda / NA^2 within which defocus is not seen."""
_GUARD_UM = 0.5
_MARGIN = 16
_RIM_GROUPS = 4
"""The true aperture to 0.3 % of the maximum on pixel-sharp edges; see `xsn_acq.optics.rim`."""
_STRIPS = 9
_HARMONIC_POINTS = 32
"""Light that is not focused is the mean over so many points of a frame's shorter side, or more."""


@dataclass(frozen=True)
class Grid:
    """The part of a frame around the sample, binned pixels, and its finer grid with margins."""

    rows: slice
    columns: slice
    parts: int
    pad_rows: tuple[int, int]
    pad_columns: tuple[int, int]
    pixel_um: float
    x_um: Array
    y_um: Array

    def trimmed(self, image: Array) -> Array:
        """Return the image without its margins."""
        (top, bottom), (left, right) = self.pad_rows, self.pad_columns
        return image[top : image.shape[0] - bottom, left : image.shape[1] - right]


def grid(alignment: Alignment, camera: CameraSettings, phantom: Phantom, theta_deg: float) -> Grid | None:
    """Return the grid around the sample, 2 or more pixels for a binned one; None with no sample in view."""
    axis_x, axis_y = alignment.axis_um(theta_deg)
    low, high = phantom.span_y_um
    lean = alignment.lean
    rise = phantom.reach_um * (abs(lean[1, 0]) + abs(lean[1, 2]))
    spread = (
        abs(alignment.defocus_m) / UM * alignment.beamline.zone_plate.numerical_aperture(alignment.energy_ev)
    )
    guard = _GUARD_UM + spread
    columns, rows = binned_centres(camera)
    along = _slice(alignment.y_um(rows), axis_y + low - rise - guard, axis_y + high + rise + guard)
    if not phantom.shapes or along.start >= along.stop:
        return None
    ends = alignment.y_um(rows[[along.start, along.stop - 1]]) - axis_y
    middle = axis_x + ends * lean[0, 1] / lean[1, 1]
    reach = phantom.reach_um / lean[1, 1] + guard
    across = _slice(alignment.x_um(columns), middle.min() - reach, middle.max() + reach)
    if across.start >= across.stop:
        return None
    parts = max(2, camera.binning)
    step = camera.binning / parts
    margin = _MARGIN + math.ceil(min(spread, 4.0) / (step * alignment.pixel_um))
    pad_columns = _padding((across.stop - across.start) * parts, margin)
    pad_rows = _padding((along.stop - along.start) * parts, margin)
    fine_columns = _fine(camera.min_x, across, pad_columns, parts, camera.binning)
    fine_rows = _fine(camera.min_y, along, pad_rows, parts, camera.binning)
    x, y = alignment.x_um(fine_columns) - axis_x, alignment.y_um(fine_rows) - axis_y
    return Grid(along, across, parts, pad_rows, pad_columns, step * alignment.pixel_um, x, y)


def _slice(axis: Array, low: float, high: float) -> slice:
    begin, end = np.searchsorted(axis, (low, high))
    return slice(int(begin), int(end))


def _padding(size: int, margin: int) -> tuple[int, int]:
    """Return the margins on both sides that make the length fast for the FFT."""
    total = fft.next_fast_len(size + 2 * margin) - size
    return total // 2, total - total // 2


def _fine(first: int, part: slice, pad: tuple[int, int], parts: int, binning: int) -> Array:
    """Return the sensor positions of the fine pixels' centres."""
    index = np.arange(part.start * parts - pad[0], part.stop * parts + pad[1])
    fine: Array = first - 0.5 + (index + 0.5) * binning / parts
    return fine


def transmission(phantom: Phantom, alignment: Alignment, view: Grid, theta_deg: float) -> ComplexArray:
    """Return exp(alpha + i phi), complex64, over the grid; its margins are bent so that it is periodic."""
    delta, beta = phantom.projection(
        alignment.energy_ev, theta_deg, view.x_um, view.y_um, alignment.lean, alignment.truth.bandwidth
    )
    k0 = np.float32(2 * math.pi / alignment.wavelength_m)
    for depth in (delta, beta):
        _make_periodic(depth.T, view.pad_columns)
        _make_periodic(depth, view.pad_rows)
        depth *= -k0
    field = np.empty(delta.shape, np.complex64)
    modulus = np.exp(beta, out=beta)
    np.multiply(modulus, np.cos(delta), out=field.real)
    np.multiply(modulus, np.sin(delta), out=field.imag)
    return field


def harmonic_transmission(phantom: Phantom, alignment: Alignment, camera: CameraSettings) -> float:
    """Return the mean that the sample lets through, over the frame, at three times the energy."""
    state, energy_ev = alignment.state, 3 * alignment.energy_ev
    theta_deg = 0.5 * (state.theta_start_deg + state.theta_end_deg)
    columns, rows = binned_centres(camera)
    step = max(1, min(camera.shape) // _HARMONIC_POINTS)
    axis_x, axis_y = alignment.axis_um(theta_deg)
    x, y = alignment.x_um(columns[::step]) - axis_x, alignment.y_um(rows[::step]) - axis_y
    _, beta = phantom.projection(energy_ev, theta_deg, x, y, alignment.lean)
    return float(np.exp(-4 * math.pi / wavelength_m(energy_ev) * beta).mean(dtype=float))


def _make_periodic(depth: Array, pad: tuple[int, int]) -> None:
    """Let the margins along the first axis run smoothly into the mean of both ends; in place."""
    if not np.any(depth[0] != depth[-1]):
        return
    seam = 0.5 * (depth[0] + depth[-1])
    for size, margin in ((pad[0], depth[: pad[0]]), (pad[1], depth[: -pad[1] - 1 : -1])):
        weight = np.sin(0.5 * math.pi * np.arange(size) / size).astype(np.float32)[:, None] ** 2
        margin += (1 - weight) * (seam - margin)


def intensity(alignment: Alignment, edge: KnifeEdge, view: Grid, field: ComplexArray) -> Array:
    """Return the image (ny, nx) on the grid: 1 would be all light, S(kc) is the background.

    In focus by the exact fast form, else as a sum over modes. Off the pupil's plane the cutoff differs
    across the field: images of up to nine cutoffs are blended.
    """
    cutoff = alignment.cutoff_per_m(view.x_um + alignment.axis_um(0.0)[0])
    low, high = float(cutoff.min()), float(cutoff.max())
    width = edge.support_per_m[1] - edge.support_per_m[0]
    strips = min(1 + math.ceil((high - low) / (0.01 * width)), _STRIPS)
    if strips == 1 or high - low < 1e-4 * width:
        return _image(alignment, edge, view, field, 0.5 * (low + high))
    nodes = np.linspace(low, high, strips)
    image: Array = np.zeros(field.shape, np.float32)
    for node in nodes:
        share = np.clip(1 - np.abs(cutoff - node) / (nodes[1] - nodes[0]), 0, 1).astype(np.float32)
        image += share * _image(alignment, edge, view, field, float(node))
    return image


def _image(
    alignment: Alignment, edge: KnifeEdge, view: Grid, field: ComplexArray, cutoff_per_m: float
) -> Array:
    zone_plate = alignment.beamline.zone_plate
    optics = Schlieren(
        shape=(field.shape[0], field.shape[1]),
        pixel_size_m=view.pixel_um * UM,
        aperture_per_m=zone_plate.numerical_aperture(alignment.energy_ev) / alignment.wavelength_m,
        cutoff_per_m=cutoff_per_m,
        knife_edge=edge,
        passes=alignment.beamline.geometry.cutoff_passes,
        rim_groups=_RIM_GROUPS,
    )
    if abs(alignment.defocus_m) < _IN_FOCUS * alignment.depth_of_focus_m:
        return _formation(optics).intensity(field)
    shear_m2 = alignment.wavelength_m * alignment.defocus_m
    image = mode_sum_intensity(
        field, optics, defocus_m=alignment.defocus_m, wavelength_m=alignment.wavelength_m
    )
    return _spread_along_y(image, view.pixel_um * UM, shear_m2 * edge.support_per_m[1])


def _spread_along_y(image: Array, pixel_m: float, half_width_m: float) -> Array:
    """Return the image that light inclined up and down makes out of focus.

    Nothing cuts the pupil along y: a mode k_y makes the same image, displaced by lambda d k_y. Light of
    density sqrt(1 - u^2) within the half width multiplies the spectrum along y by 2 J1(x) / x with
    x = 2 pi half_width v.
    """
    x = np.maximum(2 * math.pi * abs(half_width_m) * fft.rfftfreq(image.shape[0], pixel_m), 1e-6)
    transfer = (2 * special.j1(x) / x).astype(np.float32)
    spread: Array = fft.irfft(fft.rfft(image, axis=0) * transfer[:, None], image.shape[0], axis=0)
    return spread


@lru_cache(maxsize=24)
def _formation(optics: Schlieren) -> ImageFormation:
    return ImageFormation(optics)
