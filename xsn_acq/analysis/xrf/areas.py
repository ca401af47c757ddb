"""From spectra and scalers to counts of each element's lines: one call."""

from dataclasses import dataclass
from enum import IntFlag

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xsn_acq.analysis.xrf.dead_time import LiveTimes, live_times
from xsn_acq.analysis.xrf.model import SpectrumModel
from xsn_acq.analysis.xrf.poisson import PoissonFit, poisson_fit
from xsn_acq.analysis.xrf.refining import with_pile_up
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray


class Trouble(IntFlag):
    """What is wrong with a spectrum; 0 when nothing is."""

    SATURATED = 1
    """The detector was dead for longer than it may be, or pile-up is a large part."""
    DEAD_TIME = 2
    """The dead time is not to be trusted: the scalers contradict each other or the spectrum."""
    POOR_FIT = 4
    """The spectrum is not a sum of the shapes: another element, a moved energy scale."""


@dataclass(frozen=True)
class Limits:
    """Where a spectrum is flagged, and what is known of the detector.

    Parameters
    ----------
    dead_s : float
        Dead time of an event.
    dead_error : float
        Relative error of that.
    most_dead : float
        Largest good part of the time in which the detector is dead.
    most_piled_up : float
        Largest good part of events that are two at once.
    worst_misfit : float
        Largest good mean square of the deviations in units of the expected ones.
    """

    dead_s: float
    dead_error: float = 0.02
    most_dead: float = 0.3
    most_piled_up: float = 0.1
    worst_misfit: float = 2.0


@dataclass(frozen=True, eq=False)
class LineAreas:
    """Counts of the lines of each element in each of n spectra.

    Attributes
    ----------
    elements : tuple of str
    areas, sigma : (elements, n)
        Counts of all K lines for each second of live time, with those that pile-up took, and the standard
        error from counting, background and overlap. NaN where there is no live time.
    counts : (elements, n)
        As fitted: without dead time and pile-up corrected.
    live : LiveTimes
        Its ``error`` is that of all areas of a spectrum together, and much the same for all spectra.
    piled_up : (n,)
        Part of the events that are two at once.
    misfit : (n,)
    flags : uint8 (n,)
        Sum of `Trouble`.
    model : SpectrumModel
        What was fitted.
    """

    elements: tuple[str, ...]
    areas: FloatArray
    sigma: FloatArray
    counts: FloatArray
    live: LiveTimes
    piled_up: FloatArray
    misfit: FloatArray
    flags: NDArray[np.uint8]
    model: SpectrumModel


def line_areas(
    spectra: ArrayLike,
    scalers: ArrayLike,
    model: SpectrumModel,
    limits: Limits,
    *,
    exposure_s: ArrayLike | None = None,
    all_spectra: ArrayLike | None = None,
) -> LineAreas:
    """Counts of each element's lines in each spectrum, corrected for dead time and pile-up.

    Parameters
    ----------
    spectra : (n, bins)
        Raw counts.
    scalers : (n, 11)
        In the order of `xsn_acq.optics.xspress3.SCALERS`.
    model : SpectrumModel
        Best refined with the sum of the spectra: `xsn_acq.analysis.xrf.refining.refined`.
    limits : Limits
    exposure_s : float or (n,), optional
        How long the spectra should be; then the clock is checked.
    all_spectra : (bins,), optional
        Sum of all spectra of the run, by default of those given: it tells where pile-up lies.

    Returns
    -------
    LineAreas

    Raises
    ------
    ReconstructionError
        Shapes do not fit, or counts are negative or not finite.
    """
    raw = np.asarray(spectra)
    if raw.ndim != 2 or not raw.size:
        raise ReconstructionError(f"spectra: wanted shape (n, bins), found {raw.shape}")
    totals = raw.sum(axis=1, dtype=float)
    if not np.isfinite(totals).all() or raw.min() < 0:
        raise ReconstructionError("spectra: wanted counts of 0 or more, found others; are these raw spectra?")
    live = live_times(scalers, totals, limits.dead_s, dead_error=limits.dead_error, exposure_s=exposure_s)
    summed = raw.sum(axis=0, dtype=float) if all_spectra is None else np.asarray(all_spectra, float)
    shapes = with_pile_up(model, summed)
    groups = model.first_bins(raw.shape[1])
    counts = np.add.reduceat(raw[:, model.fitted(raw.shape[1])], groups, axis=1, dtype=float)
    fit = poisson_fit(counts, np.add.reduceat(shapes, groups, axis=0))
    number = len(model.elements)
    piled, areas, sigma = _without_pile_up(fit, totals, number)
    flags = np.where(
        (live.dead_share > limits.most_dead) | (piled > limits.most_piled_up), Trouble.SATURATED, 0
    )
    flags |= np.where(live.trusted, 0, Trouble.DEAD_TIME)
    flags |= np.where(fit.misfit > limits.worst_misfit, Trouble.POOR_FIT, 0)
    return LineAreas(
        model.elements,
        areas / live.live_s,
        sigma / live.live_s,
        fit.counts[:, :number].T,
        live,
        piled,
        fit.misfit,
        flags.astype(np.uint8),
        model,
    )


def _without_pile_up(
    fit: PoissonFit, totals: FloatArray, number: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Part of events piled up (n,), counts without pile-up (elements, n) and their standard errors.

    An event that another was added to is missing in its line: of the events the part p, whatever the line.
    The other came within the dead time, which is corrected with it.
    """
    total = np.maximum(totals, 1.0)
    piled = np.clip(fit.counts[:, -1] / total, 0.0, 0.9)
    counts = fit.counts[:, :number].T
    single = 1 - piled
    own = np.einsum("nii->in", fit.covariance)
    slope = counts / (single * total)
    shared = fit.covariance[:, :number, -1].T
    variance = own[:number] + 2 * slope * shared + slope**2 * own[-1]
    return piled, counts / single, np.sqrt(np.maximum(variance, 0.0)) / single
