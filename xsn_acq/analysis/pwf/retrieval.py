"""Phase and absorption of projections behind a diffuser, angle by angle.

The diffuser, the Hessian and the weight of the prior are prepared once; each projection then starts from
Paganin's guess or from the field of the angle before.
"""

from collections.abc import Sequence
from copy import copy
from types import ModuleType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from xsn_acq.analysis.pwf.diffuser import own_phase, zero_phase
from xsn_acq.analysis.pwf.field import SpeckleField
from xsn_acq.analysis.pwf.fitting import fit
from xsn_acq.analysis.pwf.forward import Data, ImageModel
from xsn_acq.analysis.pwf.held_out import (
    FREE_WEIGHTS,
    WEIGHTS,
    WeightChoice,
    choose,
    held_out_pixels,
    misfit_of,
)
from xsn_acq.analysis.pwf.objective import Assumption, Objective
from xsn_acq.analysis.pwf.one_material import OneMaterial
from xsn_acq.analysis.pwf.paganin import paganin
from xsn_acq.analysis.pwf.preconditioner import Preconditioner
from xsn_acq.analysis.pwf.settings import FEWEST_FREE, PwfSettings
from xsn_acq.analysis.shift import shift_image
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray


class Retrieval:
    """Retrieves fields, one angle after the other.

    Parameters
    ----------
    settings : PwfSettings
    references : (K, ny, nx)
        Diffuser alone, dark-subtracted and over the flat, one for each diffuser position.
    good : bool (ny, nx), optional
        Pixels that count.
    workers, xp, device
        See `xsn_acq.optics.fourier.Fourier`.

    Raises
    ------
    ReconstructionError
        References of another shape, or too few of them for ``free`` mode.
    """

    def __init__(
        self,
        settings: PwfSettings,
        references: ArrayLike,
        *,
        good: np.ndarray | None = None,
        workers: int = 1,
        xp: ModuleType = np,
        device: Any = None,
    ) -> None:
        self.settings = settings
        self._references = np.asarray(references, float)
        _check(settings, self._references)
        shape = settings.optics.shape
        self._good = np.ones(shape, bool) if good is None else np.asarray(good, bool)
        self.model = ImageModel(
            settings.optics, double=settings.double, workers=workers, xp=xp, device=device
        )
        self._assumption = Assumption(settings.beta_over_delta, settings.single_material)
        self.diffusers = tuple(self._diffuser(each) for each in self._references)
        self._weight: WeightChoice | None = None
        self._parts: dict[tuple[int, ...], Self] = {}
        self._ready: tuple[Objective, Preconditioner, OneMaterial] | None = None
        if settings.mu is not None:
            self._prepare(settings.mu)

    @property
    def weight(self) -> WeightChoice | None:
        """What held-out pixels of the first projection said; None before it, or where mu was given."""
        return self._weight

    def like(self, settings: PwfSettings) -> Self:
        """Return a retrieval of other settings behind the same diffusers, which are not found anew.

        Optics, precision and what is said of the diffuser stay as they are.
        """
        other = copy(self)
        other.settings = settings
        other._assumption = Assumption(settings.beta_over_delta, settings.single_material)
        other._weight, other._ready, other._parts = None, None, {}
        _check(settings, self._references)
        if settings.mu is not None:
            other._prepare(settings.mu)
        return other

    def retrieve(
        self,
        projections: ArrayLike,
        start: SpeckleField | None = None,
        *,
        shifts: Sequence[tuple[float, float]] | None = None,
    ) -> SpeckleField:
        """Field of one angle.

        Parameters
        ----------
        projections : (K, ny, nx), or (ny, nx) where there is one position
            With sample and diffuser, dark-subtracted and over the flat, positions as in the references; a
            pixel that is not finite has no weight, and a position without any counts as if it were not there.
        start : SpeckleField, optional
            Of the neighbouring angle.
        shifts : sequence of (dy, dx), optional
            Pixels by which the speckle of each position stands elsewhere than in its reference.

        Raises
        ------
        ReconstructionError
            Images of another shape, or none with a value.
        """
        images = np.asarray(projections, float)
        images = images[None] if images.ndim == 2 else images
        if images.shape != self._references.shape:
            raise ReconstructionError(
                f"speckle retrieval: wanted projections {self._references.shape}, found {images.shape}"
            )
        weights = self._weights(images)
        if not np.any(weights):
            raise ReconstructionError("speckle retrieval: wanted a projection, found no pixel with a value")
        there = tuple(k for k, weight in enumerate(weights) if np.any(weight))
        if len(there) < len(images):
            by = None if shifts is None else [shifts[k] for k in there]
            return self._of(there).retrieve(images[list(there)], start, shifts=by)
        references, diffusers = self._moved(shifts)
        x = self.guess(images, references) if start is None else start.variables
        if self._ready is None:
            self._weight = self._held_out(images, weights, x)
            self._prepare(self._weight.mu)
        assert self._ready is not None
        objective, precondition, check = self._ready
        if diffusers is not self.diffusers:
            objective = objective.behind(diffusers)
        data = self.model.data(images, weights)
        found = fit(
            objective,
            data,
            x,
            precondition,
            enough=self.settings.enough,
            most=self.settings.most,
        )
        return self._field(objective, check, data, found.x, found.gradients, found.converged)

    def _of(self, there: tuple[int, ...]) -> Self:
        """The same behind some of the diffusers, for angles that others lack."""
        if there not in self._parts:
            part = copy(self)
            part._references = self._references[list(there)]
            part.diffusers = tuple(self.diffusers[k] for k in there)
            part._weight, part._ready, part._parts = None, None, {}
            if self._ready is not None:
                part._prepare(self._ready[0].mu)
            self._parts[there] = part
        return self._parts[there]

    def _diffuser(self, reference: FloatArray) -> Any:
        settings = self.settings
        weight = 4 * settings.photons * settings.reference_frames * (self._good & np.isfinite(reference))
        if settings.diffuser_phase == "zero_phase":
            return zero_phase(self.model, reference, weight)
        return own_phase(self.model, reference, weight, settings.diffuser_beta_over_delta)

    def data(self, images: FloatArray) -> Data:
        """Return images (K, ny, nx) and their weights as a fit takes them."""
        return self.model.data(images, self._weights(images))

    @property
    def prepared(self) -> tuple[Objective, Preconditioner]:
        """What is minimised and how stiff it is.

        Raises
        ------
        ReconstructionError
            The weight of the prior is not chosen yet.
        """
        if self._ready is None:
            raise ReconstructionError(
                "speckle retrieval: the weight of the prior is not chosen; give mu, or retrieve a projection"
            )
        return self._ready[0], self._ready[1]

    def _weights(self, images: FloatArray) -> FloatArray:
        """Inverse variance of each root; the noise of reference and flat adds to that of the image."""
        settings = self.settings
        usable = self._good & np.isfinite(images) & np.isfinite(self._references)
        return usable * (4 * settings.photons / settings.noise)

    def _moved(self, shifts: Sequence[tuple[float, float]] | None) -> tuple[FloatArray, tuple[Any, ...]]:
        """References and diffusers where they stand in the projections."""
        if shifts is None or not np.any(shifts):
            return self._references, self.diffusers
        model = self.model
        references = [shift_image(each, *by) for each, by in zip(self._references, shifts, strict=True)]
        diffusers = (model.moved(each, *by) for each, by in zip(self.diffusers, shifts, strict=True))
        return np.stack(references), tuple(diffusers)

    def guess(self, images: FloatArray, references: FloatArray | None = None) -> Any:
        """Variables (V, Ny, Nx) of Paganin's guess from images (K, ny, nx), and the references then."""
        c = self.settings.beta_over_delta
        before = self._references if references is None else references
        seen = np.where(self._good, images, np.nan)
        phi = paganin(self.settings.optics, self.model.grid, seen, before, c)
        return self._objective(1.0).variables(self.model.array(c * phi), self.model.array(phi))

    def _prepare(self, mu: float) -> None:
        objective, weights = self._objective(mu), self._weights(self._references)
        data = self.model.data(self._references, weights)
        precondition = Preconditioner(objective, data, self._empty())
        self._ready = objective, precondition, OneMaterial(objective, data)

    def _objective(self, mu: float) -> Objective:
        return Objective(self.model, self.diffusers, self._assumption, mu)

    def _empty(self) -> Any:
        return self.model.array(np.ones(self.model.grid.padded, complex))

    def _held_out(self, images: FloatArray, weights: FloatArray, x: Any) -> WeightChoice:
        out, misfits = held_out_pixels(images.shape), []
        tried = WEIGHTS if self.settings.single_material else FREE_WEIGHTS
        data = self.model.data(images, np.where(out, 0.0, weights))
        for mu in reversed(tried):
            objective = self._objective(mu)
            precondition = Preconditioner(objective, data, self._empty())
            x = fit(objective, data, x, precondition, enough=self.settings.enough, most=self.settings.most).x
            residual = np.sqrt(np.maximum(images, 0.0)) - np.sqrt(self._modelled(objective, x))
            misfits.append(misfit_of(residual, weights, out))
        return choose(tried, tuple(reversed(misfits)))

    def _modelled(self, objective: Objective, x: Any) -> FloatArray:
        images = self.model.images(objective.wave(x), objective.diffusers)
        return np.stack([self._inside(image) for image in images])

    def _inside(self, values: Any) -> FloatArray:
        return np.asarray(self.model.fourier.numpy(values)[self.model.grid.window])

    def _field(
        self, objective: Objective, check: OneMaterial, data: Data, x: Any, gradients: int, converged: bool
    ) -> SpeckleField:
        alpha, phi = (self._inside(part).astype(np.float32) for part in objective.psi(x))
        modelled = self._modelled(objective, x)
        roots, weights = (
            np.stack([self._inside(each) for each in group]) for group in (data.root, data.weight)
        )
        seen = weights > 0
        squares = np.where(seen, (roots**2 - modelled) ** 2, 0.0).sum(axis=0) / np.maximum(
            seen.sum(axis=0), 1
        )
        mean = float(np.nanmean(self._references[:, self._good]))
        return SpeckleField(
            alpha,
            phi,
            (np.sqrt(squares) / mean).astype(np.float32),
            float(np.sum(weights * (roots - np.sqrt(modelled)) ** 2) / seen.sum()),
            gradients,
            converged,
            self.settings.mode,
            objective.mu,
            check(objective, data, objective.wave(x)) if self._assumption.single_material else None,
            x,
        )


def _check(settings: PwfSettings, references: FloatArray) -> None:
    if references.ndim != 3 or references.shape[1:] != tuple(settings.optics.shape):
        ny, nx = settings.optics.shape
        raise ReconstructionError(
            f"speckle retrieval: wanted references (K, {ny}, {nx}), found {references.shape}"
        )
    if not settings.single_material and len(references) < FEWEST_FREE:
        raise ReconstructionError(
            f"speckle retrieval: mode free: wanted {FEWEST_FREE} diffuser positions or more, "
            f"found {len(references)}; take more, or mode single_material for a sample of one material"
        )
