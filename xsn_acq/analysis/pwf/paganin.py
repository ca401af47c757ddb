"""A first guess of a field from what the sample does to the mean light, speckle or not.

Of one material T = F^-1[F(I / I_ref) / (1 + pi lambda L k^2 / c)] is exp(2 c phi): Paganin et al., J.
Microsc. 206, 33 (2002); doi:10.1046/j.1365-2818.2002.01010.x.
"""

from typing import Any

import numpy as np
import scipy.fft

from xsn_acq.analysis.pwf.forward import SpeckleOptics
from xsn_acq.analysis.pwf.grid import Grid
from xsn_acq.optics.arrays import FloatArray

_RANGE = (0.02, 2.0)
"""Ratios of intensity beyond these come from single dark speckles."""


def paganin(
    optics: SpeckleOptics, grid: Grid, images: FloatArray, references: FloatArray, beta_over_delta: float
) -> FloatArray:
    """Phase (Ny, Nx) of a sample of one material, on the padded field.

    Parameters
    ----------
    optics : SpeckleOptics
    grid : Grid
    images, references : (K, ny, nx)
        With sample and without, of the same diffuser positions; what is not finite counts as untouched.
    beta_over_delta : float
        Above 0.

    Returns
    -------
    float64 (Ny, Nx)
    """
    distance = optics.sample_to_diffuser_m + optics.diffuser_to_scintillator_m
    with np.errstate(divide="ignore", invalid="ignore"):
        each = np.asarray(images, float) / references
    ratio = np.clip(np.where(np.isfinite(each), each, 1.0), *_RANGE).mean(axis=0)
    response = 1 + np.pi * optics.wavelength_m * distance * grid.frequency() ** 2 / beta_over_delta
    smooth: Any = scipy.fft.irfft2(scipy.fft.rfft2(grid.extend(ratio)) / response, grid.padded)
    return np.asarray(np.log(np.maximum(smooth, _RANGE[0])) / (2 * beta_over_delta))
