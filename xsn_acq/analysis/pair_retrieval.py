"""From raw frames to fields: what is done to each pair, wherever it is done."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from xsn_acq.analysis.alignment import NOT_MEASURED, PairAlignment, PairShift
from xsn_acq.analysis.flatfield import Repair, bad_pixels, normalise
from xsn_acq.analysis.pairing import NO_PARTNER, Shot
from xsn_acq.analysis.retrieval import Field
from xsn_acq.analysis.shift import centre_on_axis, shift_image
from xsn_acq.analysis.xsn_settings import XsnSettings
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.fourier import worthwhile_threads
from xsn_acq.optics.schlieren import Schlieren

_MORE = 3
"""One image needs so many times the iterations of two."""


@dataclass(frozen=True)
class Aligned:
    """Shift of a pair: as measured with the calibrated axis, and (dy, dx) as taken out, pixels."""

    measured: PairShift = NOT_MEASURED
    applied: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, eq=False)
class PairField:
    """Field from two frames half a turn apart, at the smaller of both angles (``index_0``).

    Of one frame alone ``index_180`` is `NO_PARTNER`. ``numbers`` are what else is known of it.
    """

    index_0: int
    index_180: int
    theta_deg: float
    field: Field
    aligned: Aligned = Aligned()
    numbers: tuple[float, ...] = ()


class PairRetrieval:
    """From raw frames to a field: what is done to each pair, wherever it is done.

    Parameters
    ----------
    settings : XsnSettings
    dark, flat : (ny, nx)
        Mean frames, raw counts.
    threads : int
        At most so many for the FFTs; 0: as many as are worth it.
    """

    def __init__(self, settings: XsnSettings, dark: ArrayLike, flat: ArrayLike, *, threads: int = 0) -> None:
        self.settings = settings
        self._dark = np.asarray(dark, dtype=np.float32)
        self._flat = np.asarray(flat, dtype=np.float32)
        self.shape: tuple[int, int] = self._dark.shape
        self._air_columns = round(settings.air_fraction * self.shape[1])
        self._background = settings.optics(self.shape).background
        self._stray = settings.stray_fraction / (1 - settings.stray_fraction)
        worthwhile = worthwhile_threads(self.shape)
        workers = min(threads, worthwhile) if threads else worthwhile
        self._retrieval = settings.retrieval(self.shape, workers=workers)
        self._repair = Repair(bad_pixels(self._dark, self._flat))
        self._sharpen = settings.deconvolution(self.shape, workers=workers)
        self._alignment = _alignment(settings.optics(self.shape), workers)

    def pair(
        self, one: Shot, raw_one: ArrayLike, other: Shot, raw_other: ArrayLike, aligned: Aligned | None = None
    ) -> PairField:
        """Field of two raw frames (ny, nx) half a turn apart, given in any order.

        Without ``aligned`` their shift is measured and left in; with it, what it says is taken out.
        """
        if other.theta_deg < one.theta_deg:
            one, raw_one, other, raw_other = other, raw_other, one, raw_one
        first, second = self._corrected(raw_one), self._corrected(raw_other)
        if aligned is None:
            aligned = Aligned(self._shift(first, second))
        dy, dx = aligned.applied
        if dy or dx:  # half of it each; the second image stands the other way round
            first, second = shift_image(first, 0.5 * dy, 0.5 * dx), shift_image(second, -0.5 * dy, 0.5 * dx)
        field = self._retrieval.pair(first, second)
        return PairField(one.index, other.index, one.theta_deg, field, aligned)

    def single(self, shot: Shot, raw: ArrayLike) -> PairField:
        """Field of one raw frame (ny, nx) of a sample of one material, see `XsnRetrieval.single`."""
        iterations = self.settings.iterations
        found = self._retrieval.single(
            self._corrected(raw), self.settings.beta_over_delta, iterations=_MORE * iterations
        )
        field = Field(found.alpha, found.phi, found.residual[_MORE - 1 :: _MORE])
        return PairField(shot.index, NO_PARTNER, shot.theta_deg, field)

    def _shift(self, first: FloatArray, second: FloatArray) -> PairShift:
        if self._alignment is None:
            return NOT_MEASURED
        return self._alignment.shift(first, np.ascontiguousarray(second[:, ::-1]))

    def preview(self, raw_frame: ArrayLike) -> FloatArray:
        """Phase (ny, nx) of one raw frame alone, see `XsnRetrieval.preview`."""
        return self._retrieval.preview(self._corrected(raw_frame))

    def _corrected(self, raw_frame: ArrayLike) -> FloatArray:
        air = self._background + self._stray
        image = normalise(raw_frame, self._dark, self._flat, background=air, air_columns=self._air_columns)
        image = self._repair(image) - np.float32(self._stray)
        if self._sharpen is not None:
            image = self._sharpen(image)
        return centre_on_axis(image, self.settings.axis_column)


def _alignment(optics: Schlieren, workers: int) -> PairAlignment | None:
    """What measures shifts; None where images are too small to show any."""
    try:
        return PairAlignment(optics, workers=workers)
    except ReconstructionError:
        return None
