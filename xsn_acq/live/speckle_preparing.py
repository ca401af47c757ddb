"""What is found once for a speckle scan, before its projections are retrieved one by one."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from xsn_acq.analysis.pwf.coherence import CoherenceFit, coherence_lengths
from xsn_acq.analysis.pwf.retrieval import Retrieval
from xsn_acq.analysis.pwf.settings import PwfSettings
from xsn_acq.live.speckle_drift import StillReference, still_reference
from xsn_acq.live.speckle_frames import SpeckleFrames
from xsn_acq.live.speckle_scan import View
from xsn_acq.live.speckle_settings import (
    UNKNOWN_RATIO,
    SpeckleChoices,
    entry,
    mode_of,
    photons_of,
    plain_settings,
    ratio_of,
    settings_from,
    speckle_optics,
)
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.coherence import CoherenceLengths, resolution_m
from xsn_acq.units import UM

LEAST_CONTRAST = 0.05
"""Speckle fainter than this tells little of the phase."""
LEAST_PIXELS = 2.0
"""The finest detail that can be retrieved should have so many pixels."""


@dataclass(frozen=True)
class Light:
    """What the first references tell of light and diffuser.

    Attributes
    ----------
    lengths_m, errors_m : (x, y)
        Coherence lengths at the detector, and their standard errors.
    contrast : float
        Standard deviation over mean of the speckle, without noise.
    resolution_m : float
        Finest detail that can be retrieved, where the sample's transfer is 0.1.
    photons : float
        Of one exposure, per pixel of the flat.
    """

    lengths_m: tuple[float, float]
    errors_m: tuple[float, float]
    contrast: float
    resolution_m: float
    photons: float

    @property
    def lengths(self) -> CoherenceLengths:
        """Coherence lengths."""
        return CoherenceLengths(*self.lengths_m)

    def warnings(self, pixel_m: float) -> list[str]:
        """What is wrong with the light, one line each."""
        found = []
        if self.contrast < LEAST_CONTRAST:
            found.append(
                f"speckle contrast: wanted {LEAST_CONTRAST:.0%} or more, found {self.contrast:.1%}; "
                "is the diffuser in place? Choose a finer one, or a longer exposure"
            )
        if self.resolution_m < LEAST_PIXELS * pixel_m:
            found.append(
                f"resolution: the light resolves {self.resolution_m / UM:.2f} um, less than two pixels of "
                f"{pixel_m / UM:.2f} um; take less binning"
            )
        return found

    def line(self) -> str:
        """All of it, for a person."""
        x, y = (
            f"{length / UM:.2f} +- {error / UM:.2f}"
            for length, error in zip(self.lengths_m, self.errors_m, strict=True)
        )
        return (
            f"coherence lengths {x} um (x), {y} um (y), speckle contrast {self.contrast:.1%}, "
            f"resolution {self.resolution_m / UM:.2f} um"
        )


@dataclass(frozen=True)
class Prepared:
    """What all projections of a scan are retrieved with.

    Attributes
    ----------
    settings : PwfSettings
        Weight of the prior and beta/delta included.
    light : Light
    found : tuple of str
        Which of the settings were found from the data.
    warnings : tuple of str
        What a person must know, one line each.
    drift_px : tuple of float
        Largest drift of the speckle at each position of the diffuser, taken out.
    """

    settings: PwfSettings
    light: Light
    found: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    drift_px: tuple[float, ...] = field(default=())

    def plain(self) -> dict[str, Any]:
        """As values that JSON knows."""
        return {**asdict(self), "settings": plain_settings(self.settings)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Prepared":
        """Read back what `plain` made."""
        light = {name: tuple(v) if isinstance(v, list) else v for name, v in plain["light"].items()}
        lists = {name: tuple(plain[name]) for name in ("found", "warnings", "drift_px")}
        return cls(settings_from(plain["settings"]), Light(**light), **lists)


def light_of(start: Mapping[str, Any], reference: FloatArray, noise: float | None, binned: int = 1) -> Light:
    """Measure the light from one reference (ny, nx), pooled ``binned`` times.

    Raises
    ------
    ReconstructionError
        There is no speckle, or too little.
    """
    fit: CoherenceFit = coherence_lengths(
        reference,
        binned * entry(start, "pixel_size_m"),
        wavelength_m=entry(start, "wavelength_m"),
        distance_m=entry(start, "diffuser_to_scintillator_m"),
    )
    lengths = fit.lengths
    return Light(
        (lengths.x_m, lengths.y_m),
        fit.errors_m,
        fit.contrast,
        resolution_m(lengths),
        photons_of(noise) * binned**2,
    )


def prepare(
    start: Mapping[str, Any],
    frames: Sequence[SpeckleFrames],
    views: Sequence[View],
    choices: SpeckleChoices,
    *,
    workers: int = 1,
) -> Prepared:
    """Find what a scan's retrieval needs: light, beta/delta where it is not known, weight of the prior.

    Parameters
    ----------
    start : mapping
        Start document of the scan's first run.
    frames : sequence of SpeckleFrames
        Of each run.
    views : sequence of View
        By rising angle; the one in the middle tries the weights.
    choices : SpeckleChoices
    workers : int
        Threads of the transforms.

    Raises
    ------
    ReconstructionError
        There is no speckle, or an entry of the start document is missing.
    StorageError
        A frame cannot be read.
    """
    references = [still_reference(each.references) for each in frames]
    light = light_of(start, references[0].image, frames[0].noise)
    warnings = light.warnings(entry(start, "pixel_size_m"))
    warnings += [each.said for each in references if each.said]
    ratio, found = ratio_of(start, choices), []
    settings = PwfSettings(
        optics=speckle_optics(start, light.lengths, references[0].image.shape),
        beta_over_delta=UNKNOWN_RATIO if ratio is None else ratio,
        photons=light.photons,
        mode=mode_of(start, choices),
        reference_frames=references[0].frames,
        diffuser_beta_over_delta=entry(start, "diffuser_beta_over_delta"),
        diffuser_phase=choices.diffuser_phase,
        mu=choices.mu,
    )
    view = views[len(views) // 2]
    if ratio is None or settings.mu is None:
        settings = _tried(settings, frames, references, view, known=ratio is not None, workers=workers)
        found = [name for name, given in (("beta_over_delta", ratio), ("mu", choices.mu)) if given is None]
    drift = tuple(each.largest_px for each in references)
    return Prepared(settings, light, tuple(found), tuple(warnings), drift)


def _tried(
    settings: PwfSettings,
    frames: Sequence[SpeckleFrames],
    references: Sequence[StillReference],
    view: View,
    *,
    known: bool,
    workers: int,
) -> PwfSettings:
    """Settings with what one angle tells: beta/delta unless it is known, and the weight of the prior."""
    images, shifts = images_of(view, frames, references)
    good = ~np.any([each.bad for each in frames], axis=0)
    stack = np.stack([each.image for each in references])
    if not known and settings.single_material:
        from xsn_acq.analysis.pwf.ratio import fit_ratio

        ratio = fit_ratio(settings, stack, images, good=good, shifts=shifts, workers=workers)
        settings = replace(settings, beta_over_delta=ratio)
    if settings.mu is None:
        retrieval = Retrieval(settings, stack, good=good, workers=workers)
        settings = replace(settings, mu=retrieval.retrieve(images, shifts=shifts).mu)
    return settings


def images_of(
    view: View, frames: Sequence[SpeckleFrames], references: Sequence[StillReference]
) -> tuple[FloatArray, list[tuple[float, float]]]:
    """Projections (K, ny, nx) of an angle, NaN where one was lost, and the speckle's shift in each.

    Raises
    ------
    StorageError
        A frame cannot be read.
    """
    images, shifts = [], []
    for row, each, reference in zip(view.rows, frames, references, strict=True):
        missing = np.full(reference.image.shape, np.nan, np.float32)
        images.append(missing if row is None else each.projection(row))
        shifts.append((0.0, 0.0) if row is None else reference.shift_at(row.time_s))
    return np.stack(images), shifts
