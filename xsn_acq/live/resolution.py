"""``/resolution`` of ``reconstruction.h5``: what two halves of the angles agree on, and their noise.

::

    /resolution             NXdata: correlation (delta) against frequency (1/m)
        correlation_beta    the same for beta
        samples             independent values in each ring
        noise_delta, noise_beta     standard deviation of a voxel
        @ring_filter_per_m  low-pass that the sinograms' angular mean went through, see `smooth_angular_mean`
"""

from collections.abc import Mapping
from dataclasses import dataclass

import h5py
import numpy as np

from xsn_acq.analysis.frc import FrcCurve, fourier_ring_correlation
from xsn_acq.analysis.half_sets import voxel_noise
from xsn_acq.analysis.rings import smooth_angular_mean
from xsn_acq.analysis.slicing import Slicing
from xsn_acq.analysis.tomography import FilteredBackProjection
from xsn_acq.analysis.xsn_stream import Quantity
from xsn_acq.live.fields import FieldStore
from xsn_acq.storage.nexus import nxgroup

GROUP = "resolution"
_RING_SIGMA_PER_M, _RING_SIGMA_PER_PIXEL = 1e6, 0.1
"""The XSN paper's, and that of pixels above 100 nm: both halves carry the same rings, and would agree."""
_ROWS = 8
_PAIRS = 8
_SIGNALS: Mapping[Quantity, str] = {"delta": "correlation", "beta": "correlation_beta"}


@dataclass(frozen=True, eq=False)
class HalfSets:
    """Ring correlation and noise of a voxel, of each quantity that is known.

    ``ring_sigma_per_m``: low-pass that the angular mean of both halves went through; 0 where it is not known.
    """

    curves: dict[Quantity, FrcCurve]
    noise: dict[Quantity, float]
    ring_sigma_per_m: float = 0.0


def ring_sigma_per_m(pixel_size_m: float) -> float:
    """Sigma of the angular mean's low-pass, cycles per metre: the paper's, less where pixels are large.

    >>> ring_sigma_per_m(60e-9)
    1000000.0
    """
    return min(_RING_SIGMA_PER_M, _RING_SIGMA_PER_PIXEL / pixel_size_m)


def compare_halves(store: FieldStore, slicing: Slicing) -> HalfSets | None:
    """Reconstruct central slices from even and from odd angles, rings taken out, and compare.

    Returns
    -------
    HalfSets or None
        None when there are too few pairs or pixels to compare.
    """
    ny, nx = store.shape
    if len(store) < _PAIRS or nx < _ROWS:
        return None
    middle = max(0, ny // 2 - _ROWS // 2)
    rows = slice(middle, min(ny, middle + _ROWS))
    sigma = ring_sigma_per_m(slicing.pixel_size_m)
    halves = []
    for half in (slice(0, None, 2), slice(1, None, 2)):  # the store gives pairs by rising angle
        theta = np.deg2rad(store.theta_deg[half])
        fields = smooth_angular_mean(store.stack(half)[:, rows, :], slicing.pixel_size_m, sigma_per_m=sigma)
        halves.append(FilteredBackProjection(nx, theta).slices(fields) * slicing.factor)
    curves, noise = {}, {}
    for quantity in _SIGNALS:
        first, second = (half.imag if quantity == "delta" else half.real for half in halves)
        curves[quantity] = fourier_ring_correlation(first, second, slicing.pixel_size_m)
        noise[quantity] = voxel_noise(first, second)
    return HalfSets(curves, noise, sigma)


def write_halves(entry: h5py.Group, halves: HalfSets | None) -> None:
    """Write the group, unless there was nothing to compare."""
    if halves is None:
        return
    group = nxgroup(entry, GROUP, "NXdata")
    group.attrs.update({"signal": _SIGNALS["delta"], "auxiliary_signals": [_SIGNALS["beta"]]})
    group.attrs.update({"axes": ["frequency"], "ring_filter_per_m": halves.ring_sigma_per_m})
    curve = halves.curves["delta"]
    group["frequency"] = curve.frequency_per_m
    group["frequency"].attrs["units"] = "1/m"
    if curve.samples is not None:
        group["samples"] = curve.samples
    for quantity, signal in _SIGNALS.items():
        group[signal] = halves.curves[quantity].correlation
        group[f"noise_{quantity}"] = halves.noise[quantity]


def read_halves(entry: h5py.Group) -> HalfSets:
    """Read what there is; older files have the curve of delta only."""
    curves: dict[Quantity, FrcCurve] = {}
    noise: dict[Quantity, float] = {}
    if GROUP in entry:
        group = entry[GROUP]
        samples = group["samples"][()] if "samples" in group else None
        for quantity, signal in _SIGNALS.items():
            if signal in group:
                curves[quantity] = FrcCurve(group["frequency"][()], group[signal][()], samples)
            if f"noise_{quantity}" in group:
                noise[quantity] = float(group[f"noise_{quantity}"][()])
    return HalfSets(curves, noise)
