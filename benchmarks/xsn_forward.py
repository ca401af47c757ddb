"""One schlieren image: the exact fast form against the sum over modes with one 2-D FFT each."""

import os
import time

import numpy as np
import scipy.fft

from xsn_acq.optics.knife_edge import KnifeEdge
from xsn_acq.optics.mode_sum import illumination_modes
from xsn_acq.optics.schlieren import ImageFormation, Schlieren

SIZE = 1024
PIXEL_M = 40e-9
APERTURE_PER_M = 1 / 60e-9


def run() -> dict:
    cores = len(os.sched_getaffinity(0))
    half_width = 0.22 * APERTURE_PER_M
    u = np.linspace(-1, 1, 101)
    knife_edge = KnifeEdge(half_width * u, 0.5 - (u * np.sqrt(1 - u**2) + np.arcsin(u)) / np.pi)
    optics = Schlieren((SIZE, SIZE), PIXEL_M, APERTURE_PER_M, 0.0, knife_edge)
    sample = _spheres()
    form = ImageFormation(optics, workers=cores)
    ours = form.intensity(sample)
    seconds = min(_timed(lambda: form.intensity(sample)) for _ in range(5))
    start = time.perf_counter()
    direct, modes = _mode_sum(sample, optics, cores)
    rival = time.perf_counter() - start
    error = float(np.abs(ours - direct).max() / direct.max())
    return {
        "name": "xsn_forward",
        "value": seconds,
        "unit": "s",
        "rival": "mode sum, one 2-D FFT per mode",
        "rival_value": rival,
        "ratio": rival / seconds,
        "size": f"{SIZE} x {SIZE}, {modes} modes, complex64",
        "cores": cores,
        "device": "cpu",
        "note": f"largest difference {error:.1e} of the maximum",
    }


def _timed(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _spheres() -> np.ndarray:
    """Spheres of 4 rad and less, seeded."""
    rng = np.random.default_rng(0)
    y, x = np.indices((SIZE, SIZE))
    phase = np.zeros((SIZE, SIZE))
    for x0, y0, radius in rng.uniform((100, 100, 10), (924, 924, 80), (40, 3)):
        phase -= np.sqrt(np.maximum(0, radius**2 - (x - x0) ** 2 - (y - y0) ** 2)) / 20
    return np.exp((0.1 + 1j) * phase).astype(np.complex64)


def _mode_sum(sample: np.ndarray, optics: Schlieren, cores: int) -> tuple[np.ndarray, int]:
    """Eq. 1 of the paper with its modes: filter and transform back in two dimensions for each."""
    modes, weights = illumination_modes(optics)
    _, u = optics.frequencies_per_m
    spectrum = scipy.fft.fft2(sample, workers=cores) * optics.disc
    image = np.zeros(optics.shape, np.float32)
    for mode, weight in zip(modes, weights, strict=True):
        pupil = (u + mode >= optics.cutoff_per_m).astype(np.float32)
        wave = scipy.fft.ifft2(spectrum * pupil, overwrite_x=True, workers=cores)
        image += np.float32(weight) * (wave.real**2 + wave.imag**2)
    return image, modes.size
