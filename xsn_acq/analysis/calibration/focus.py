"""Where the zone plate shows the sample sharp."""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike

from xsn_acq.analysis.least_squares import least_squares
from xsn_acq.errors import CalibrationError
from xsn_acq.optics.arrays import FloatArray

_FEWEST = 5
_SMALLEST = 32
_CONE = 0.5
"""Frequencies with |v| up to this many times |u|: across the cutoff's edge, where one sideband passes."""
_EMPTY = 0.45
"""Beyond this, in cycles per pixel along both axes, there is noise only."""
_NEAR = 0.5
"""Points with at least this fraction of the best sharpness take part in the fit."""
_UNSURE = 0.25
"""Relative error of the curvature above which there is no peak."""


@dataclass(frozen=True, eq=False)
class FocusResult:
    """Best focus.

    Attributes
    ----------
    z_mm, sigma_mm : float
        Position of the zone plate, and its standard error from the scatter of the sharpness.
    sharpness : (n_z,)
        Power of the fine details without the noise, 1 at best.
    """

    z_mm: float
    sigma_mm: float
    sharpness: FloatArray


def best_focus(
    z_mm: ArrayLike, images: ArrayLike, *, band: tuple[float, float] = (0.18, 0.26)
) -> FocusResult:
    """Find the best focus of images with the cutoff filter in the light.

    With two sidebands a phase sample has the least contrast in focus. The filter leaves one of them for
    frequencies across its edge that are higher than the illumination's half width: their power does not
    oscillate with defocus, it is highest in focus and falls on both sides as the light's directions move the
    image apart. A parabola is fitted to its logarithm. What bends the light as a lens does, a large smooth
    particle, moves the peak by up to half a depth of focus; less when the filter's edge stands a little
    towards open.

    Parameters
    ----------
    z_mm : (n_z,)
        Five or more positions of the zone plate, in any order, reaching some depths of focus to both sides.
    images : (n_z, ny, nx) or (n_z, n_frames, ny, nx)
        Divided by the flat, the cutoff's edge along y. With two or more frames at each z the noise drops out
        of their cross spectrum; with one it is taken from the highest frequencies. Four to eight frames of
        5000 photons in a pixel show weak samples.
    band : (low, high)
        Frequencies along x that count, cycles per pixel; 4.8 to 7 per um for a pixel of 37 nm.

    Raises
    ------
    CalibrationError
        Too few images, no peak, or a peak at the end of the scan.
    """
    z, frames = _checked(z_mm, images)
    power = np.array([_detail_power(group, band) for group in frames])
    if power.max() <= 0:
        raise CalibrationError("focus scan: no details above the noise; is there a sample in the field?")
    sharpness = power / power.max()
    position, sigma = _peak(z, sharpness)
    return FocusResult(position, sigma, sharpness)


def _checked(z_mm: ArrayLike, images: ArrayLike) -> tuple[FloatArray, FloatArray]:
    z, frames = np.asarray(z_mm, dtype=float), np.asarray(images, dtype=float)
    if frames.ndim == 3:
        frames = frames[:, None]
    if frames.ndim != 4 or z.shape != frames.shape[:1]:
        raise CalibrationError(
            f"focus scan: wanted an image for each of {z.size} positions, found {np.shape(images)}"
        )
    if np.unique(z).size < _FEWEST:
        raise CalibrationError(f"focus scan: wanted {_FEWEST} or more positions, found {np.unique(z).size}")
    if min(frames.shape[-2:]) < _SMALLEST:
        raise CalibrationError(
            f"focus scan: wanted {_SMALLEST} x {_SMALLEST} pixels or more in an image, found "
            f"{frames.shape[-2:]}"
        )
    if not np.isfinite(frames).all():
        raise CalibrationError("focus scan: the images must be finite; is there a dead pixel in the flat?")
    return z, frames


def _detail_power(frames: FloatArray, band: tuple[float, float]) -> float:
    """Mean power of the details of one place, (n_frames, ny, nx), its noise taken off."""
    number, ny, nx = frames.shape
    window = np.outer(np.hanning(ny), np.hanning(nx))
    level = frames.mean(axis=(1, 2), keepdims=True)
    spectra = scipy.fft.rfft2((frames / level - 1) * window)
    v, u = np.abs(scipy.fft.fftfreq(ny))[:, None], scipy.fft.rfftfreq(nx)
    inside = (u >= band[0]) & (u <= band[1]) & (v <= _CONE * u)
    alone = np.sum(np.abs(spectra) ** 2, axis=0)
    if number == 1:
        return float(alone[inside].mean() - alone[(u > _EMPTY) & (v > _EMPTY)].mean())
    together = np.abs(spectra.sum(axis=0)) ** 2
    return float((together - alone)[inside].mean() / (number * (number - 1)))


def _peak(z: FloatArray, sharpness: FloatArray) -> tuple[float, float]:
    """Vertex of a parabola through the logarithm near the best point, and its standard error."""
    best = float(z[np.argmax(sharpness)])
    if best in (z.min(), z.max()):
        raise CalibrationError(
            f"focus scan: the sharpest image is the one at the end of the scan, {best:.4f} mm; scan beyond "
            "it, with the filter's edge in the light"
        )
    near = sharpness >= _NEAR
    if np.unique(z[near]).size < _FEWEST:
        raise CalibrationError(
            f"focus scan: only {np.unique(z[near]).size} positions are near the focus at {best:.4f} mm, "
            f"wanted {_FEWEST} or more; scan in finer steps or further, or take more frames at each"
        )
    span = np.ptp(z[near])
    away = (z[near] - best) / span
    parabola = np.stack([away**2, away, np.ones_like(away)], axis=1)
    (bend, slope, _), covariance = least_squares(parabola, np.log(sharpness[near]), sharpness[near] ** 2)
    vertex = -slope / (2 * bend)
    if np.sqrt(covariance[0, 0]) > _UNSURE * -bend or not z.min() < best + vertex * span < z.max():
        raise CalibrationError(
            f"focus scan: the sharpness has no clear peak from {z.min():.4f} to {z.max():.4f} mm; is the "
            "filter's edge in the light and a sample with fine details in the field? take more frames or "
            "scan further"
        )
    gradient = np.array([-vertex / bend, -0.5 / bend])
    sigma = np.sqrt(gradient @ covariance[:2, :2] @ gradient)
    return best + float(vertex * span), float(sigma * span)
