"""What is found once for a speckle scan, before its projections are retrieved one by one."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from xsn_acq.analysis.pwf.coherence import CoherenceFit, coherence_lengths
from xsn_acq.analysis.pwf.ratio import fitted_ratio
from xsn_acq.analysis.pwf.ratio_search import RatioFit, search_ratio
from xsn_acq.analysis.pwf.retrieval import Retrieval
from xsn_acq.analysis.pwf.settings import FEWEST_FREE, PwfSettings
from xsn_acq.live.speckle_drift import StillReference, still_reference
from xsn_acq.live.speckle_frames import SpeckleFrames
from xsn_acq.live.speckle_scan import View, free_warnings
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
from xsn_acq.optics.coherence import CoherenceLengths, pooled_lengths, resolution_m
from xsn_acq.units import UM

LEAST_CONTRAST = 0.05
"""Speckle fainter than this tells little of the phase."""
TRIAL_ANGLES, TRIAL_PIXELS = 4, 384
"""Angles, and pixels along each axis, at which settings are tried."""
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

    def pooled_lengths(self, pixel_m: float, times: int) -> CoherenceLengths:
        """Coherence lengths of images whose pixels of ``pixel_m`` were pooled so many times."""
        return pooled_lengths(self.lengths, pixel_m, times)

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
    bad_pixels : int
        Dead, hot or odd at any position; they have no weight.
    """

    settings: PwfSettings
    light: Light
    found: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    drift_px: tuple[float, ...] = field(default=())
    bad_pixels: int = 0

    def plain(self) -> dict[str, Any]:
        """As values that JSON knows."""
        return {**asdict(self), "settings": plain_settings(self.settings)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Prepared":
        """Read back what `plain` made."""
        light: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in plain["light"].items()
        }
        lists = {name: tuple(plain[name]) for name in ("found", "warnings", "drift_px")}
        return cls(settings_from(plain["settings"]), Light(**light), **lists, bad_pixels=plain["bad_pixels"])


def light_of(start: Mapping[str, Any], reference: FloatArray, noise: float | None) -> Light:
    """Measure the light from one reference (ny, nx).

    Raises
    ------
    ReconstructionError
        There is no speckle, or too little.
    """
    fit: CoherenceFit = coherence_lengths(
        reference,
        entry(start, "pixel_size_m"),
        wavelength_m=entry(start, "wavelength_m"),
        distance_m=entry(start, "diffuser_to_scintillator_m"),
        diffuser_beta_over_delta=entry(start, "diffuser_beta_over_delta"),
    )
    lengths = fit.lengths
    return Light(
        (lengths.x_m, lengths.y_m), fit.errors_m, fit.contrast, resolution_m(lengths), photons_of(noise)
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
        There is no speckle, mode free has too few positions, or an entry of the start document is missing.
    StorageError
        A frame cannot be read.
    """
    references = [still_reference(each.references) for each in frames]
    light = light_of(start, references[0].image, frames[0].noise)
    warnings = light.warnings(entry(start, "pixel_size_m"))
    warnings += [each.said for each in references if each.said]
    mode, ratio = mode_of(start, choices), ratio_of(start, choices)
    if mode == "free":
        warnings += free_warnings(views)
    found: list[str] = []
    settings = PwfSettings(
        optics=speckle_optics(start, light.lengths, references[0].image.shape),
        beta_over_delta=UNKNOWN_RATIO if ratio is None else ratio,
        photons=light.photons,
        mode=mode,
        reference_frames=references[0].frames,
        flat_frames=frames[0].flat_frames,
        diffuser_beta_over_delta=entry(start, "diffuser_beta_over_delta"),
        diffuser_phase=choices.diffuser_phase,
        mu=choices.mu,
    )
    drift = tuple(each.largest_px for each in references)
    trial = _Trial(settings, frames, references, views, round(entry(start, "axis_column")), workers)
    if ratio is None and settings.single_material:
        fit = trial.ratio()
        settings = replace(settings, beta_over_delta=fit.ratio)
        found.append(f"beta/delta {fit.ratio:.5f}")
        if not fit.trusted:
            warnings.append(
                f"beta/delta {fit.ratio:.5f} +- {fit.sigma:.5f}, found from the images, is not to be "
                f"trusted: they are explained badly (chi-square {fit.chi2:.2f} of a pixel), or hardly "
                "depend on it; give it with --beta-over-delta, or take mode free"
            )
    if settings.mu is None:
        settings = replace(settings, mu=trial.weight(settings.beta_over_delta))
        found.append(f"weight of the prior {settings.mu:g}")
    bad = int(np.count_nonzero(np.any([each.bad for each in frames], axis=0)))
    return Prepared(settings, light, tuple(found), tuple(warnings), drift, bad)


class _Trial:
    """Some angles, in the middle of the field, at which settings are tried."""

    def __init__(
        self,
        settings: PwfSettings,
        frames: Sequence[SpeckleFrames],
        references: Sequence[StillReference],
        views: Sequence[View],
        axis_column: int,
        workers: int,
    ) -> None:
        shape = settings.optics.shape
        self._window = window = _middle(shape, axis_column)
        cut = (window[0].stop - window[0].start, window[1].stop - window[1].start)
        self._settings = replace(settings, optics=replace(settings.optics, shape=cut))
        self._references = np.stack([each.image[window] for each in references])
        self._good = ~np.any([each.bad[window] for each in frames], axis=0)
        places = np.linspace(0, len(views) - 1, min(TRIAL_ANGLES, len(views))).round().astype(int)
        seen = (images_of(views[place], frames, references) for place in sorted(set(places.tolist())))
        self._angles = [(images[:, *window], shifts) for images, shifts in seen]
        self._together = views[places[len(places) // 2]].images
        self._workers = workers

    def ratio(self) -> RatioFit:
        """Ratio beta / delta of the sample: the more surely the more positions of the diffuser there are."""
        if self._together < FEWEST_FREE:
            return search_ratio(self._retrieval(self._settings), self._angles)
        free = self._retrieval(replace(self._settings, mode="free"))
        images, shifts = self._angles[len(self._angles) // 2]
        return RatioFit(fitted_ratio(free, images, shifts=shifts), math.nan, math.nan, trusted=True)

    def weight(self, beta_over_delta: float) -> float:
        """Weight of the prior, from pixels of the angle in the middle that are held out."""
        settings = replace(self._settings, beta_over_delta=beta_over_delta)
        images, shifts = self._angles[len(self._angles) // 2]
        return self._retrieval(settings).retrieve(images, shifts=shifts).mu

    def _retrieval(self, settings: PwfSettings) -> Retrieval:
        return Retrieval(settings, self._references, good=self._good, workers=self._workers)


def _middle(shape: tuple[int, int], axis_column: int) -> tuple[slice, slice]:
    """Rows in the middle and columns about the rotation axis, `TRIAL_PIXELS` of each at most."""
    spans = []
    for count, centre in zip(shape, (shape[0] // 2, axis_column), strict=True):
        size = min(count, TRIAL_PIXELS)
        first = min(max(centre - size // 2, 0), count - size)
        spans.append(slice(first, first + size))
    return spans[0], spans[1]


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
        if row is None:
            images.append(np.full(reference.image.shape, np.nan, np.float32))
            shifts.append((0.0, 0.0))
            continue
        shifts.append(reference.shift_at(row.time_s))
        images.append(each.projection(row, reference.at(row.time_s)))
    return np.stack(images), shifts
