"""From the sample's wave to speckle images, and back from what is missed to the gradient.

a = F^-1 H_1 F exp(psi), E = F^-1 H_2 F (t a), I = F^-1 IOTF F |E|^2 (Eqs. 3-5 of the paper; the propagation
is *derived* from its text), psi = alpha + i phi the sample, t a diffuser, H_1 and H_2 Fresnel propagation to
the diffuser and on to the scintillator. Gradients are derivatives: dL = sum Re(conj(g) dpsi).
"""

from copy import copy
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Self

import numpy as np

from xsn_acq.analysis.pwf.grid import Grid, guard_pixels
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.coherence import CoherenceLengths, intensity_transfer
from xsn_acq.optics.fourier import Fourier
from xsn_acq.optics.fresnel import transfer

_DARKEST = 1e-4
"""Floor of the modelled intensity, in parts of the beam: rounding must not make it negative."""


@dataclass(frozen=True)
class SpeckleOptics:
    """What forms a speckle image.

    Attributes
    ----------
    shape : (ny, nx)
        Pixels of an image.
    pixel_m, wavelength_m : float
        Metres.
    sample_to_diffuser_m, diffuser_to_scintillator_m : float
        Metres.
    coherence : CoherenceLengths
        As fitted to a reference speckle.
    """

    shape: tuple[int, int]
    pixel_m: float
    wavelength_m: float
    sample_to_diffuser_m: float
    diffuser_to_scintillator_m: float
    coherence: CoherenceLengths

    def grid(self) -> Grid:
        """Return the field that is computed."""
        distance = self.sample_to_diffuser_m + self.diffuser_to_scintillator_m
        longest = max(self.coherence.x_m, self.coherence.y_m)
        return Grid(
            self.shape, guard_pixels(self.pixel_m, self.wavelength_m, distance, longest), self.pixel_m
        )


@dataclass(frozen=True, eq=False)
class Data:
    """Images and how well each pixel is known, arrays of the model's library.

    Attributes
    ----------
    root : tuple of (Ny, Nx)
        Square roots of the images, one for each diffuser position.
    weight : tuple of (Ny, Nx)
        Inverse variance of the root: 4 x photons; 0 for a pixel without a measurement.
    """

    root: tuple[Any, ...]
    weight: tuple[Any, ...]


