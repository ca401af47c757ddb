"""What an NxSCI solver is given and what it gives back.

The fitted line area of element e under pattern n is y_en = sum over pixels of A_n m_e, with noise sigma_en.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from xsn_acq.analysis.nxsci.denoising import denoise
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray

_BLOCK_BYTES = 2**26
_LEAST_TRANSMISSION = 1e-3
"""A pixel darker than this counts as so dark: its logarithm would be noise."""


@dataclass(frozen=True, eq=False)
class Sweep:
    """Patterns and what the detector saw under each.

    Attributes
    ----------
    patterns : (N, ny, nx)
        Sample-out images at the sample's pixels, each divided by its mean. Any array that gives rows by
        slices: also a memory map or an HDF5 dataset, float32 too.
    counts : (E, N)
        Fitted line areas, divided by live time and I0; (N,) counts as one element.
    sigma : (E, N)
        Their standard deviations, above 0; one number counts for all.

    Raises
    ------
    ReconstructionError
        Shapes that do not fit, values that are not finite, a sigma that is not above 0.
    """

    patterns: Any
    counts: FloatArray
    sigma: FloatArray

    def __post_init__(self) -> None:
        counts = np.atleast_2d(np.asarray(self.counts, dtype=float))
        object.__setattr__(self, "counts", counts)
        if len(self.patterns.shape) != 3 or 0 in self.patterns.shape:
            _refuse("patterns", "(N, ny, nx)", self.patterns.shape)
        if counts.ndim != 2 or counts.shape[1] != len(self.patterns):
            _refuse("counts", f"(E, {len(self.patterns)}), one for each pattern", counts.shape)
        object.__setattr__(self, "sigma", _like("sigma of the counts", self.sigma, counts.shape))
        _check_finite("counts", counts)
        _check_positive("sigma of the counts", self.sigma)
        for rows in blocks(self.patterns):
            _check_finite("patterns", self.patterns[rows])

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of a map."""
        ny, nx = self.patterns.shape[1:]
        return int(ny), int(nx)

    def subset(self, mask: NDArray[np.bool_] | NDArray[np.intp]) -> "Sweep":
        """Patterns where ``mask`` (N,) is true, or of these indices; their images are copied.

        Raises
        ------
        ReconstructionError
            No pattern is left.
        """
        chosen = np.flatnonzero(mask) if np.asarray(mask).dtype == bool else np.asarray(mask)
        if chosen.size == 0:
            raise ReconstructionError("nxsci: wanted one pattern or more, found none; are all excluded?")
        return Sweep(self.patterns[chosen], self.counts[:, chosen], self.sigma[:, chosen])


@dataclass(frozen=True, eq=False)
class Guide:
    """The TXM image of the sample under flat light.

    Attributes
    ----------
    transmission : (ny, nx)
        Flat-corrected, 0 to 1 and noise.
    sigma : (ny, nx)
        Its standard deviation, above 0; one number counts for all pixels.

    Raises
    ------
    ReconstructionError
        Shapes that do not fit, values that are not finite, a sigma that is not above 0.
    """

    transmission: FloatArray
    sigma: FloatArray

    def __post_init__(self) -> None:
        image = np.asarray(self.transmission, dtype=float)
        if image.ndim != 2:
            _refuse("transmission", "(ny, nx)", image.shape)
        object.__setattr__(self, "transmission", image)
        object.__setattr__(self, "sigma", _like("sigma of the transmission", self.sigma, image.shape))
        _check_finite("transmission", image)
        _check_positive("sigma of the transmission", self.sigma)

    def absorbance(self) -> FloatArray:
        """-log of the transmission, (ny, nx)."""
        return -np.log(np.maximum(self.transmission, _LEAST_TRANSMISSION))

    def absorbance_sigma(self) -> FloatArray:
        """Standard deviation of the absorbance, (ny, nx)."""
        return np.asarray(self.sigma / np.maximum(self.transmission, _LEAST_TRANSMISSION))

    @cached_property
    def noise(self) -> float:
        """Standard deviation of the absorbance in a usual pixel."""
        return float(np.median(self.absorbance_sigma()))

    @cached_property
    def smooth(self) -> FloatArray:
        """The absorbance without its noise, edges kept, (ny, nx)."""
        return denoise(self.absorbance(), self.noise)


