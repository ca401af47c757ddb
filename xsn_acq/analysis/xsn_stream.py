"""The whole XSN reconstruction, frame by frame: live is offline, one frame at a time.

Correction, centring, a preview at once, retrieval when the partner half a turn away arrives, slices that
grow.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from xsn_acq.analysis.alignment import NOT_MEASURED, PairAlignment, PairShift
from xsn_acq.analysis.deconvolution import Deconvolution
from xsn_acq.analysis.flatfield import Repair, bad_pixels, normalise
from xsn_acq.analysis.orthoslices import Orthoslices, Plane
from xsn_acq.analysis.pairing import NO_PARTNER, Pairing, Shot
from xsn_acq.analysis.retrieval import Field, XsnRetrieval, tikhonov_weight
from xsn_acq.analysis.rings import NONE
from xsn_acq.analysis.shift import centre_on_axis, shift_image
from xsn_acq.analysis.tomography import index_per_radian
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.fourier import worthwhile_threads
from xsn_acq.optics.knife_edge import KnifeEdge
from xsn_acq.optics.schlieren import Schlieren

Quantity = Literal["delta", "beta"]
_MORE = 3
"""One image needs so many times the iterations of two."""


@dataclass(frozen=True)
class XsnSettings:
    """What a reconstruction needs to know beyond the frames.

    Parameters
    ----------
    wavelength_m, pixel_size_m : float
        Pixel at the sample.
    aperture_per_m : float
        NA / lambda, cycles per metre.
    cutoff_per_m : float
        Edge of the cutoff filter, cycles per metre.
    passes : "positive" or "negative"
        Side of the edge that is open.
    knife_edge : KnifeEdge
    axis_column : float
        Column of the rotation axis in the frames, pixel centres at integers; needed to 0.05 pixel.
    step_deg : float
        Angle between frames; a partner may be off by a quarter of it.
    iterations : int
        See `XsnRetrieval`.
    epsilon : float, optional
        See `XsnRetrieval`; left out, it follows from the noise.
    rings : str
        Ring removal, a method of `xsn_acq.analysis.rings.remove_rings`.
    beta_over_delta : float
        Of the sample, where it is of one material: frames without a partner are then retrieved alone. 0
        leaves them out.
    detector_fwhm_m : float
        Point spread function of the detector at the sample, full width at half maximum; 0 leaves the blur in.
    stray_fraction : float
        Part of the light that passes the cutoff filter wherever it stands, and does not image.
    noise : float
        Of one frame in air, standard deviation over mean: it sets how far blur is taken out.
    air_fraction : float
        Part of each row, at both ends, that sees only air at all angles. It sets phase offsets and follows
        the beam since the flats.
    """

    wavelength_m: float
    pixel_size_m: float
    aperture_per_m: float
    cutoff_per_m: float
    passes: Literal["positive", "negative"]
    knife_edge: KnifeEdge
    axis_column: float
    step_deg: float
    iterations: int = 7
    epsilon: float | None = None
    air_fraction: float = 1 / 32
    rings: str = NONE
    beta_over_delta: float = 0.0
    detector_fwhm_m: float = 0.0
    stray_fraction: float = 0.0
    noise: float = 0.014

    def optics(self, shape: tuple[int, int]) -> Schlieren:
        """Return what forms images of ``shape`` (ny, nx) pixels."""
        return Schlieren(
            shape, self.pixel_size_m, self.aperture_per_m, self.cutoff_per_m, self.knife_edge, self.passes
        )

    def retrieval(self, shape: tuple[int, int], *, workers: int = 1) -> XsnRetrieval:
        """Return what turns images of ``shape`` into fields."""
        optics = self.optics(shape)
        epsilon = tikhonov_weight(self.noise, optics.background) if self.epsilon is None else self.epsilon
        return XsnRetrieval(
            optics,
            iterations=self.iterations,
            epsilon=epsilon,
            air_fraction=self.air_fraction,
            workers=workers,
        )

    def deconvolution(self, shape: tuple[int, int], *, workers: int = 1) -> Deconvolution | None:
        """Return what takes the detector's blur out of images of ``shape``; None where it is to stay."""
        if not self.detector_fwhm_m:
            return None
        return Deconvolution(shape, self.pixel_size_m, self.detector_fwhm_m, self.noise, workers=workers)


