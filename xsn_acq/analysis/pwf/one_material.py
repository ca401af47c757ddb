"""Whether a sample is of one material.

Tied to the phase, absorption cannot be what the images ask for where the sample is of something else. What it
would rather be, phi left as it is, shows in the gradient by alpha, summed over many speckles with a Gaussian
weight. Of pure noise not all is left there: where the mean light tells alpha = c phi, phi gives in to it,
and only as far as the shift of speckles holds phi fast is there a misfit. The share left is
h / (h + w (c + q)^2), with w the weight of the images, h the stiffness of phi by speckles alone (their slope
times lambda L k) and q = pi lambda L k^2 the contrast of free space, at the Gaussian's frequency. The strain
is the largest sum in units of the noise so left, over the root of the number of exposures.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from xsn_acq.analysis.pwf.forward import Data
from xsn_acq.analysis.pwf.objective import Objective
from xsn_acq.optics.arrays import FloatArray

_SIGMA_M = 18e-6
STRAINED = 4.3
"""Of one material (three samples, three seeds, fields of 125 um) it was 0.8 to 2.5 at 20,000 photons, up to
3.9 at 5,000, up to 2.9 on 250 um; 4.9 and more in mixtures taken for either of their materials."""
STRAINED_OF_SEVERAL = 10.0
"""Of two exposures or more, which phase cannot all give in to: of one material up to 6.2 with three (three
samples, two seeds), by what is not known of the diffuser; 47 and more in mixtures."""


@dataclass(frozen=True)
class MaterialCheck:
    """Whether the images contradict alpha = c phi.

    Attributes
    ----------
    strain : float
        For one exposure, about 2 of one material; see the module.
    limit : float
        What speaks against one material.
    holds : bool
        The strain is below the limit.
    """

    strain: float
    limit: float = STRAINED

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against one material."""
        return self.strain < self.limit


def limit_of(exposures: int) -> float:
    """Strain that speaks against one material, with so many exposures at an angle."""
    return STRAINED if exposures < 2 else STRAINED_OF_SEVERAL


class OneMaterial:
    """Checks results of one material.

    Parameters
    ----------
    objective : Objective
        Of one material.
    data : Data
        Its weights are used.
    """

    def __init__(self, objective: Objective, data: Data) -> None:
        model = objective.model
        self._model = model
        self._sigma = _SIGMA_M / model.optics.pixel_m
        self._frequency = 1 / (2 * np.pi * _SIGMA_M)
        self._stiffness = self._of_speckles(objective.diffusers, data)

    def _of_speckles(self, diffusers: tuple[Any, ...], data: Data) -> float:
        """Stiffness of a pixel's phase at the Gaussian's frequency by the shift of speckles."""
        optics = self._model.optics
        shift = optics.wavelength_m * optics.diffuser_to_scintillator_m * self._frequency / optics.pixel_m
        empty = self._model.array(np.ones(self._model.grid.padded, complex))
        total = 0.0
        for image, weight in zip(self._model.images(empty, diffusers), data.weight, strict=True):
            light = self._inside(image)
            slope = sum(part**2 for part in np.gradient(light)) / (2 * light)
            total += 0.25 * float(np.mean(self._inside(weight) * slope))
        return total * shift**2

    def __call__(self, objective: Objective, data: Data, wave: Any) -> MaterialCheck:
        """Check the sample exp(psi) (Ny, Nx) that was fitted to data."""
        _, slope = self._model.loss(wave, objective.diffusers, data)
        pull = self._inside(self._model.fourier.xp.real(slope))
        weight = np.sum([self._inside(each) for each in data.weight], axis=0)
        around = _blurred(weight, self._sigma)
        noise = np.sqrt(around / (4 * np.pi * self._sigma**2))
        score = _blurred(pull, self._sigma) / np.maximum(noise, 1e-6 * noise.max())
        largest = float(np.abs(score).max())
        left = self._left(objective.assumption.beta_over_delta, float(weight.mean()))
        exposures = sum(bool(np.any(self._inside(each))) for each in data.weight)
        strain = largest / (left * np.sqrt(max(exposures, 1)))
        return MaterialCheck(float(strain), limit_of(exposures))

    def _left(self, beta_over_delta: float, weight: float) -> float:
        """Root of the share of the noise that the tie leaves."""
        optics = self._model.optics
        distance = optics.sample_to_diffuser_m + optics.diffuser_to_scintillator_m
        contrast = np.pi * optics.wavelength_m * distance * self._frequency**2
        tied = weight * (beta_over_delta + contrast) ** 2
        return float(np.sqrt(self._stiffness / (self._stiffness + tied)))

    def _inside(self, values: Any) -> FloatArray:
        return np.asarray(self._model.fourier.numpy(values)[self._model.grid.window], float)


def _blurred(image: FloatArray, sigma: float) -> FloatArray:
    return np.asarray(ndimage.gaussian_filter(image, sigma, mode="reflect"))
