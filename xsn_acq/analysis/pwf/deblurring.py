"""Takes the blur of partial coherence out of a reference speckle: accelerated Richardson-Lucy.

The light's intensity f before the blur is found from the measured d = IOTF * f: each step multiplies f by
the blurred ratio d / (IOTF * f), so that f stays positive (Richardson, J. Opt. Soc. Am. 62, 55 (1972);
doi:10.1364/JOSA.62.000055). Between steps f goes on along its last change (Biggs and Andrews, Appl. Opt. 36,
1766 (1997); doi:10.1364/AO.36.001766). It stops where what is left is the noise, chi^2 = 1 a pixel: beyond
that it would sharpen the noise.
"""

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.coherence import CoherenceLengths, intensity_transfer
from xsn_acq.optics.fourier import Fourier

MOST_ITERATIONS = 200
_REACH = 5.0
"""Standard deviations of the blur that the field is continued by: no light reaches in from further off."""
_DARKEST = 1e-3
"""Floor of the blurred estimate: a division by nothing must not blow up."""


@dataclass(frozen=True, eq=False)
class Deblurred:
    """A reference speckle without its blur.

    Attributes
    ----------
    intensity : float32 or float64 (ny, nx)
        Not negative; the flat is 1.
    iterations : int
    chi2 : float
        Mean over the good pixels of (left / noise)^2; 1 where it stopped at the noise.
    """

    intensity: FloatArray
    iterations: int
    chi2: float

    @property
    def reached_the_noise(self) -> bool:
        """Whether the blur explains the reference down to the noise; if not, the lengths do not fit it."""
        return self.chi2 <= 1


def photon_noise(reference: ArrayLike, noise_of_flat: float) -> FloatArray:
    """Standard deviation of each pixel (ny, nx): the light's own noise goes with its square root.

    Parameters
    ----------
    reference : real (ny, nx)
        The flat is 1.
    noise_of_flat : float
        Standard deviation over mean of one pixel in the flat's light, see
        `xsn_acq.analysis.flatfield.frame_noise`; over the root of n for a mean of n frames.

    Examples
    --------
    >>> photon_noise([[1.0, 4.0]], 0.01).tolist()
    [[0.01, 0.02]]
    """
    return noise_of_flat * np.sqrt(np.maximum(np.asarray(reference, dtype=float), _DARKEST))


