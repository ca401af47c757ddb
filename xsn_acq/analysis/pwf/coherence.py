"""Coherence lengths of the light at the detector, from the speckle of the diffuser alone.

A speckle finer than the blur has g2 - 1 = exp[-pi (dx^2 / x_coh^2 + dy^2 / y_coh^2)] (Siegert's relation,
Eq. 3 of the third paper). Its transform, the power spectrum, is fitted instead: white noise, which is g2's
peak at zero, is a constant there, the beam's slow structure stays below the lowest frequency used, and the
speckle's own spectrum S, which is not white (see `xsn_acq.analysis.pwf.speckle_spectrum`), is a factor:

    power = S(k) exp[-pi (u^2 x_coh^2 + v^2 y_coh^2)] + noise.

The strength of the contrast tells the grains' phase, the shape at low frequencies their size. The likelihood
is that of a periodogram, whose values scatter as much as they are large (Whittle, Ark. Mat. 2, 423 (1953);
doi:10.1007/BF02590998).
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from xsn_acq.analysis.pwf.periodogram import ALIKE, LEAST_SIDE, Periodogram, periodogram
from xsn_acq.analysis.pwf.speckle_spectrum import SILICON_CARBIDE, GrainScreen, speckle_spectrum
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.coherence import CoherenceLengths
from xsn_acq.units import UM

_LEAST_SIGNAL = 1.0
"""Power of the speckle over that of the noise below which there is none."""
_MOST_ERROR = 0.1
_START_M = 3.5e-6
_START_SCREEN = GrainScreen(1.5, 5e-6, steep=0.3)
_LOOSE = 1.0
"""What is known of the grains' shape beforehand: standard deviation of the logit of the steep share."""
_FREQUENCIES = 32
_DERIVATIVE_STEP = 0.02
_MOST_STEPS = 60
_LARGEST_STEP = 0.4
"""Of a logarithm."""
_STILL = 0.01
"""Gain in the logarithm of the likelihood below which the fit is done."""
_RINGS = 24
_ROUNDING = 1e-9
"""A parameter that the data do not know, as the noise of an image without any, stays where it is."""


@dataclass(frozen=True)
class CoherenceFit:
    """What the reference speckle tells.

    Attributes
    ----------
    lengths : CoherenceLengths
        Of all that blurs together: source, scintillator, lens and pixel.
    errors_m : (x, y)
        Standard errors, of chance; the model of the grains adds up to 2 %.
    contrast : float
        Standard deviation over mean of the speckle, without the noise.
    noise : float
        Standard deviation over mean of the noise of the mean reference.
    misfit : float
        Rms over rings of frequency of measured over fitted power, less 1.
    screen : GrainScreen or None
        The diffuser; None where the speckle was taken for white.
    """

    lengths: CoherenceLengths
    errors_m: tuple[float, float]
    contrast: float
    noise: float
    misfit: float
    screen: GrainScreen | None


def coherence_lengths(
    references: ArrayLike,
    pixel_m: float,
    *,
    wavelength_m: float | None = None,
    distance_m: float | None = None,
    diffuser_beta_over_delta: float = SILICON_CARBIDE,
) -> CoherenceFit:
    """Measure the coherence lengths.

    Parameters
    ----------
    references : real (n, ny, nx) or (ny, nx)
        Dark-subtracted and over the flat, the diffuser in one place; the mean of n is taken. At full
        resolution: pooled 2 x 2 the lengths are within 3 %, beyond the pixels hide the blur, see
        `xsn_acq.optics.coherence.pooled_lengths`.
    pixel_m : float
    wavelength_m, distance_m : float, optional
        Distance from the diffuser to the detector. Left out, the speckle is taken for white, as in the paper:
        behind grains of 3 to 10 um, 20 mm at 10 keV, lengths of 3 to 4 um come out 3 to 7 % too large.
    diffuser_beta_over_delta : float
        Of its grains.

    Raises
    ------
    ReconstructionError
        The frames are too small or hold values that are not finite; there is no speckle, or too little.
    """
    data = periodogram(_mean(references), pixel_m)
    if not data.signal_to_noise > _LEAST_SIGNAL:
        raise ReconstructionError(
            "coherence lengths: wanted speckle above the noise in the references, found "
            f"{data.signal_to_noise:.2f} times the noise's power; is the diffuser in the beam?"
        )
    if wavelength_m is None or distance_m is None:
        found = _fitted(data, _White(data))
    else:
        found = _fitted(data, _Grains(data, (wavelength_m, distance_m), diffuser_beta_over_delta))
    _check_error(found)
    return found


