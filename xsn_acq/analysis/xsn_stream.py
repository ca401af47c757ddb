"""The whole XSN reconstruction, frame by frame: live is offline, one frame at a time.

Correction, centring, a preview at once, retrieval when the partner half a turn away arrives, slices that
grow.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from xsn_acq.analysis.orthoslices import Orthoslices, Plane
from xsn_acq.analysis.pair_retrieval import PairField, PairRetrieval
from xsn_acq.analysis.pairing import Pairing, Shot
from xsn_acq.analysis.tomography import index_per_radian
from xsn_acq.analysis.xsn_settings import XsnSettings
from xsn_acq.optics.arrays import FloatArray

Quantity = Literal["delta", "beta"]


@dataclass(frozen=True, eq=False)
class Preview:
    """Phase of one frame alone, float32 (ny, nx), until its partner arrives."""

    index: int
    theta_deg: float
    phi: FloatArray


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
