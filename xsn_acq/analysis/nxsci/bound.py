"""What the TXM image allows: no element below nothing, all together no more than was absorbed."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from xsn_acq.analysis.nxsci.forward import forward
from xsn_acq.analysis.nxsci.problem import Sweep
from xsn_acq.optics.arrays import FloatArray

_MUCH = 10.0
"""A constant is known so much better than the counts."""


def absorbance_per_count(sweep: Sweep, absorbance: FloatArray) -> FloatArray:
    """Absorbance of a unit of each element's map, c: A a = sum_e c_e y_e + b, all 0 or more.

    The patterns see the absorbance as they see the maps, so no calibration of the detector is needed. b
    stands for matter without a line among these elements. The noise of the counts would make c too small; it
    is known, and taken out of their second moments (Fuller, Measurement Error Models, 1987). Counts are taken
    in parts of their noise, so that an element which is hardly there makes the others no less sure.

    Parameters
    ----------
    sweep : Sweep
    absorbance : (ny, nx)

    Returns
    -------
    (E,)
    """
    seen = forward(sweep.patterns, absorbance[None])[0]
    noise = np.sqrt(np.mean(sweep.sigma**2, axis=1))
    counts = sweep.counts / noise[:, None]
    constant = _MUCH * max(1.0, float(np.abs(counts).mean(axis=1).max()))
    columns = np.concatenate([counts, np.full((1, len(seen)), constant)])
    of_noise = np.append(np.ones(len(counts)), 0.0)
    values, vectors = np.linalg.eigh(columns @ columns.T / len(seen) - np.diag(of_noise))
    unsure = np.sqrt(2 / len(seen))  # how well so many patterns tell the noise's second moment, 1
    roots = np.sqrt(np.maximum(values, unsure))
    found, _ = nnls(roots[:, None] * vectors.T, vectors.T @ (columns @ seen) / len(seen) / roots)
    return np.asarray(found[:-1] / noise)


@dataclass(frozen=True, eq=False)
class AbsorptionBound:
    """Non-negative values whose absorbance stays below the image's, softly: its noise is allowed.

    Attributes
    ----------
    absorbance : (M,)
    sigma : (M,)
    per_value : (E,)
        Absorbance of a unit of v.
    """

    absorbance: FloatArray
    sigma: FloatArray
    per_value: FloatArray

    def __call__(self, values: FloatArray, penalty: float) -> FloatArray:
        """Nearest allowed: min penalty/2 |v - values|^2 + 1/2 ((sum_e c_e v_e - a)_+ / sigma)^2, v >= 0.

        v_e = (values_e - t c_e)_+, where t is the root of a falling function made of straight pieces: Newton
        from the left meets it after one step for each piece.
        """
        c = self.per_value[:, None]
        soft = penalty * self.sigma**2
        t = np.zeros(values.shape[1])
        for _ in range(len(values) + 1):
            left = np.maximum(0.0, values - t * c)
            excess = np.sum(c * left, axis=0) - self.absorbance - soft * t
            slope = np.sum(c**2 * (left > 0), axis=0) + soft
            t = np.maximum(0.0, t + excess / slope)
        return np.maximum(0.0, values - t * c)


def non_negative(values: FloatArray, penalty: float) -> FloatArray:
    """Nearest values that are 0 or more."""
    return np.maximum(0.0, values)
