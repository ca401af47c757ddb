"""A block of patterns, each with an image without and with the sample, made ready for the solvers."""

from dataclasses import dataclass
from enum import IntFlag

import numpy as np
from numpy.typing import NDArray

from xsn_acq.analysis.nxsci.patterns import (
    Passes,
    flaws,
    move_patterns,
    normalise_patterns,
    register_passes,
)
from xsn_acq.optics.arrays import FloatArray

LEAST_SIGNIFICANCE = 6.0
"""Below this two images do not show the same pattern; noise alone has 3 to 4."""
MOST_APART_PIXELS, _MOST_APART_SIGMAS = 1.0, 5.0
"""Both together: a pattern that moved further than the others is another one, in part the same of a sheet."""


class Exclusion(IntFlag):
    """Why a pattern is left out; 0: it is not."""

    NONE = 0
    FRAME = 1
    """A frame is missing, lightless, saturated, or that of the pattern before: see `patterns.Flaw`."""
    PATTERNS_DIFFER = 2
    """With the sample there was another pattern: a sheet did not go where its motor said."""
    BEAM_MONITOR = 4
    """The beam monitor did not tell how much light there was."""
    SPECTRUM = 8
    """The spectrum is missing, saturated, without dead time, or does not fit: see `xrf.areas.Trouble`."""


@dataclass(frozen=True, eq=False)
class PatternPairs:
    """Patterns of a block, at the places where they stood with the sample.

    Attributes
    ----------
    patterns : float32 (n, ny, nx)
        Of mean 1.
    light : (n,)
        Mean of a pattern's frame for each count of the beam monitor: fluorescence for each count is to be
        divided by it.
    top, bottom : (ny, nx)
        Sums over the good patterns of the images with and without the sample, less their dark, per count of
        the beam monitor: the transmission is top / bottom. Photons make the noise, so that this is the best
        of all weights, and without a bias.
    even_top, even_bottom : (ny, nx)
        The same of every second good pattern: two halves tell the resolution.
    squares, products, out_squares : (ny, nx)
        Sums of the squares with the sample, of the products, and of the squares without: they tell the noise.
    shift : (2,)
        Rows and columns, pixels: so far the patterns moved between the passes; 0 where it could not be told.
    excluded : uint8 (n,)
        Sum of `Exclusion`.
    """

    patterns: NDArray[np.float32]
    light: FloatArray
    top: FloatArray
    bottom: FloatArray
    even_top: FloatArray
    even_bottom: FloatArray
    squares: FloatArray
    products: FloatArray
    out_squares: FloatArray
    shift: FloatArray
    excluded: NDArray[np.uint8]

    @property
    def good(self) -> NDArray[np.bool_]:
        """Patterns that are not excluded, (n,)."""
        return self.excluded == 0


def pair_patterns(
    out: FloatArray,
    within: FloatArray,
    dark: FloatArray,
    gain_out: FloatArray,
    gain_within: FloatArray,
    *,
    saturation: float | None = None,
) -> PatternPairs:
    """Bring the patterns of one block to where they stood with the sample.

    Parameters
    ----------
    out, within : (n, ny, nx)
        Raw frames without and with the sample, in the order in which they were taken.
    dark : (ny, nx)
        Mean frame without beam.
    gain_out, gain_within : (n,)
        Exposure times counts of the beam monitor, in any unit that is the same for both; 0 where it was lost.
    saturation : float, optional
        Largest value of a pixel.
    """
    excluded = np.zeros(len(out), np.uint8)
    for frames, gain in ((out, gain_out), (within, gain_within)):
        excluded[flaws(frames, dark, saturation=saturation) != 0] |= np.uint8(Exclusion.FRAME)
        excluded[~(gain > 0)] |= np.uint8(Exclusion.BEAM_MONITOR)
    gains = [np.where(gain > 0, gain, 1.0) for gain in (gain_out, gain_within)]
    normalised = normalise_patterns(out, dark, gain=gains[0])
    light = normalised.light
    passes = register_passes(normalised.patterns, within - dark, least_significance=LEAST_SIGNIFICANCE)
    differ = _differ(passes, excluded == 0) & ((excluded & Exclusion.FRAME) == 0)
    excluded[differ] |= np.uint8(Exclusion.PATTERNS_DIFFER)
    shift = _common_shift(passes, excluded == 0)
    patterns = move_patterns(normalised.patterns, np.broadcast_to(shift, (len(out), 2)))
    top, bottom, even_top, even_bottom, squares, products, out_squares = np.zeros((7, *dark.shape))
    for place, n in enumerate(np.flatnonzero(excluded == 0)):
        came = patterns[n] * light[n]
        through = (within[n] - dark) / gains[1][n]
        top += through
        bottom += came
        squares += through**2
        products += came * through
        out_squares += came.astype(float) ** 2
        if place % 2 == 0:
            even_top += through
            even_bottom += came
    return PatternPairs(
        patterns,
        light,
        top,
        bottom,
        even_top,
        even_bottom,
        squares,
        products,
        out_squares,
        shift,
        excluded,
    )


def _differ(passes: Passes, good: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Patterns that were others with the sample: not to be found again, or not where the others are."""
    lost = passes.significance < LEAST_SIGNIFICANCE
    reach = MOST_APART_PIXELS + _MOST_APART_SIGMAS * np.where(np.isfinite(passes.sigma), passes.sigma, 0.0)
    far = np.abs(passes.shift - _common_shift(passes, good & ~lost)) > reach
    return np.asarray(lost | far.any(axis=1))


def _common_shift(passes: Passes, good: NDArray[np.bool_]) -> FloatArray:
    """Shift of all patterns of a block: between two moves of the sample stage nothing gives way."""
    told = good & np.isfinite(passes.sigma).all(axis=1)
    return np.median(passes.shift[told], axis=0) if told.any() else np.zeros(2)