def _check_error(found: CoherenceFit) -> None:
    lengths, errors = (found.lengths.x_m, found.lengths.y_m), found.errors_m
    if not all(error < _MOST_ERROR * length for length, error in zip(lengths, errors, strict=True)):
        values = " and ".join(f"{a / UM:.2f} +- {b / UM:.2f}" for a, b in zip(lengths, errors, strict=True))
        raise ReconstructionError(
            f"coherence lengths: wanted errors under {_MOST_ERROR:.0%}, found {values} um at a contrast of "
            f"{found.contrast:.1%}; take more references, or a diffuser with more contrast"
        )


def _mean(references: ArrayLike) -> FloatArray:
    frames = np.asarray(references)
    if frames.ndim not in (2, 3) or frames.size == 0 or min(frames.shape[-2:]) < LEAST_SIDE:
        raise ReconstructionError(
            f"coherence lengths: wanted references (n, ny, nx) of {LEAST_SIDE} pixels a side or more, "
            f"found shape {frames.shape}"
        )
    mean = frames.reshape(-1, *frames.shape[-2:]).mean(axis=0, dtype=float)
    if not (np.isfinite(mean).all() and mean.mean() > 0):
        raise ReconstructionError(
            "coherence lengths: wanted light and finite values in the references; repair bad pixels first"
        )
    return mean


class _Own(Protocol):
    """The speckle's own spectrum, by some parameters q; ``known`` is the inverse variance of the start."""

    start: FloatArray
    known: FloatArray

    def log_power(self, q: FloatArray) -> FloatArray:
        """Logarithm of S at the frequencies of the data."""

    def screen(self, q: FloatArray) -> GrainScreen | None:
        """Return the diffuser."""


class _White:
    """As much power at all frequencies; q is its logarithm."""

    def __init__(self, data: Periodogram) -> None:
        low = data.radius < 0.5 / _START_M
        blur = np.exp(-np.pi * _START_M**2 * (data.u2 + data.v2)[low])
        self.start = np.array([np.log(np.mean(data.power[low] / blur))])
        self.known: FloatArray = np.zeros(1)

    def log_power(self, q: FloatArray) -> FloatArray:
        return np.asarray(q[0])

    def screen(self, q: FloatArray) -> None:
        return None


class _Grains:
    """Speckle behind grains; q are the logarithms of phase and grain, and the logit of the steep share."""

    def __init__(self, data: Periodogram, way: tuple[float, float], beta_over_delta: float) -> None:
        first = _START_SCREEN
        self.start = np.log([first.phase_rad, first.grain_m, first.steep / (1 - first.steep)])
        self.known = np.array([0.0, 0.0, _LOOSE**-2])
        self._radius = data.radius
        self._k = np.linspace(self._radius.min(), self._radius.max(), _FREQUENCIES)
        self._way, self._beta_over_delta = way, beta_over_delta

    def log_power(self, q: FloatArray) -> FloatArray:
        power = speckle_spectrum(self._k, self.screen(q), *self._way)
        return np.interp(self._radius, self._k, np.log(power))

    def screen(self, q: FloatArray) -> GrainScreen:
        phase_rad, grain_m = np.exp(q[:2])
        steep = 1 / (1 + np.exp(-q[2]))
        return GrainScreen(float(phase_rad), float(grain_m), float(steep), self._beta_over_delta)


