"""The knife-edge curve from a scan of the cutoff filter across the pupil (Hugonnet et al., Eq. 6)."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import ArrayLike, NDArray
from scipy import optimize

from xsn_acq.analysis.calibration.density import Density, fit_density
from xsn_acq.errors import CalibrationError
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.knife_edge import KnifeEdge

Side = Literal["positive", "negative"]

_FEWEST = 15
"""Different positions that a curve needs."""
_MOST_NODES = 161
_ROUNDS = 4
_DRIFT_ORDER = 3
_DRIFT = 0.005
"""How far the light is expected to drift: without this bound the drift would borrow from the curve."""
_END = 0.04
"""Part of the scan, at each end, in which nothing may happen any more."""
_UNSEEN = 0.005
"""Light that may arrive in that part."""
_OUTLIER, _FAR_OFF = 6.0, 0.01
"""So many standard deviations, and such a part of all light, a point must lie off to be left out."""
_WEIGHTLESS = 1e3
_MOST_OUT = 0.1
_ROUNDING = 1e-9
_SCATTER = 1e-3
"""Noise in proportion to the light, for a start."""
_FAINTEST = 0.01
"""Below this fraction of the light, noise in proportion to it falls no further."""
_STEADY = 0.02
"""Scatter about a falling curve, as a fraction of all light, that no drift or noise explains."""


@dataclass(frozen=True, eq=False)
class KnifeEdgeResult:
    """What a scan of the cutoff filter says about the illumination.

    Attributes
    ----------
    curve : KnifeEdge
        Fraction that passes with the positive side open.
    sigma : (n,)
        Its standard error, at ``curve.frequency_per_m``.
    density_frequency_per_m, density, density_sigma : (m,)
        Density of the illumination I_k, integral 1, in metres (per cycle per metre), and standard error.
    edge_per_m, edge_sigma_per_m : float
        Where half of the light passes.
    stray_fraction : float
        Part of the light that no position of the edge blocks.
    drift : (k,)
        Relative change of the light over the scan that was taken out, for each point in the order given.
    used : (k,)
        False for points far off the curve, which were left out.
    """

    curve: KnifeEdge
    sigma: FloatArray
    density_frequency_per_m: FloatArray
    density: FloatArray
    density_sigma: FloatArray
    edge_per_m: float
    edge_sigma_per_m: float
    stray_fraction: float
    drift: FloatArray
    used: NDArray[np.bool_]


def knife_edge_curve(
    frequency_per_m: ArrayLike, counts: ArrayLike, sigma: ArrayLike, *, passes: Side, most_stray: float = 0.1
) -> KnifeEdgeResult:
    """Fit the illumination's density to a scan of the cutoff filter, and with it the knife-edge curve.

    The counts are modelled as (1 + drift) (stray + light on the open side). The density is never negative, so
    the curve is monotone, and as smooth as the noise asks for (generalised cross-validation): no shape is
    assumed. The drift is a cubic in the order of the points; a scan there and back tells it from the curve,
    a scan one way does not. Noise beyond ``sigma`` is taken to be proportional to the light; points far off
    are left out.

    Parameters
    ----------
    frequency_per_m : (k,)
        Edge of the cutoff filter, cycles per metre at the sample, in the order of the scan; repeats allowed.
    counts, sigma : (k,)
        Mean background above dark for each mA of ring current, and its standard error, above 0.
    passes : "positive" or "negative"
        Side of the edge that is open.
    most_stray : float
        Fraction of the light that may pass the closed filter.

    Raises
    ------
    CalibrationError
        Too few points, an end not reached, a curve that does not fall, too much stray light.
    """
    kappa, light, error = _checked(frequency_per_m, counts, sigma, passes)
    scale = float(np.max(light))
    light, error = light / scale, error / scale
    # the fit knows one side only: with the negative side open it sees the mirrored illumination
    seen = kappa if passes == "positive" else -kappa
    fit, drift, used = _fitted(seen, light, error)
    _require_steady(fit, kappa, light / (1 + drift), used)
    _require_ends(fit, kappa)
    if fit.floor > most_stray:
        raise CalibrationError(
            f"knife edge: with the filter closed {fit.floor:.1%} of the light passes, wanted below "
            f"{most_stray:.0%}; is the filter in the pupil's plane, and does it move across it?"
        )
    return _result(fit, drift, used, mirrored=passes == "negative")


def _checked(
    frequency_per_m: ArrayLike, counts: ArrayLike, sigma: ArrayLike, passes: Side
) -> tuple[FloatArray, FloatArray, FloatArray]:
    kappa, light, error = (np.asarray(values, dtype=float) for values in (frequency_per_m, counts, sigma))
    if kappa.ndim != 1 or kappa.shape != light.shape or kappa.shape != error.shape:
        shapes = f"{kappa.shape}, {light.shape} and {error.shape}"
        raise CalibrationError(f"knife edge: frequency, counts and sigma must be equal lists, found {shapes}")
    if not (np.isfinite(kappa).all() and np.isfinite(light).all() and np.isfinite(error).all()):
        raise CalibrationError("knife edge: frequency, counts and sigma must be finite numbers")
    if not (error > 0).all():
        raise CalibrationError(f"knife edge: sigma must be above 0, found {error.min():.3g}")
    different = np.unique(kappa).size
    if different < _FEWEST:
        raise CalibrationError(
            f"knife edge: wanted {_FEWEST} or more positions of the edge, found {different}"
        )
    trend = np.cov(kappa, light)[0, 1] * (-1 if passes == "positive" else 1)
    if trend <= 0:
        way = "falls" if passes == "positive" else "rises"
        raise CalibrationError(
            f"knife edge: with the {passes} side open the light {way} as the edge moves up, found the "
            "opposite; does the blade enter from the other side (geometry.cutoff_passes)?"
        )
    return kappa, light, error


def _fitted(
    seen: FloatArray, light: FloatArray, error: FloatArray
) -> tuple[Density, FloatArray, NDArray[np.bool_]]:
    """Fit, leave out the worst point as long as it lies far off, and fit again: it bends its neighbours."""
    used = np.ones(light.size, bool)
    while True:
        fit, drift = _settled(seen, light, error, used)
        off = np.where(used, np.abs(light / (1 + drift) - fit.model), 0.0)
        worst = int(np.argmax(off))
        scatter = 1.48 * float(np.median(off[used]))
        if off[worst] < max(_FAR_OFF, _OUTLIER * scatter) or used.mean() < 1 - _MOST_OUT:
            return fit, drift, used
        used[worst] = False


def _settled(
    seen: FloatArray, light: FloatArray, error: FloatArray, used: NDArray[np.bool_]
) -> tuple[Density, FloatArray]:
    """Density, drift and noise in turn: each is better known when the others are."""
    nodes = np.linspace(seen.min(), seen.max(), min(2 * np.unique(seen).size - 1, _MOST_NODES))
    start = np.hypot(error, _SCATTER * np.maximum(light, _FAINTEST))
    fit = fit_density(nodes, seen, light, np.where(used, start, _WEIGHTLESS))
    drift = np.zeros_like(light)
    for _ in range(_ROUNDS):
        noise = _with_proportional(light / (1 + drift), fit, error, used)
        drift = _drift(light, fit.model, noise)
        fit = fit_density(nodes, seen, light / (1 + drift), noise, smoothness=fit.smoothness)
    return fit_density(nodes, seen, light / (1 + drift), noise), drift


def _with_proportional(
    light: FloatArray, fit: Density, error: FloatArray, used: NDArray[np.bool_]
) -> FloatArray:
    """``error`` and so much noise in proportion to the light that the points scatter as they do.

    Points that are not used get a noise that leaves them without weight.
    """
    square, level = (light - fit.model) ** 2, np.maximum(fit.model, _FAINTEST)
    wanted = max(float(used.sum()) - fit.freedom, 1.0)

    def too_wide(relative: float) -> float:
        return float(np.sum((square / (error**2 + (relative * level) ** 2))[used])) - wanted

    relative = optimize.brentq(too_wide, 0.0, 1 / _FAINTEST) if too_wide(0.0) > 0 else 0.0
    return np.where(used, np.hypot(error, relative * level), _WEIGHTLESS)


def _drift(light: FloatArray, model: FloatArray, noise: FloatArray) -> FloatArray:
    """Relative change of the light over the scan, a bounded cubic in the order of the points."""
    powers = legendre.legvander(np.linspace(-1, 1, light.size), _DRIFT_ORDER)[:, 1:]
    equations = np.vstack([powers * (model / noise)[:, None], np.eye(_DRIFT_ORDER) / _DRIFT])
    wanted = np.concatenate([(light - model) / noise, np.zeros(_DRIFT_ORDER)])
    drift: FloatArray = powers @ np.linalg.lstsq(equations, wanted, rcond=None)[0]
    return drift


def _require_steady(fit: Density, kappa: FloatArray, light: FloatArray, used: NDArray[np.bool_]) -> None:
    off = light - fit.model
    worst = int(np.argmax(np.abs(off)))
    if np.sqrt(np.mean(off[used] ** 2)) > _STEADY or used.mean() < 1 - _MOST_OUT:
        raise CalibrationError(
            f"knife edge: the light does not change steadily across the scan: off by {off[worst]:+.1%} at "
            f"{kappa[worst] * 1e-6:.3f} per um; is the beam stable and the sample out of it?"
        )


def _require_ends(fit: Density, kappa: FloatArray) -> None:
    """Refuse a scan at whose ends light is still being cut or let in."""
    low, high = float(fit.nodes[0]), float(fit.nodes[-1])
    margin = _END * (high - low)
    ends = ((fit.within(low, low + margin), "open"), (fit.within(high - margin, high), "closed"))
    for share, what in ends:
        if share > _UNSEEN:
            scan = f"{kappa.min() * 1e-6:.3f} to {kappa.max() * 1e-6:.3f} per um"
            raise CalibrationError(
                f"knife edge: the scan from {scan} ends before the filter is {what}: {share:.1%} of the "
                f"light in its last {_END:.0%}, wanted below {_UNSEEN:.1%}; scan further"
            )


def _result(fit: Density, drift: FloatArray, used: NDArray[np.bool_], *, mirrored: bool) -> KnifeEdgeResult:
    nodes, density, density_sigma = fit.nodes, fit.value, fit.value_sigma
    transmitted, sigma = fit.above, fit.above_sigma
    if mirrored:
        nodes, density, density_sigma = -nodes[::-1], density[::-1], density_sigma[::-1]
        transmitted, sigma = 1 - transmitted[::-1], sigma[::-1]
    inside = _from_one_to_zero(transmitted)
    edge = float(np.interp(-0.5, -transmitted, nodes))
    return KnifeEdgeResult(
        curve=KnifeEdge(nodes[inside], _exact_ends(transmitted[inside])),
        sigma=sigma[inside],
        density_frequency_per_m=nodes,
        density=density,
        density_sigma=density_sigma,
        edge_per_m=edge,
        edge_sigma_per_m=float(np.interp(edge, nodes, sigma) / np.interp(edge, nodes, density)),
        stray_fraction=fit.floor,
        drift=drift,
        used=used,
    )


def _from_one_to_zero(transmitted: FloatArray) -> slice:
    """From the last node at 1 to the first one at 0, to rounding; all where an end is not reached."""
    whole, none = np.flatnonzero(transmitted > 1 - _ROUNDING), np.flatnonzero(transmitted < _ROUNDING)
    return slice(int(whole[-1]) if whole.size else 0, int(none[0]) + 1 if none.size else transmitted.size)


def _exact_ends(transmitted: FloatArray) -> FloatArray:
    curve = np.minimum.accumulate(np.clip(transmitted, 0.0, 1.0))
    curve[0], curve[-1] = 1.0, 0.0
    return curve
