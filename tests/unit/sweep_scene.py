"""What a synthetic sweep shows: patterns, images with and without the sample, counts, shapes of lines.

The sample is that of `nxsci_truth`, under speckle of two sheets that drifts by a part of a pixel between the
passes; the sample stands a little elsewhere in the second block.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.fft
from nxsci_truth import (
    ABSORBS,
    BLUR_PIXELS,
    ELEMENTS,
    EMITS,
    FINE,
    LATTICE,
    METALS,
    binned,
    particles,
    speckle_field,
)
from scipy.ndimage import gaussian_filter

from xsn_acq.config import load_microscope
from xsn_acq.optics.fluorescence import compton_energy_ev
from xsn_acq.sim.fluorescence import FluorescenceTruth
from xsn_acq.sim.fluorescence_shapes import (
    GROUPS,
    bin_edges_ev,
    continuum,
    element_shape,
    group_share,
    scatter_shape,
)

FILE = load_microscope("ssrl-6-2c")
VORTEX = FILE.vortex
SEEN = (*ELEMENTS, "Fe", "Cu")
SIDE = 32
RATE_S = 60_000.0
"""Counts of the lines of all elements that arrive a second, mean."""
PATTERN_SHIFT = ((0.3, -0.2), (-0.25, 0.3))
"""Rows and columns, pixels: so far patterns moved between the passes of each block."""
SAMPLE_SHIFT = (0.5, -0.4)
"""So far the sample stands in the second block from where it was in the first."""


@dataclass(frozen=True, eq=False)
class Scene:
    """What is exposed, at a light of 1.

    Attributes
    ----------
    out, within : (n, ny, nx)
        Images of the patterns, expected.
    rates : (3, n)
        Counts of the lines a second.
    maps : (3, ny, nx)
        Counts a second of a pixel under even light of 1.
    transmission : (ny, nx)
        What the microscope shows under even light.
    """

    out: np.ndarray
    within: np.ndarray
    rates: np.ndarray
    maps: np.ndarray
    transmission: np.ndarray


@lru_cache(maxsize=4)
def scene(lines, per_line, blocks=2, seed=3):
    """Patterns of blocks of equal numbers of lines; what stands elsewhere does so in every second block."""
    rng = np.random.default_rng(seed)
    thickness, matter = particles(SIDE, seed)
    metals = np.array([METALS[kind] for kind in matter])
    amount = thickness / (metals @ ABSORBS + LATTICE)[:, None, None]
    maps, absorbance = np.tensordot((metals * EMITS).T, amount, 1), thickness.sum(axis=0)
    number, n = lines * per_line, SIDE * FINE
    size = scipy.fft.next_fast_len(2 * n)
    fields = [speckle_field(size, FINE * grain, rng) for grain in (1.0, 3.0)]
    corners = rng.integers(0, size - n, (number, 2, 2))
    out, within, rates = [], [], []
    for block in range(blocks):
        shift = PATTERN_SHIFT[block % 2]
        drifted = [moved(each, shift) for each in fields]
        stands = SAMPLE_SHIFT if block % 2 else (0.0, 0.0)
        here = np.maximum([moved(each, stands) for each in (*maps, absorbance)], 0)
        for pair in corners[block * number // blocks : (block + 1) * number // blocks]:
            light, came = (pattern(each, pair, n) for each in (fields, drifted))
            out.append(seen(light))
            within.append(seen(came * np.exp(-here[-1])))
            rates.append(np.tensordot(here[:-1], came, 2) / FINE**2)
    out, rates = np.array(out), np.array(rates).T
    scale = RATE_S / rates.sum(axis=0).mean()
    maps = scale * binned(maps)
    return Scene(out, np.array(within), scale * rates, maps, seen(np.exp(-absorbance)))


@lru_cache(maxsize=1)
def shapes():
    """Mn, Co, Ni, Fe, Cu, elastic, Compton, continuum: counts in each bin of one count, (8, bins)."""
    truth = FluorescenceTruth()
    edges = bin_edges_ev(VORTEX, truth.gain_error, truth.zero_ev)
    around = [
        scatter_shape(edges, 9000.0, truth.response, compton=False),
        scatter_shape(edges, compton_energy_ev(9000.0, VORTEX.angle_deg), truth.response, compton=True),
        continuum(edges, 9000.0),
    ]
    shares = [(name, np.array([group_share(name, group) for group in GROUPS])) for name in SEEN]
    lines = [element_shape(edges, name, share, truth.response) for name, share in shares]
    return np.array([*lines, *around])


def moved(image, rows_columns):
    """Fine image moved by so many pixels; it repeats at its borders."""
    v, u = np.fft.fftfreq(len(image))[:, None], np.fft.fftfreq(len(image))
    turn = np.exp(-2j * np.pi * FINE * (v * rows_columns[0] + u * rows_columns[1]))
    return np.fft.ifft2(np.fft.fft2(image) * turn).real


def pattern(sheets, corners, n):
    fine, coarse = (sheet[a : a + n, b : b + n] for sheet, (a, b) in zip(sheets, corners, strict=True))
    return 0.25 + 0.55 * fine * (0.4 + 0.6 * coarse)


def seen(light):
    """Image of the camera."""
    return binned(gaussian_filter(light, BLUR_PIXELS * FINE, mode="nearest"))


def closeness(found, wanted):
    """Least correlation of an element's map with the true one; their sums agree to a tenth."""
    # 40 patterns of 1024 pixels: some of a sum lies outside the particles, or is lost at the border
    np.testing.assert_allclose(found.sum(axis=(1, 2)), wanted.sum(axis=(1, 2)), rtol=0.1)
    return min(np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(found, wanted, strict=True))
