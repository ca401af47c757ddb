r"""Shift between two schlieren images half a turn apart, without the bias that absorption causes.

In weakly scattering matter the spectra of both images, the second flipped back, are

.. math:: L_\pm = (H_\alpha c \pm i h) \hat\phi, \qquad c = \hat\alpha / \hat\phi, \quad H_\phi = i h

and their cross-spectrum is conj(L+) L- = (H_alpha c - i h)^2 \|phi^\|^2: of known phase for a known c. A
shift d of the second image adds the phase -2 pi k d. Where c depends on \|k\| alone (what the sample is made
of has no preferred direction) both can be told apart: c turns the phase by what the responses at (u, v) make
of one number for the ring, the shift in proportion to the frequency along the shift. Here c is fitted ring by
ring and the shift at once. One ring for all would be the paper's criterion, FRC(delta, beta) flat in k.

The noise of both images is independent and does not enter their cross-spectrum. Upright structure (a thread
of glue, a capillary) has its spectrum at v = 0, which is left out.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from xsn_acq.analysis.correlation import DetailCorrelation
from xsn_acq.analysis.taper import tukey
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import ComplexArray, FloatArray
from xsn_acq.optics.schlieren import Schlieren, transfer_functions

_LOWEST_PER_M = 0.5e6
"""Slower structure is left out, and all that is nearer than this to v = 0."""
_HIGHEST_PER_PIXEL = 0.3
_DETAIL_PER_M = 4e6
"""Highest frequency of the first two steps."""
_RING_PER_M = 2e6
_ANNULUS_PER_M = 0.25e6
"""Rings of one c, and finer ones of one signal and noise."""
_CELL_PER_M = 0.2e6
_LEAST_CONTRAST = 0.2
"""Least |H_phi / H_alpha|: below, absorption turns the phase so much that it tells nothing of the shift."""
_LEAST_COHERENCE = 2.0
"""In units of what noise alone has."""
_MOST_RATIO = 0.4
_WORST_CONDITION = 1e8
_TAPER = 0.2
_STEPS = 12
_CLOSE = 1e-4


@dataclass(frozen=True)
class PairShift:
    """Where the second image is, seen from the first: what is at (y, x) there is at (y + dy, x + dx) here.

    Attributes
    ----------
    dy, dx : float, pixels
    sigma_y, sigma_x : float, pixels
        Standard errors, from the scatter of the cross-spectrum; inf where nothing could be measured.
    """

    dy: float
    dx: float
    sigma_y: float
    sigma_x: float

    @property
    def axis_error(self) -> float:
        """Rotation axis minus the column both images were flipped and centred about, in pixels."""
        return -0.5 * self.dx


NOT_MEASURED = PairShift(0.0, 0.0, float("inf"), float("inf"))


@dataclass(frozen=True, eq=False)
class _Cells:
    """Cross-spectrum summed over small cells of frequency; each array (n,)."""

    v: FloatArray
    u: FloatArray
    ring: NDArray[np.intp]
    annulus: NDArray[np.intp]
    response_alpha: FloatArray
    response_phi: FloatArray
    count: FloatArray


class PairAlignment:
    """Measures the shift of image pairs.

    Parameters
    ----------
    optics : Schlieren
    workers : int
        Threads for the FFTs.

    Raises
    ------
    ReconstructionError
        The cutoff gives no phase contrast, or the images are too small for a ring of frequencies.

    Notes
    -----
    Three steps: all whole-pixel shifts at once by one inverse FFT; the paper's cost by a quasi-Newton search;
    the shift and c(k) together by Fisher scoring on the cross-spectrum, weighted by its coherence.
    """

    def __init__(self, optics: Schlieren, *, workers: int = 1) -> None:
        self.optics = optics
        self._workers = workers
        ny, nx = optics.shape
        self._transfer = tuple(transfer[:, : nx // 2 + 1] for transfer in transfer_functions(optics))
        self._window = np.outer(tukey(ny, _TAPER), tukey(nx, _TAPER)).astype(optics.real)
        self._background = optics.real.type(optics.background)
        alpha, phi = self._transfer
        self._inside, self._cell, self._cells = _cells(optics, alpha.real, phi.imag)

    def shift(self, image_0: FloatArray, image_180_flipped: FloatArray) -> PairShift:
        """Measure where the second image is, seen from the first.

        Parameters
        ----------
        image_0, image_180_flipped : real (ny, nx)
            Air = I_tot; the second flipped left to right, so that both show the sample the same way round.
        """
        first, second = (self._contrast(image) for image in (image_0, image_180_flipped))
        whole = (0, 0)
        for _ in range(3):  # rolled back, the window cuts both images at the same place
            step = self._detail(first, second).best_integer(workers=self._workers)
            if step == (0, 0):
                break
            whole = whole[0] + step[0], whole[1] + step[1]
            second = self._contrast(np.roll(image_180_flipped, (-whole[0], -whole[1]), axis=(0, 1)))
        start = self._detail(first, second).best((0.0, 0.0))
        rest = self._scored(first, second, start)
        return PairShift(whole[0] + rest.dy, whole[1] + rest.dx, rest.sigma_y, rest.sigma_x)

    def _contrast(self, image: FloatArray) -> ComplexArray:
        return self._spectrum(np.asarray(image, self.optics.real) - self._background)

    def _spectrum(self, image: FloatArray) -> ComplexArray:
        if np.shape(image) != tuple(self.optics.shape):
            raise ReconstructionError(
                f"alignment: wanted an image of {self.optics.shape} pixels, found {np.shape(image)}"
            )
        return scipy.fft.rfft2(image * self._window, workers=self._workers)

    def _detail(self, first: ComplexArray, second: ComplexArray) -> DetailCorrelation:
        highest = _DETAIL_PER_M * self.optics.pixel_size_m
        return DetailCorrelation(first.conj() * second, self.optics.shape, highest)

    def _summed(self, values: FloatArray) -> FloatArray:
        return _sums(self._cell, values[self._inside], self._cells.count.size)

    def _scored(self, first: ComplexArray, second: ComplexArray, start: tuple[float, float]) -> PairShift:
        """Fisher scoring from ``start``."""
        product = first.conj() * second
        cross = self._summed(product.real) + 1j * self._summed(product.imag)
        power = self._summed(0.5 * (np.abs(first) ** 2 + np.abs(second) ** 2))
        fit = _Fit(self._cells, cross, power)
        shift: FloatArray = np.array(start)
        ratio: FloatArray = np.zeros(int(self._cells.ring.max()) + 1)
        for _ in range(_STEPS):
            step, ratio, covariance = fit.step(shift, ratio)
            shift = shift + np.clip(step, -0.5, 0.5)
            if np.abs(step).max() < _CLOSE:
                break
        sigma_y, sigma_x = np.sqrt(np.diag(covariance))
        return PairShift(float(shift[0]), float(shift[1]), float(sigma_y), float(sigma_x))


def _cells(
    optics: Schlieren, response_alpha: FloatArray, response_phi: FloatArray
) -> tuple[NDArray[np.bool_], NDArray[np.intp], _Cells]:
    """Which frequencies count, (ny, nx // 2 + 1); the cell of each of them; the cells."""
    ny, nx = optics.shape
    v, u = np.broadcast_arrays(scipy.fft.fftfreq(ny)[:, None], scipy.fft.rfftfreq(nx))
    per_m = 1 / optics.pixel_size_m
    k = np.hypot(u, v)
    inside = (np.abs(v) * per_m >= _LOWEST_PER_M) & (k < _HIGHEST_PER_PIXEL) & (u > 0)
    inside &= np.abs(response_phi) > _LEAST_CONTRAST * response_alpha
    if not inside.any():
        raise ReconstructionError(
            f"alignment: {ny} x {nx} pixels with the cutoff at {optics.cutoff_per_m:.4g} per m show no "
            "phase; bring the cutoff into the pupil's illumination, or take larger images"
        )
    column = np.floor(u[inside] * per_m / _CELL_PER_M).astype(int)
    row = np.floor(v[inside] * per_m / _CELL_PER_M).astype(int)
    _, cell = np.unique(row * (column.max() + 1) + column, return_inverse=True)
    count = np.bincount(cell).astype(float)

    def mean(values: FloatArray) -> FloatArray:
        return _sums(cell, values[inside]) / count

    radius = mean(k) * per_m
    ring, annulus = (np.floor(radius / width).astype(int) for width in (_RING_PER_M, _ANNULUS_PER_M))
    cells = _Cells(mean(v), mean(u), ring, annulus, mean(response_alpha), mean(response_phi), count)
    return inside, cell, cells


class _Fit:
    """One cross-spectrum, and the steps towards its shift and its c in each ring."""

    def __init__(self, cells: _Cells, cross: ComplexArray, power: FloatArray) -> None:
        self._cells, self._cross = cells, cross
        self._rings = int(cells.ring.max()) + 1
        self._total = _sums(cells.annulus, power)
        self._count = _sums(cells.annulus, cells.count)

    def step(self, shift: FloatArray, ratio: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Change of (dy, dx), the next c (n_rings,), and the covariance (2, 2) of (dy, dx)."""
        cells, ring = self._cells, self._cells.ring
        factor = cells.response_alpha * ratio[ring] - 1j * cells.response_phi
        strength = np.abs(factor) ** 2
        turn = np.exp(2j * np.pi * (cells.v * shift[0] + cells.u * shift[1]))
        rest = self._cross * turn * np.conj(factor**2) / strength
        weight, expected = self._weighted(rest.real, strength)
        slope_c = 2 * cells.response_alpha * cells.response_phi / strength
        slopes = -2 * np.pi * np.stack([cells.v, cells.u])
        share = _ratio(1.0, self._ring_sum(expected * slope_c**2))
        common = np.stack([self._ring_sum(expected * slope_c * slope) * share for slope in slopes])
        free = slopes - slope_c * common[:, ring]
        matrix = (expected * free) @ slopes.T
        if not np.linalg.cond(matrix) < _WORST_CONDITION:
            return np.zeros(2), ratio, np.full((2, 2), np.inf)
        scores = weight * free * rest.imag
        inverse = np.linalg.inv(matrix)
        step = inverse @ scores.sum(axis=1)
        more = self._ring_sum(weight * slope_c * rest.imag) * share - step @ common
        return (
            step,
            np.clip(ratio + more, -_MOST_RATIO, _MOST_RATIO),
            inverse @ (scores @ scores.T) @ inverse.T,
        )

    def _weighted(self, aligned: FloatArray, strength: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Coherence of each cell's annulus, 0 where it drowns in noise, and the signal expected times it."""
        annulus = self._cells.annulus
        common = _sums(annulus, aligned)
        coherence = _ratio(common, self._total)
        coherence[(coherence < 0) | (coherence**2 * self._count < _LEAST_COHERENCE**2)] = 0.0
        per_strength = _ratio(common, _sums(annulus, self._cells.count * strength))
        weight = coherence[annulus]
        return weight, weight * self._cells.count * strength * per_strength[annulus]

    def _ring_sum(self, values: FloatArray) -> FloatArray:
        return _sums(self._cells.ring, values, self._rings)


def _sums(groups: NDArray[np.intp], values: FloatArray, size: int = 0) -> FloatArray:
    """Sum of the values of each group."""
    return np.asarray(np.bincount(groups, values, size), dtype=float)


def _ratio(above: FloatArray | float, below: FloatArray) -> FloatArray:
    return np.divide(above, below, out=np.zeros_like(below), where=below > 0)
