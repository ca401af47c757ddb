"""Some angles of a speckle scan, in the middle of the field, at which settings are tried."""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial

import numpy as np

from xsn_acq.analysis.pwf.ratio import fitted_ratio
from xsn_acq.analysis.pwf.ratio_search import Angle, RatioFit, search_ratio
from xsn_acq.analysis.pwf.retrieval import Retrieval
from xsn_acq.analysis.pwf.settings import FEWEST_FREE, PwfSettings
from xsn_acq.live.speckle_axis import Axis, find_axis
from xsn_acq.live.speckle_drift import StillReference, images_of
from xsn_acq.live.speckle_frames import SpeckleFrames
from xsn_acq.live.speckle_scan import View
from xsn_acq.optics.arrays import FloatArray

TRIAL_ANGLES, TRIAL_PIXELS = 4, 384
"""Angles, and pixels along each axis, at which settings are tried."""


class Trial:
    """Tries settings.

    Parameters
    ----------
    settings : PwfSettings
        As far as they are known, of whole frames.
    frames, references : sequence
        Of each run.
    views : sequence of View
        By rising angle.
    axis_column : float
        Where the rotation axis should be: columns about it are cut out.
    workers : int
        Threads of the transforms.
    """

    def __init__(
        self,
        settings: PwfSettings,
        frames: Sequence[SpeckleFrames],
        references: Sequence[StillReference],
        views: Sequence[View],
        axis_column: float,
        workers: int,
    ) -> None:
        self._frames, self._references, self._views = frames, references, views
        self._window = window = middle(settings.optics.shape, axis_column)
        cut = (window[0].stop - window[0].start, window[1].stop - window[1].start)
        self._settings = replace(settings, optics=replace(settings.optics, shape=cut))
        self._places = np.linspace(0, len(views) - 1, min(TRIAL_ANGLES, len(views))).round().astype(int)
        self._expected_column, self._workers = axis_column, workers

    @cached_property
    def _angles(self) -> list[Angle]:
        return [self._seen(self._views[place]) for place in sorted(set(self._places.tolist()))]

    def _seen(self, view: View) -> Angle:
        images, shifts = images_of(view, self._frames, self._references)
        return images[:, *self._window], shifts

    @cached_property
    def _retrieval(self) -> Retrieval:
        """Of the settings as they are known: the diffuser is found once."""
        windows = np.stack([each.image[self._window] for each in self._references])
        good = ~np.any([each.bad[self._window] for each in self._frames], axis=0)
        return Retrieval(self._settings, windows, good=good, workers=self._workers)

    def ratio(self) -> RatioFit:
        """Ratio beta / delta of the sample: the more surely the more positions of the diffuser there are."""
        together = self._views[self._places[len(self._places) // 2]].images
        if together < FEWEST_FREE:
            return search_ratio(self._retrieval, self._angles)
        free = self._retrieval.like(replace(self._settings, mode="free"))
        images, shifts = self._angles[len(self._angles) // 2]
        return RatioFit(fitted_ratio(free, images, shifts=shifts), math.nan, math.nan, 1)

    def weight(self, beta_over_delta: float) -> float:
        """Weight of the prior, from pixels of the angle in the middle that are held out."""
        settings = replace(self._settings, beta_over_delta=beta_over_delta)
        images, shifts = self._angles[len(self._angles) // 2]
        return self._retrieval.like(settings).retrieve(images, shifts=shifts).mu

    def axis(self, settings: PwfSettings) -> Axis:
        """Rotation axis, by phases half a turn apart that are retrieved with settings of whole frames."""
        phase = partial(self._phase, replace(settings, optics=self._settings.optics))
        return find_axis(self._views, phase, self._expected_column, self._window[1].start)

    def _phase(self, settings: PwfSettings, view: View) -> FloatArray:
        images, shifts = self._seen(view)
        return self._retrieval.like(settings).retrieve(images, shifts=shifts).phi


def middle(shape: tuple[int, int], axis_column: float) -> tuple[slice, slice]:
    """Rows in the middle and columns about the rotation axis, `TRIAL_PIXELS` of each at most."""
    spans = []
    for count, centre in zip(shape, (shape[0] // 2, round(axis_column)), strict=True):
        size = min(count, TRIAL_PIXELS)
        first = min(max(centre - size // 2, 0), count - size)
        spans.append(slice(first, first + size))
    return spans[0], spans[1]
