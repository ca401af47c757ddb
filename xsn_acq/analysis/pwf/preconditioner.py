"""How stiff the objective is at each spatial frequency, from random probes.

A speckle image tells the slope of the phase, not the phase: the Hessian grows as k^2, and a step without
regard to it takes slow phase forever (paper, Eqs. 6-11). Beyond k^2 there are the absorption, the phase
contrast of free space and the blur of partial coherence. All of it is in the mean of conj(z^) (H z)^ over
rings of frequency, z noise and H the Gauss-Newton Hessian; of two variables a 2 x 2 block. The
noise falls as 1 / k: white noise would swamp the soft low frequencies with what stiff ones spill over.
"""

from typing import Any

import numpy as np
import scipy.fft

from xsn_acq.analysis.pwf.forward import Data
from xsn_acq.analysis.pwf.objective import Objective

_PROBES = 4
_LEAST = 1e-6
"""Least curvature, in parts of the largest: what no image shows is not moved far."""


class Preconditioner:
    """Divides a gradient by the Hessian that was probed, prior included.

    Parameters
    ----------
    objective : Objective
    data : Data
        Its weights are used.
    wave : complex (Ny, Nx)
        The sample at which the Hessian is probed.
    seed : int
        Of the probes.
    """

    def __init__(self, objective: Objective, data: Data, wave: Any, *, seed: int = 0) -> None:
        model = objective.model
        self._fourier = model.fourier
        self._shape = model.grid.padded
        stiffness = probed(objective, data, wave, seed)
        prior = objective.mu * objective.bend**2
        count = len(stiffness)
        whole = stiffness + np.eye(count)[:, :, None, None] * prior
        self.degrees_of_freedom = _degrees(stiffness, whole, self._shape)
        self._inverse = model.array(_inverse(whole))

    def __call__(self, gradient: Any) -> Any:
        """Step (V, Ny, Nx) against which a gradient (V, Ny, Nx) is to be taken."""
        xp = self._fourier.xp
        spectra = self._fourier.rfft2(gradient)
        count = spectra.shape[0]
        steps = [
            sum(self._inverse[row, column, ...] * spectra[column, ...] for column in range(count))
            for row in range(count)
        ]
        return self._fourier.irfft2(xp.stack(steps), self._shape)


def probed(objective: Objective, data: Data, wave: Any, seed: int) -> np.ndarray:
    """Return Hessian blocks (V, V, Ny, Nx // 2 + 1) of the loss, float64, means over rings of frequency."""
    model, rng = objective.model, np.random.default_rng(seed)
    directions = objective.assumption.directions
    count, (ny, nx) = len(directions), model.grid.padded
    ring = _rings((ny, nx))
    total = np.zeros((count, count, ring.max() + 1))
    power = np.zeros((count, ring.max() + 1))
    for _ in range(_PROBES):
        for column, direction in enumerate(directions):
            white = scipy.fft.rfft2(rng.normal(size=(ny, nx)))
            probe = scipy.fft.irfft2(white / np.maximum(ring, 1), (ny, nx))
            change = model.array(direction * probe)
            slope = objective.along(model.curvature(wave, objective.diffusers, data, change))
            before = scipy.fft.rfft2(probe)
            after = scipy.fft.rfft2(model.fourier.numpy(slope).astype(float))
            power[column] += np.bincount(ring.ravel(), (np.abs(before) ** 2).ravel())
            for row in range(count):
                product = (before.conj() * after[row]).real
                total[row, column] += np.bincount(ring.ravel(), product.ravel())
    blocks = total / power
    blocks = 0.5 * (blocks + blocks.transpose(1, 0, 2))
    return np.asarray(blocks[:, :, ring])


def _rings(shape: tuple[int, int]) -> np.ndarray:
    """Number of the ring of each frequency of ``rfft2``, one step of the coarser axis wide."""
    v, u = scipy.fft.fftfreq(shape[0]), scipy.fft.rfftfreq(shape[1])
    return np.asarray(np.rint(np.hypot(v[:, None], u) * min(shape)), int)


def _inverse(blocks: np.ndarray) -> np.ndarray:
    """Inverse of each block, curvatures raised to the least that is allowed."""
    values, vectors = np.linalg.eigh(np.moveaxis(blocks, (0, 1), (-2, -1)))
    values = np.maximum(values, _LEAST * values.max())
    inverse = np.einsum("...ij,...j,...kj->...ik", vectors, 1 / values, vectors)
    return np.ascontiguousarray(np.moveaxis(inverse, (-2, -1), (0, 1)))


def _degrees(stiffness: np.ndarray, whole: np.ndarray, shape: tuple[int, int]) -> float:
    """Numbers that the data determine: trace of H (H + R)^-1 over all frequencies."""
    inverse = _inverse(whole)
    share = np.einsum("ijyx,jiyx->yx", stiffness, inverse).clip(0, len(stiffness))
    twice = np.full(share.shape[1], 2.0)
    twice[0] = 1.0
    if shape[1] % 2 == 0:
        twice[-1] = 1.0
    return float(np.sum(share * twice))