class _Point:
    """Parameters (own spectrum, logarithms of x_coh^2, y_coh^2 and noise), and what they say of the data."""

    def __init__(self, data: Periodogram, own: _Own, p: FloatArray) -> None:
        self.p, self._data, self._own = p, data, own
        self._log_power = own.log_power(p[:-3])
        x2, y2, self.noise = np.exp(p[-3:])
        self._exponents = -np.pi * np.stack([data.u2 * x2, data.v2 * y2])
        self.speckle = np.exp(self._log_power + self._exponents.sum(axis=0))
        self.model = self.speckle + self.noise
        self._off = p[:-3] - own.start
        likelihood = np.sum(np.log(self.model) + data.power / self.model) * data.tiles / ALIKE
        self.loss = float(likelihood + 0.5 * np.sum(own.known * self._off**2))

    def information(self) -> tuple[FloatArray, FloatArray]:
        """Expected information of the parameters, and the way down: minus the gradient of the loss."""
        slopes, weight = self._slopes(), self._data.tiles / ALIKE
        known = np.append(self._own.known, np.zeros(3))
        down = weight * slopes @ (self._data.power / self.model - 1)
        down[:-3] -= self._own.known * self._off
        return weight * slopes @ slopes.T + np.diag(known), down

    def _slopes(self) -> FloatArray:
        """Derivatives of the model over the model, (parameters, n)."""
        rows = []
        for i in range(self.p.size - 3):
            q = self.p[:-3].copy()
            q[i] += _DERIVATIVE_STEP
            rows.append((self._own.log_power(q) - self._log_power) / _DERIVATIVE_STEP * self.speckle)
        rows += [each * self.speckle for each in self._exponents]
        return np.stack([*rows, np.full_like(self.model, self.noise)]) / self.model


def _fitted(data: Periodogram, own: _Own) -> CoherenceFit:
    """Most likely parameters, by scoring (Levenberg-Marquardt with the expected information)."""
    start = np.concatenate([own.start, np.log([_START_M**2, _START_M**2, data.noise])])
    at, damping = _Point(data, own, start), 0.01
    for _ in range(_MOST_STEPS):
        information, down = at.information()
        better = None
        while better is None and damping < 1e6:
            held = damping * (np.diag(information) + _ROUNDING * information.max())
            step = np.linalg.solve(information + np.diag(held), down)
            tried = _Point(data, own, at.p + np.clip(step, -_LARGEST_STEP, _LARGEST_STEP))
            better = tried if tried.loss < at.loss else None
            damping *= 0.2 if better else 4.0
        if better is None or at.loss - better.loss < _STILL:
            break
        at = better
    return _result(data, own, at)


def _result(data: Periodogram, own: _Own, at: _Point) -> CoherenceFit:
    information, _ = at.information()
    covariance = np.linalg.inv(information + _ROUNDING * np.diag(np.full(at.p.size, information.max())))
    x, y = (float(np.exp(0.5 * value)) for value in at.p[-3:-1])
    x_error, y_error = (float(0.5 * e) for e in np.sqrt(np.diag(covariance))[-3:-1])
    cell = 1 / data.pixel_m**2
    return CoherenceFit(
        CoherenceLengths(x, y),
        (x * x_error, y * y_error),
        contrast=float(np.sqrt(_integral(data, data.power - at.noise))),
        noise=float(np.sqrt(at.noise * cell)),
        misfit=_misfit(data, at.model),
        screen=own.screen(at.p[:-3]),
    )


def _integral(data: Periodogram, power: FloatArray) -> float:
    """Power over the part of the plane that is used; half of it is kept."""
    from_to = (data.radius.min(), data.radius.max())
    area = np.pi * (from_to[1] ** 2 - from_to[0] ** 2)
    return max(float(power.mean() * area), 0.0)


def _misfit(data: Periodogram, model: FloatArray) -> float:
    """How far rings of equal width are off the model, rms over rings."""
    ring = np.minimum((_RINGS * data.radius / data.radius.max()).astype(int), _RINGS - 1)
    number, total = (np.bincount(ring, weights, _RINGS) for weights in (None, data.power / model))
    return float(np.sqrt(np.mean((total[number > 0] / number[number > 0] - 1) ** 2)))