@dataclass(frozen=True, eq=False)
class Maps:
    """What a solver found.

    Attributes
    ----------
    values : (E, ny, nx)
        Line counts per unit illumination and pixel.
    weight : float
        Of the regularisation, as the solver used it; 0 where it has none.
    iterations : int
    misfit : (E,)
        Chi-square per pattern: about 1 where the noise alone is left.
    sigma : (E, ny, nx), optional
        Standard error of each pixel where it was computed.
    pull : (E, 2 ny nx), optional
        How the regularisation pulls at each difference, for a start from these maps.
    push : (E, ny nx), optional
        How the constraint pushes at each pixel, for the same.
    """

    values: FloatArray
    weight: float
    iterations: int
    misfit: FloatArray
    sigma: FloatArray | None = None
    pull: FloatArray | None = None
    push: FloatArray | None = None

    def with_sigma(self, sigma: FloatArray) -> "Maps":
        """Return the same maps with their standard errors."""
        return replace(self, sigma=sigma)


class Solver(Protocol):
    """The one interface of all solvers."""

    def solve(self, sweep: Sweep, guide: Guide, *, start: Maps | None = None) -> Maps:
        """Find the maps.

        Parameters
        ----------
        sweep : Sweep
        guide : Guide
            On the pixels of the patterns, see `txm_shift`; solvers that need none do not look at it.
        start : Maps, optional
            Maps of fewer patterns of the same sample: a solver that iterates begins there.

        Raises
        ------
        ReconstructionError
            The guide or the start has other pixels than the patterns.
        """


def check_fit(sweep: Sweep, guide: Guide, start: Maps | None = None) -> None:
    """Refuse a guide, or maps to start from, that have other pixels than the patterns."""
    if guide.transmission.shape != sweep.shape:
        _refuse("transmission", f"{sweep.shape}, as the patterns", guide.transmission.shape)
    wanted = (len(sweep.counts), *sweep.shape)
    if start is not None and start.values.shape != wanted:
        _refuse("maps to start from", f"{wanted}, as elements and patterns", start.values.shape)


def blocks(patterns: Any) -> list[slice]:
    """Slices over the patterns, so few rows each that a float64 copy of them takes 64 MB."""
    number, ny, nx = patterns.shape
    rows = max(1, _BLOCK_BYTES // (8 * ny * nx))
    return [slice(first, min(number, first + rows)) for first in range(0, number, rows)]


def _like(name: str, values: Any, shape: tuple[int, ...]) -> FloatArray:
    """Values of this shape; one number fills it, and (N,) a single element's row."""
    array = np.asarray(values, dtype=float)
    if array.shape not in (shape, (), shape[1:] if shape[0] == 1 else shape):
        _refuse(name, str(shape), array.shape)
    return np.broadcast_to(array, shape)


def _check_finite(name: str, values: Any) -> None:
    finite = np.isfinite(values)
    if not finite.all():
        bad = finite.size - int(np.count_nonzero(finite))
        raise ReconstructionError(
            f"nxsci: {name}: wanted finite numbers, found {bad} of {finite.size} that are not; "
            "exclude these patterns (Sweep.subset)"
        )


def _check_positive(name: str, values: FloatArray) -> None:
    if not (np.isfinite(values) & (values > 0)).all():
        raise ReconstructionError(
            f"nxsci: {name}: wanted finite numbers above 0, found {float(np.min(values)):g} at least; "
            "give each its Poisson error or exclude it"
        )


def _refuse(name: str, wanted: str, found: object) -> None:
    raise ReconstructionError(f"nxsci: {name}: wanted the shape {wanted}, found {found}")