class Deblurring:
    """Deblurs reference speckles of one shape.

    Parameters
    ----------
    shape : (ny, nx)
    pixel_m : float
    lengths : CoherenceLengths
    good : bool (ny, nx), optional
        Pixels that count. The others, and what lies beyond the border, follow from their neighbours.
    most_iterations : int
    dtype : float32 or float64
    workers, xp, device
        See `xsn_acq.optics.fourier.Fourier`.

    Raises
    ------
    ReconstructionError
        No pixel is good, or the shapes differ.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        pixel_m: float,
        lengths: CoherenceLengths,
        *,
        good: NDArray[np.bool_] | None = None,
        most_iterations: int = MOST_ITERATIONS,
        dtype: type[np.floating] = np.float32,
        workers: int = 1,
        xp: ModuleType = np,
        device: Any = None,
    ) -> None:
        self._shape = shape
        self._most = most_iterations
        self._good = np.ones(shape, bool) if good is None else np.asarray(good, bool)
        if self._good.shape != shape or not self._good.any():
            raise ReconstructionError(
                f"deblurring: wanted a map of good pixels {shape} with some good ones, "
                f"found {self._good.shape} with {int(self._good.sum())}"
            )
        self._fourier = Fourier(xp, device=device, workers=workers)
        self._type = np.dtype(dtype)
        self._margins = _margins(shape, pixel_m, lengths)
        self._wide = shape[0] + sum(self._margins[0]), shape[1] + sum(self._margins[1])
        transfer = intensity_transfer(self._wide, pixel_m, lengths)[:, : self._wide[1] // 2 + 1]
        self._transfer = self._array(transfer)
        self._counts = self._array(np.pad(self._good, self._margins).astype(float))
        self._seen = self._blurred(self._counts)

    def __call__(self, reference: ArrayLike, noise: ArrayLike) -> Deblurred:
        """Deblur one reference.

        Parameters
        ----------
        reference : real (ny, nx)
            Dark-subtracted and over the flat.
        noise : float or real (ny, nx)
            Standard deviation of each pixel, above 0; see `photon_noise`.

        Raises
        ------
        ReconstructionError
            The shapes differ, or a good pixel has no finite value or no noise.
        """
        measured, weight = self._prepared(np.asarray(reference, float), np.asarray(noise, float))
        path = _Path(self._fourier.xp, self._blurred(measured))
        iteration = 0
        while True:
            model = self._clipped(self._blurred(path.ahead))
            chi2 = float(self._fourier.xp.sum(weight * (measured - model) ** 2))
            if chi2 <= 1 or iteration == self._most:
                return Deblurred(self._cropped(path.ahead), iteration, chi2)
            path.go_to(path.ahead * self._correction(measured / model))
            iteration += 1

    def _correction(self, ratio: Any) -> Any:
        """Factor of one step of Richardson-Lucy, from measured over modelled; 1 where no good pixel sees."""
        unseen = 1 - self._seen
        return self._fourier.xp.clip(self._blurred(self._counts * ratio) + unseen, min=0)

    def _clipped(self, image: Any) -> Any:
        return self._fourier.xp.clip(image, min=_DARKEST)

    def _prepared(self, reference: FloatArray, noise: FloatArray) -> tuple[Any, Any]:
        """Reference on the wide field, and weights that sum the squares up to chi^2."""
        noise = np.broadcast_to(noise, self._shape) if noise.ndim == 0 else noise
        if reference.shape != self._shape or noise.shape != self._shape:
            raise ReconstructionError(
                f"deblurring: wanted a reference and its noise {self._shape}, "
                f"found {reference.shape} and {noise.shape}"
            )
        usable = np.isfinite(reference) & np.isfinite(noise) & (noise > 0)
        if not usable[self._good].all():
            raise ReconstructionError(
                f"deblurring: {int((self._good & ~usable).sum())} good pixels have no finite value or "
                "no noise; mark them as bad"
            )
        filled = np.where(self._good, np.maximum(reference, 0), reference[self._good].mean())
        weight = np.where(self._good, 1, 0) / np.where(self._good, noise, 1) ** 2 / self._good.sum()
        return self._array(np.pad(filled, self._margins, "symmetric")), self._array(
            np.pad(weight, self._margins)
        )

    def _array(self, values: FloatArray) -> Any:
        return self._fourier.array(values, self._type)

    def _blurred(self, image: Any) -> Any:
        return self._fourier.irfft2(self._fourier.rfft2(image) * self._transfer, self._wide)

    def _cropped(self, image: Any) -> FloatArray:
        rows, columns = (slice(m[0], m[0] + n) for m, n in zip(self._margins, self._shape, strict=True))
        return np.array(self._fourier.numpy(image)[rows, columns])


class _Path:
    """Estimates of an iteration, each begun a little further along the last change (Biggs and Andrews).

    Parameters
    ----------
    xp : module
    start : array
        Where the first step begins.
    """

    def __init__(self, xp: ModuleType, start: Any) -> None:
        self._xp = xp
        self.ahead = xp.clip(start, min=_DARKEST)
        self._last = self.ahead
        self._change: Any = None

    def go_to(self, estimate: Any) -> None:
        """Take the estimate that the step from ``ahead`` gave, and look further along its change."""
        xp, change = self._xp, estimate - self.ahead
        onward = 0.0
        if self._change is not None:
            along, square = float(xp.sum(change * self._change)), float(xp.sum(self._change**2))
            onward = min(max(along / square, 0.0), 1.0) if square > 0 else 0.0
        self.ahead = xp.clip(estimate + onward * (estimate - self._last), min=0)
        self._last, self._change = estimate, change


def _margins(
    shape: tuple[int, int], pixel_m: float, lengths: CoherenceLengths
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Pixels added (before, after) along y and x: the blur's reach, up to a length that transforms fast."""
    x, y = lengths.spread_m
    wide = []
    for n, spread in zip(shape, (y, x), strict=True):
        reach = int(np.ceil(_REACH * spread / pixel_m))
        more = scipy.fft.next_fast_len(n + 2 * reach, real=True) - n
        wide.append((reach, more - reach))
    return wide[0], wide[1]
