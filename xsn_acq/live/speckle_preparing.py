"""What is found once for a speckle scan, before its projections are retrieved one by one."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from xsn_acq.analysis.pwf.ratio import fitted_ratio
from xsn_acq.analysis.pwf.ratio_search import RatioFit, search_ratio
from xsn_acq.analysis.pwf.retrieval import Retrieval
from xsn_acq.analysis.pwf.settings import FEWEST_FREE, PwfSettings
from xsn_acq.live.speckle_drift import StillReference, still_reference
from xsn_acq.live.speckle_frames import SpeckleFrames
from xsn_acq.live.speckle_light import Light, light_of
from xsn_acq.live.speckle_scan import View, free_warnings
from xsn_acq.live.speckle_settings import (
    UNKNOWN_RATIO,
    SpeckleChoices,
    entry,
    mode_of,
    plain_settings,
    ratio_of,
    settings_from,
    speckle_optics,
)
from xsn_acq.optics.arrays import FloatArray

TRIAL_ANGLES, TRIAL_PIXELS = 4, 384
"""Angles, and pixels along each axis, at which settings are tried."""


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
    settings = _settings(start, light, references[0], frames[0], choices)
    if not settings.single_material:
        warnings += free_warnings(views)
    found: list[str] = []
    search = ratio_of(start, choices) is None and settings.single_material
    if search or settings.mu is None:
        trial = _Trial(settings, frames, references, views, round(entry(start, "axis_column")), workers)
        if search:
            fit = trial.ratio()
            settings = replace(settings, beta_over_delta=fit.ratio)
            found.append(f"beta/delta {fit.ratio:.5f}")
            warnings += _ratio_warnings(fit)
        if settings.mu is None:
            settings = replace(settings, mu=trial.weight(settings.beta_over_delta))
            found.append(f"weight of the prior {settings.mu:g}")
    drift = tuple(each.largest_px for each in references)
    bad = int(np.count_nonzero(np.any([each.bad for each in frames], axis=0)))
    return Prepared(settings, light, tuple(found), tuple(warnings), drift, bad)


def _settings(
    start: Mapping[str, Any],
    light: Light,
    reference: StillReference,
    frames: SpeckleFrames,
    choices: SpeckleChoices,
) -> PwfSettings:
    """Settings as the scan and a person say; what neither does is still to be found."""
    ratio = ratio_of(start, choices)
    return PwfSettings(
        optics=speckle_optics(start, light.lengths, reference.image.shape),
        beta_over_delta=UNKNOWN_RATIO if ratio is None else ratio,
        photons=light.photons,
        mode=mode_of(start, choices),
        reference_frames=reference.frames,
        flat_frames=frames.flat_frames,
        diffuser_beta_over_delta=entry(start, "diffuser_beta_over_delta"),
        diffuser_phase=choices.diffuser_phase,
        mu=choices.mu,
    )


def _ratio_warnings(fit: RatioFit) -> list[str]:
    """What is to be known of a ratio that was found; nothing where it is to be trusted."""
    if fit.trusted:
        return []
    return [
        f"beta/delta {fit.ratio:.5f} +- {fit.sigma:.5f}, found from the images, is not to be trusted: "
        f"they are explained badly (chi-square {fit.chi2:.2f} of a pixel), or hardly depend on it; "
        "give it with --beta-over-delta, or take mode free"
    ]


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
