"""Stripes of a detector with unequal columns: they were put in, so the object without them is known."""

import sys

import numpy as np
import pytest

from xsn_acq.analysis import rings
from xsn_acq.analysis.rings import METHODS, remove_rings, smooth_angular_mean
from xsn_acq.analysis.tomography import FilteredBackProjection, slabs
from xsn_acq.errors import ReconstructionError

N, PIXEL_M = 128, 60e-9
THETA = np.arange(180) * np.pi / 180
DISCS = ((18.0, -9.0, 20.0, 1.0), (-25.0, 14.0, 9.0, 2.0), (5.0, 30.0, 6.0, -1.0))


def discs_sinogram():
    t = np.arange(N) - 0.5 * (N - 1)
    total = np.zeros((THETA.size, N))
    for x0, z0, radius, value in DISCS:
        off = t - (x0 * np.cos(THETA) + z0 * np.sin(THETA))[:, None]
        total += 2 * value * np.sqrt(np.maximum(0, radius**2 - off**2))
    return total


def stripes(seed=4):
    """What each column adds to every projection: 5 % of the largest line integral."""
    return np.random.default_rng(seed).normal(0, 2.0, N)


def slice_of(sinogram):
    return FilteredBackProjection(N, THETA).slices(sinogram)


def ring_energy(image):
    """Variance over the radius of the mean around the axis, by which rings are told from all else."""
    z, x = np.indices((N, N)) - 0.5 * (N - 1)
    radius = np.hypot(z, x).astype(int)
    mean = np.bincount(radius.ravel(), image.ravel()) / np.bincount(radius.ravel())
    return float(np.var(mean[3 : N // 2 - 6]))


def disc_means(image):
    z, x = np.indices((N, N)) - 0.5 * (N - 1)
    return np.array([image[np.hypot(x - x0, z - z0) < radius - 2].mean() for x0, z0, radius, _ in DISCS])


# by how much ring energy falls at least; what may change of a disc's mean: measured, rounded to the safe side
EXPECTED = {
    "angular_mean": (10, 0.05),
    "remove_all_stripe": (4, 0.3),
    "remove_stripe_based_filtering": (8, 0.15),
    "remove_stripe_based_sorting": (8, 0.05),
    "remove_stripe_based_wavelet_fft": (4, 0.05),
}


@pytest.mark.parametrize("method", EXPECTED)
def test_rings_fall_and_the_object_stays(method):
    clean = discs_sinogram()[:, None]
    factor, bias = EXPECTED[method]
    true, dirty = slice_of(clean)[0], slice_of(clean + stripes())[0]
    found = slice_of(remove_rings(clean + stripes(), method, pixel_size_m=PIXEL_M))[0]
    assert ring_energy(found - true) < ring_energy(dirty - true) / factor
    np.testing.assert_allclose(disc_means(found), disc_means(true), atol=bias)


def test_the_angular_mean_goes_with_large_pixels():
    """Pixels of 650 nm hold stripes as those of 60 nm do: one column wide."""
    dirty = (discs_sinogram() + stripes())[:, None]
    small, large = (smooth_angular_mean(dirty, pixel) for pixel in (PIXEL_M, 650e-9))
    np.testing.assert_allclose(large, small, atol=1e-12)


def test_without_a_method_nothing_is_done():
    data = discs_sinogram()[:, None]
    assert remove_rings(data, pixel_size_m=PIXEL_M) is data


def test_only_the_mean_over_the_angles_is_filtered():
    """A cosine along the row: the same at all angles it falls by exp(-k^2 / sigma^2), else it stays."""
    column = np.arange(4 * N)
    cycles_per_pixel = 0.05
    wave = np.cos(2 * np.pi * cycles_per_pixel * column)
    sigma = 1e6
    same = np.broadcast_to(wave, (8, 1, 4 * N))
    turning = same * np.cos(2 * np.pi * np.arange(8) / 8)[:, None, None]
    middle = slice(N, 3 * N)  # away from the ends of the row
    expected = np.exp(-((cycles_per_pixel / PIXEL_M / sigma) ** 2)) * wave
    found = smooth_angular_mean(same, PIXEL_M, sigma_per_m=sigma)
    # the Gaussian is sampled at whole pixels and cut at five sigma
    np.testing.assert_allclose(found[3, 0, middle], expected[middle], atol=2e-3)
    np.testing.assert_allclose(smooth_angular_mean(turning, PIXEL_M), turning, atol=1e-6)  # float32


@pytest.mark.parametrize("method", ["angular_mean", "remove_stripe_based_sorting"])
def test_the_parts_of_a_complex_sinogram_are_apart(method):
    phase = discs_sinogram()[:, None] + stripes()
    both = remove_rings(0.01 * phase + 1j * phase, method, pixel_size_m=PIXEL_M)
    assert both.dtype == np.complex64
    alone = remove_rings(phase, method, pixel_size_m=PIXEL_M)
    assert alone.dtype == np.float32
    np.testing.assert_allclose(both.imag, alone, atol=1e-4)  # float32 of values up to 60
    np.testing.assert_allclose(both.real, 0.01 * alone, atol=1e-4)


def test_slabs_take_the_rings_out_first():
    stack = np.repeat(discs_sinogram()[:, None] + stripes(), 3, axis=1)
    sizes = {"pixel_size_m": PIXEL_M, "wavelength_m": 2 * np.pi * PIXEL_M}
    found = np.concatenate(
        [block for _, block in slabs(stack, THETA, slab_rows=2, rings="angular_mean", **sizes)]
    )
    wanted = -slice_of(remove_rings(stack, "angular_mean", pixel_size_m=PIXEL_M))
    np.testing.assert_allclose(found, wanted, atol=1e-4)  # float32, rows packed in other pairs


def test_what_cannot_be_done_is_said(monkeypatch):
    data = discs_sinogram()[:, None]
    with pytest.raises(ReconstructionError, match=r"wanted one of none, angular_mean, .* found 'magic'"):
        remove_rings(data, "magic", pixel_size_m=PIXEL_M)
    monkeypatch.setitem(sys.modules, "algotom.prep", None)
    with pytest.raises(ReconstructionError, match=r"wanted the package algotom.*xsn_acq\[rings\]"):
        remove_rings(data, "remove_all_stripe", pixel_size_m=PIXEL_M)


def test_every_method_offered_exists():
    from algotom.prep import removal

    assert all(callable(getattr(removal, name)) for name in rings.ALGOTOM)
    assert METHODS[0] == "none"