class ImageModel:
    """The images of a field behind one or several diffusers.

    Parameters
    ----------
    optics : SpeckleOptics
    grid : Grid, optional
        Left out: that of the optics.
    double : bool
        float64 instead of float32.
    workers, xp, device
        See `xsn_acq.optics.fourier.Fourier`.
    """

    def __init__(
        self,
        optics: SpeckleOptics,
        *,
        grid: Grid | None = None,
        double: bool = False,
        workers: int = 1,
        xp: ModuleType = np,
        device: Any = None,
    ) -> None:
        self.optics = optics
        self.grid = grid or optics.grid()
        self.real = np.dtype(np.float64 if double else np.float32)
        self.complex = np.dtype(np.complex128 if double else np.complex64)
        self.fourier = Fourier(xp, device=device, workers=workers)
        self._to_diffuser = self._free_space(optics.sample_to_diffuser_m)
        self._to_scintillator = self._free_space(optics.diffuser_to_scintillator_m)
        blur = intensity_transfer(self.grid.padded, optics.pixel_m, optics.coherence)
        self._blur = self.array(blur[:, : self.grid.padded[1] // 2 + 1])

    def like(self, optics: SpeckleOptics) -> Self:
        """Return a model of other distances on the same grid, of the same library and precision."""
        other = copy(self)
        other.optics = optics
        other._to_diffuser = self._free_space(optics.sample_to_diffuser_m)
        other._to_scintillator = self._free_space(optics.diffuser_to_scintillator_m)
        return other

    def array(self, values: Any) -> Any:
        """Return real or complex values as an array of the model's library and precision."""
        return self.fourier.array(values, self.complex if np.iscomplexobj(values) else self.real)

    def data(self, images: np.ndarray, weights: np.ndarray) -> Data:
        """Take images (K, ny, nx) and the weights of their roots, of the same shape.

        Raises
        ------
        ReconstructionError
            The images have another shape than the optics.
        """
        if images.ndim != 3 or images.shape[1:] != tuple(self.optics.shape) or weights.shape != images.shape:
            raise ReconstructionError(
                f"speckle retrieval: wanted images and weights (K, {self.optics.shape[0]}, "
                f"{self.optics.shape[1]}), found {images.shape} and {weights.shape}"
            )
        known = (weights > 0) & np.isfinite(images)
        roots = self.grid.embed(np.sqrt(np.where(known, np.maximum(images, 0.0), 1.0)), 1.0)
        kept = self.grid.embed(np.where(known, weights, 0.0), 0.0)
        return Data(tuple(self.array(r) for r in roots), tuple(self.array(w) for w in kept))

    def at_diffuser(self, wave: Any) -> Any:
        """Wave (Ny, Nx) that has gone from the sample to the diffuser."""
        return self._propagated(wave, self._to_diffuser)

    def at_scintillator(self, wave: Any) -> Any:
        """Wave (Ny, Nx) that has gone from the diffuser to the scintillator."""
        return self._propagated(wave, self._to_scintillator)

    def from_scintillator(self, wave: Any) -> Any:
        """Wave (Ny, Nx) taken back from the scintillator to the diffuser."""
        return self._propagated(wave, self.fourier.xp.conj(self._to_scintillator))

    def from_diffuser(self, wave: Any) -> Any:
        """Wave (Ny, Nx) taken back from the diffuser to the sample."""
        return self._propagated(wave, self.fourier.xp.conj(self._to_diffuser))

    def moved(self, wave: Any, rows: float, columns: float) -> Any:
        """Wave (Ny, Nx) moved by fractions of a pixel, to larger y and x."""
        v, u = (np.fft.fftfreq(count) for count in self.grid.padded)
        ramp = np.exp(-2j * np.pi * (v[:, None] * rows + u * columns))
        return self._propagated(wave, self.array(ramp))

    def blurred(self, intensity: Any) -> Any:
        """Intensity (Ny, Nx) as partial coherence blurs it."""
        return self.fourier.irfft2(self.fourier.rfft2(intensity) * self._blur, self.grid.padded)

    def image(self, wave: Any) -> Any:
        """Image (Ny, Nx) of a wave at the scintillator."""
        return self.fourier.xp.clip(self.blurred(intensity(self.fourier.xp, wave)), _DARKEST)

    def images(self, sample: Any, diffusers: tuple[Any, ...]) -> list[Any]:
        """Images (Ny, Nx) of the sample's wave exp(psi) behind each diffuser."""
        arriving = self.at_diffuser(sample)
        return [self.image(self.at_scintillator(t * arriving)) for t in diffusers]

    def loss(self, sample: Any, diffusers: tuple[Any, ...], data: Data) -> tuple[float, Any]:
        """Half of chi-square, and its gradient.

        L = 1/2 sum_k sum_pixels weight (sqrt I - sqrt y)^2.

        Parameters
        ----------
        sample : complex (Ny, Nx)
            exp(psi).
        diffusers : tuple of complex (Ny, Nx)
        data : Data

        Returns
        -------
        float
        complex (Ny, Nx)
            dL/dalpha + i dL/dphi.
        """
        xp = self.fourier.xp
        arriving = self.at_diffuser(sample)
        total, back = 0.0, None
        for t, root, weight in zip(diffusers, data.root, data.weight, strict=True):
            wave = self.at_scintillator(t * arriving)
            modelled = xp.sqrt(self.image(wave))
            missed = weight * (modelled - root)
            total += 0.5 * float(xp.sum(missed * (modelled - root), dtype=xp.float64))
            pull = self.blurred(missed / modelled)
            share = xp.conj(t) * self.from_scintillator(pull * wave)
            back = share if back is None else back + share
        return total, xp.conj(sample) * self.from_diffuser(back)

    def curvature(self, sample: Any, diffusers: tuple[Any, ...], data: Data, change: Any) -> Any:
        """Gauss-Newton Hessian of the loss times a change of psi, complex (Ny, Nx)."""
        xp = self.fourier.xp
        arriving, moved = self.at_diffuser(sample), self.at_diffuser(sample * change)
        back = None
        for t, weight in zip(diffusers, data.weight, strict=True):
            wave = self.at_scintillator(t * arriving)
            changed = self.blurred(xp.real(xp.conj(wave) * self.at_scintillator(t * moved)))
            pull = self.blurred(weight * changed / self.image(wave))
            share = xp.conj(t) * self.from_scintillator(pull * wave)
            back = share if back is None else back + share
        return xp.conj(sample) * self.from_diffuser(back)

    def _free_space(self, distance_m: float) -> Any:
        values = transfer(self.grid.padded, self.optics.pixel_m, self.optics.wavelength_m, distance_m)
        return self.array(values)

    def _propagated(self, wave: Any, response: Any) -> Any:
        return self.fourier.ifft2(self.fourier.fft2(wave) * response)


def intensity(xp: Any, wave: Any) -> Any:
    """|wave|^2."""
    return xp.real(wave) ** 2 + xp.imag(wave) ** 2
