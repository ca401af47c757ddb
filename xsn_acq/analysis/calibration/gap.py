"""At which gap of the undulator most light comes at an energy."""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import OptimizeWarning, curve_fit

from xsn_acq.errors import CalibrationError
from xsn_acq.optics.arrays import FloatArray

SINC_FWHM = 0.8859
"""Full width at half maximum of sinc^2(x) = (sin(pi x) / (pi x))^2."""
_FEWEST = 5
_TOP = 0.5
"""Points with at least this fraction of the most light, next to it, take part in the fit."""
_FOOT = 0.25
"""The light must fall to this fraction of the most somewhere: side lobes over a background do not."""
_NARROW = 0.75
"""A peak narrower than this many times the harmonic's own width is one of its side lobes."""
_UNSURE = 0.25
"""Error of the place, in widths of the peak, above which there is none."""


@dataclass(frozen=True, eq=False)
class GapPeak:
    """Peak of the flux over the gap.

    Attributes
    ----------
    gap_mm, sigma_mm : float
        Where it is, and its standard error from the counts, or their scatter where that is larger.
    counts_per_s_ma : float
        Light there, for each second and mA of ring current.
    fwhm_mm : float
        Width.
    """

    gap_mm: float
    sigma_mm: float
    counts_per_s_ma: float
    fwhm_mm: float

    def curve(self, gap_mm: FloatArray) -> FloatArray:
        """Light at gaps, as fitted."""
        return _line(gap_mm, self.gap_mm, self.fwhm_mm, self.counts_per_s_ma)


def gap_peak(
    gap_mm: ArrayLike, counts: ArrayLike, charge_s_ma: ArrayLike, *, harmonic_fwhm_mm: float
) -> GapPeak:
    """Fit the top of the flux curve.

    The light of a harmonic of N periods follows sinc^2(n N (E / E_n - 1)), and E_n is as good as linear in
    the gap over one peak. Energy spread, divergence and apertures broaden the peak and pull at its foot, so
    its width is fitted too and only its top half counts.

    Parameters
    ----------
    gap_mm, counts : (n,)
        Gaps in any order, and the counts of the beam monitor.
    charge_s_ma : (n,) or float
        Counting time times ring current.
    harmonic_fwhm_mm : float
        Width of the harmonic itself: what is much narrower is a side lobe.

    Raises
    ------
    CalibrationError
        Too few gaps, no light, no peak, a side lobe, or a peak at the end of the scan.
    """
    gap, light, sigma = _checked(gap_mm, counts, charge_s_ma)
    best = _best(gap, light)
    top = _top(gap, light, best)
    if np.unique(gap[top]).size < _FEWEST:
        raise CalibrationError(
            f"gap scan: wanted {_FEWEST} or more gaps at the top of the peak, found "
            f"{np.unique(gap[top]).size} at {best:.4f} mm; scan in finer steps or count longer"
        )
    start = (best, harmonic_fwhm_mm, float(light.max()))
    (at, fwhm, most), error = _fitted(gap[top], light[top], sigma[top], start)
    peak = GapPeak(at, error, most, abs(fwhm))
    if not (gap.min() < at < gap.max() and error < _UNSURE * peak.fwhm_mm):
        raise CalibrationError(
            f"gap scan: the light has no clear peak from {gap.min():.4f} to {gap.max():.4f} mm; scan further "
            "or count longer"
        )
    if peak.fwhm_mm < _NARROW * harmonic_fwhm_mm:
        raise CalibrationError(
            f"gap scan: the peak at {at:.4f} mm is {1e3 * peak.fwhm_mm:.1f} um wide, wanted "
            f"{1e3 * harmonic_fwhm_mm:.1f} um or more: a side lobe of the harmonic; scan further"
        )
    return peak


def _checked(
    gap_mm: ArrayLike, counts: ArrayLike, charge_s_ma: ArrayLike
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Gaps, light, and its standard error from the counts."""
    gap, number = np.asarray(gap_mm, float), np.asarray(counts, float)
    charge = np.broadcast_to(np.asarray(charge_s_ma, float), number.shape)
    if gap.ndim != 1 or gap.shape != number.shape or np.unique(gap).size < _FEWEST:
        raise CalibrationError(
            f"gap scan: wanted {_FEWEST} or more gaps, and counts for each, found {gap.shape} gaps and "
            f"{number.shape} counts"
        )
    if not (np.isfinite(gap) & np.isfinite(number) & (charge > 0)).all() or number.max() <= 0:
        raise CalibrationError("gap scan: wanted light in the beam monitor, found none; is it in the beam?")
    return gap, number / charge, np.sqrt(np.maximum(number, 1.0)) / charge


def _best(gap: FloatArray, light: FloatArray) -> float:
    """Gap of most light."""
    best = float(gap[np.argmax(light)])
    if best in (gap.min(), gap.max()):
        raise CalibrationError(
            f"gap scan: most light is at the end of the scan, {best:.4f} mm; scan further beyond it"
        )
    return best


def _top(gap: FloatArray, light: FloatArray, best: float) -> np.ndarray:
    """Points between the gaps on both sides of the best at which the light first falls below the top."""
    low = light < _TOP * light.max()
    below, above = gap[low & (gap < best)], gap[low & (gap > best)]
    if below.size == 0 or above.size == 0 or light.min() > _FOOT * light.max():
        raise CalibrationError(
            f"gap scan: wanted the light to fall on both sides of the most, at {best:.4f} mm, to less than "
            f"{_FOOT:g} of it, found it not to do so from {gap.min():.4f} to {gap.max():.4f} mm; scan further"
        )
    return np.asarray((gap > below.max()) & (gap < above.min()))


def _line(gap: FloatArray, at: float, fwhm: float, most: float) -> FloatArray:
    return np.asarray(most * np.sinc(SINC_FWHM * (gap - at) / fwhm) ** 2)


def _fitted(
    gap: FloatArray, light: FloatArray, sigma: FloatArray, start: tuple[float, float, float]
) -> tuple[tuple[float, float, float], float]:
    """Place, width and height of the peak, and the error of its place."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OptimizeWarning)  # the error is infinite then
            values, covariance = curve_fit(_line, gap, light, start, sigma, absolute_sigma=True)
    except RuntimeError as failure:
        raise CalibrationError(
            f"gap scan: no peak can be fitted at {start[0]:.4f} mm; scan in finer steps or count longer"
        ) from failure
    scatter = np.sum(((light - _line(gap, *values)) / sigma) ** 2) / max(gap.size - 3, 1)
    error = float(np.sqrt(covariance[0, 0] * max(scatter, 1.0)))
    return (float(values[0]), float(values[1]), float(values[2])), error