@dataclass(frozen=True, eq=False)
class Preview:
    """Phase of one frame alone, float32 (ny, nx), until its partner arrives."""

    index: int
    theta_deg: float
    phi: FloatArray


@dataclass(frozen=True)
class Aligned:
    """Shift of a pair: as measured with the calibrated axis, and (dy, dx) as taken out, pixels."""

    measured: PairShift = NOT_MEASURED
    applied: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, eq=False)
class PairField:
    """Field from two frames half a turn apart, at the smaller of both angles (``index_0``).

    Of one frame alone ``index_180`` is `NO_PARTNER`.
    """

    index_0: int
    index_180: int
    theta_deg: float
    field: Field
    aligned: Aligned = Aligned()


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


class XsnStream:
    """Push frames in any order; take previews, fields and growing slices.

    Parameters
    ----------
    settings : XsnSettings
    dark, flat : (ny, nx)
        Mean frames, raw counts.
    read : callable, optional
        Gives back the raw frame of an index. With it, frames that wait for their partner are not kept in
        memory.
    """

    def __init__(
        self,
        settings: XsnSettings,
        dark: ArrayLike,
        flat: ArrayLike,
        *,
        read: Callable[[int], ArrayLike] | None = None,
    ) -> None:
        self.settings = settings
        self._read = read
        self._retrieval = PairRetrieval(settings, dark, flat)
        self._slices = Orthoslices(self._retrieval.shape)
        self._pairing = Pairing(settings.step_deg)
        self._kept: dict[int, ArrayLike] = {}

    def clear(self) -> None:
        """Forget all frames."""
        self._slices.clear()
        self._pairing.clear()
        self._kept.clear()

    @property
    def pairs(self) -> int:
        """Number of fields so far."""
        return self._slices.count

    def push(
        self, index: int, theta_deg: float, raw_frame: ArrayLike, *, preview: bool = True
    ) -> list[Preview | PairField]:
        """Take a frame.

        Parameters
        ----------
        index : int
            Of the frame in its file.
        theta_deg : float
            Angle at mid-exposure.
        raw_frame : (ny, nx)
            Counts.
        preview : bool
            False skips the preview of a frame whose partner has not come: for catching up.

        Returns
        -------
        list
            A `Preview` or a `PairField`, or nothing for an angle already seen: the first frame of an angle
            wins.
        """
        if self._pairing.has_seen(theta_deg):
            return []
        shot = Shot(index, theta_deg)
        partner = self._pairing.push(shot)
        if partner is not None:
            raw = self._read(partner.index) if self._read else self._kept.pop(partner.index)
            pair = self._retrieval.pair(shot, raw_frame, partner, raw)
            self._add(pair)
            return [pair]
        if self._read is None:
            self._kept[index] = np.array(raw_frame)
        return [Preview(index, theta_deg, self._retrieval.preview(raw_frame))] if preview else []

    def push_field(self, pair: PairField) -> None:
        """Take a field made before, from a checkpoint; its two frames then count as seen."""
        self._pairing.push_pair(pair.index_0, pair.index_180, pair.theta_deg)
        self._add(pair)

    def value(self) -> dict[Quantity, dict[Plane, FloatArray]]:
        """Slices of delta and of beta so far, see `Orthoslices`."""
        factor = np.float32(index_per_radian(self.settings.pixel_size_m, self.settings.wavelength_m))
        slices = self._slices.value()
        return {
            "delta": {plane: np.imag(image) * factor for plane, image in slices.items()},
            "beta": {plane: np.real(image) * factor for plane, image in slices.items()},
        }

    def _add(self, pair: PairField) -> None:
        self._slices.push(np.deg2rad(pair.theta_deg), pair.field.alpha + 1j * pair.field.phi)


def reconstruct_pairs(
    frames: Iterable[ArrayLike],
    theta_deg: Iterable[float],
    settings: XsnSettings,
    dark: ArrayLike,
    flat: ArrayLike,
) -> list[PairField]:
    """All fields of a run at once: the same stream, fed to its end.

    Parameters
    ----------
    frames : iterable of (ny, nx), raw counts
    theta_deg : iterable of float, one for each frame
    settings, dark, flat
        See `XsnStream`.
    """
    stream = XsnStream(settings, dark, flat)
    results = [
        result
        for index, (theta, frame) in enumerate(zip(theta_deg, frames, strict=True))
        for result in stream.push(index, theta, frame, preview=False)
    ]
    return [result for result in results if isinstance(result, PairField)]
