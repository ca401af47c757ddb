"""Truths for the wave model that the package did not make: Eq. 1 of the paper, literally, in float64."""

import numpy as np

from xsn_acq.optics.knife_edge import KnifeEdge

APERTURE_PER_M = 1 / 60e-9  # NA / lambda of a zone plate with 30 nm outermost zones
HALF_WIDTH_PER_M = 0.22 * APERTURE_PER_M  # of the illumination


def transmitted_exactly(kappa_per_m):
    """S(kappa) of the illumination sqrt(1 - u^2) (1 + u / 4), u = k / half width, integrated by hand."""
    u = np.clip(np.asarray(kappa_per_m) / HALF_WIDTH_PER_M, -1, 1)
    root = np.sqrt(1 - u**2)
    below = 0.5 * (u * root + np.arcsin(u)) - 0.25 * root**3 / 3
    return 0.5 - below / (np.pi / 2)


def smooth_knife_edge(n=201):
    frequency = -HALF_WIDTH_PER_M * np.cos(np.linspace(0, np.pi, n))
    transmitted = transmitted_exactly(frequency)
    transmitted[[0, -1]] = 1, 0
    return KnifeEdge(frequency, transmitted)


def stepped_modes(n_columns, pixel_m):
    """Modes on the frequency bins, their weights, and the knife-edge curve they make."""
    bin_width = 1 / (n_columns * pixel_m)
    count = int(HALF_WIDTH_PER_M / bin_width)
    modes = np.arange(-count, count + 1) * bin_width
    weights = transmitted_exactly(modes - bin_width / 2) - transmitted_exactly(modes + bin_width / 2)
    weights /= weights.sum()
    between = np.append(modes - bin_width / 2, modes[-1] + bin_width / 2)
    passing = np.append(weights[::-1].cumsum()[::-1], 0)
    passing[0] = 1
    return modes, weights, KnifeEdge(between, passing)


def stepped_exactly(modes, weights):
    """Knife-edge curve that falls in steps at the modes, and nowhere else."""
    bin_width = modes[1] - modes[0]
    left, right = modes - 1e-4 * bin_width, modes + 1e-4 * bin_width
    passing = np.append(weights[::-1].cumsum()[::-1], 0)
    passing[0] = 1
    frequency = [modes[0] - bin_width / 2, *np.stack([left, right], 1).ravel(), modes[-1] + bin_width / 2]
    transmitted = [1, *np.stack([passing[:-1], passing[1:]], 1).ravel(), 0]
    return KnifeEdge(np.array(frequency), np.array(transmitted))


def cracked_object(shape, depth=4.0):
    """A block with cracks of one pixel, upright, level and slanted."""
    y, x = np.indices(shape)
    block = (np.abs(x - shape[1] / 2) < 0.3 * shape[1]) & (np.abs(y - shape[0] / 2) < 0.35 * shape[0])
    cracks = (x == shape[1] // 2 + 3) | (y == shape[0] // 2 - 4) | (x - y == shape[1] // 4)
    return np.exp(-(0.125 + 1j) * depth * (block & ~cracks))


def image_by_eq_1(
    transmission, modes, weights, *, pixel_m, cutoff_per_m, passes="positive", aperture_per_m=None
):
    """Eq. 1: for each mode tilt the wave, cut in the pupil, square.

    The grid is twice as fine, so that no tilt wraps. The pupil's disc is shifted with each mode, as in
    reality; None leaves it out.
    """
    ny, nx = transmission.shape
    spectrum = np.zeros((2 * ny, 2 * nx), complex)
    here = np.ix_(*(np.round(np.fft.fftfreq(n, 1 / n)).astype(int) for n in (ny, nx)))
    spectrum[here] = np.fft.fft2(transmission)
    fine = np.fft.ifft2(spectrum) * 4
    v, u = (np.fft.fftfreq(2 * n, pixel_m / 2) for n in (ny, nx))
    pupil = (u >= cutoff_per_m) if passes == "positive" else (u <= cutoff_per_m)
    pupil = np.broadcast_to(pupil, fine.shape)
    if aperture_per_m is not None:
        pupil = pupil & (np.hypot(v[:, None], u) <= aperture_per_m)
    x = np.arange(2 * nx) * pixel_m / 2
    image = np.zeros(fine.shape)
    for mode, weight in zip(modes, weights, strict=True):
        tilted = np.fft.fft2(fine * np.exp(2j * np.pi * mode * x))
        image += weight * np.abs(np.fft.ifft2(pupil * tilted)) ** 2
    return image[::2, ::2]


def sharp_object(shape, depth=4.0):
    """A disc and a bar with hard rims: phase down to -depth, absorption an eighth of it."""
    y, x = np.indices(shape)
    disc = np.hypot(x - shape[1] * 0.41, y - shape[0] * 0.47) < 0.27 * min(shape)
    bar = (np.abs(x - shape[1] * 0.75) < 2.5) & (np.abs(y - shape[0] / 2) < shape[0] / 4)
    return np.exp(-(0.125 + 1j) * depth * (disc + 0.5 * bar))
