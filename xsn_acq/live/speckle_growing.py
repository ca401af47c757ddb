"""A speckle tomogram as it is seen while it is taken: reduced, projection by projection."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from xsn_acq.analysis.orthoslices import Orthoslices, Plane
from xsn_acq.analysis.pwf.retrieval import Retrieval
from xsn_acq.analysis.pwf.series import FieldSeries
from xsn_acq.analysis.pwf.settings import PwfSettings
from xsn_acq.analysis.shift import centre_on_axis
from xsn_acq.analysis.xsn_stream import Quantity
from xsn_acq.closing import Closing
from xsn_acq.live.scan import Scan, ScanRow
from xsn_acq.live.speckle_chunks import without_air
from xsn_acq.live.speckle_drift import moved_by
from xsn_acq.live.speckle_first import FirstLight, first_light
from xsn_acq.live.speckle_frames import SpeckleFrames
from xsn_acq.live.speckle_reduced import Reduction
from xsn_acq.live.speckle_settings import (
    UNKNOWN_RATIO,
    SpeckleChoices,
    entry,
    ratio_of,
    slicing_of,
    speckle_optics,
)
from xsn_acq.live.speckle_standing import standing
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.fourier import worthwhile_threads

_WEIGHT = 30.0
"""Of the prior: live, nobody waits for pixels that are held out."""
_MOST_GRADIENTS = 60


@dataclass(frozen=True, eq=False)
class Glimpse:
    """A projection as it came: phase, and measured less modelled intensity, float32 (ny, nx), reduced.

    ``moved_px``: how far its speckle stood from where the first reference has it, pixels of the camera.
    """

    theta_deg: float
    phi: FloatArray
    rmse: FloatArray
    moved_px: float = 0.0


class GrowingSpeckle(Closing):
    """A speckle tomogram that goes on, at a reduced size and as if of one material.

    Parameters
    ----------
    scan : Scan
        Whose darks, flats and references have come.
    first : FirstLight, optional
        What the first references tell, where that is known.

    Attributes
    ----------
    first : FirstLight
        As given, or measured.
    reduction : Reduction
        What of a frame is looked at.
    """

    def __init__(self, scan: Scan, first: FirstLight | None = None) -> None:
        start = scan.start
        self._frames = SpeckleFrames(scan)
        self._reference = self._frames.references[0]
        full = self._reference.image
        self.first = first or first_light(start, self._frames)
        light = self.first.light
        self.reduction = Reduction.of(full.shape, entry(start, "pixel_size_m"), light.resolution_m)
        self._small = small = self.reduction(full)
        self._axis = self.reduction.column(entry(start, "axis_column"))
        self._settings = self._reduced_settings(start, small.shape)
        retrieval = Retrieval(
            self._settings,
            small[None],
            good=self.reduction(self._frames.bad.astype(np.float32)) == 0,
            workers=worthwhile_threads(small.shape),
        )
        self._fields = FieldSeries(retrieval)
        slicing = slicing_of(start, SpeckleChoices())
        self._slicing = replace(slicing, pixel_size_m=slicing.pixel_size_m * self.reduction.pooled)
        self._slices = Orthoslices(small.shape)

    def _reduced_settings(self, start: dict[str, Any], shape: tuple[int, int]) -> PwfSettings:
        pooled, light = self.reduction.pooled, self.first.light
        lengths = light.pooled_lengths(entry(start, "pixel_size_m"), pooled)
        return PwfSettings(
            optics=speckle_optics(start, lengths, shape, pooled),
            beta_over_delta=ratio_of(start, SpeckleChoices()) or UNKNOWN_RATIO,
            photons=light.photons * pooled**2,
            reference_frames=self._reference.frames,
            flat_frames=self._frames.flat_frames,
            diffuser_beta_over_delta=entry(start, "diffuser_beta_over_delta"),
            mu=_WEIGHT,
            most=_MOST_GRADIENTS,
        )

    @property
    def pairs(self) -> int:
        """Number of fields so far."""
        return self._slices.count

    @property
    def pixel_size_m(self) -> float:
        """Of what is shown."""
        return self._slicing.pixel_size_m

    def has_frame(self, row: ScanRow) -> bool:
        """Whether the frame of a row can be read now."""
        return self._frames.has(row.index)

    def push(self, row: ScanRow, *, preview: bool = True) -> list[Glimpse]:
        """Take a good projection; what it shows, each time: it is small.

        Raises
        ------
        StorageError
            When the frame cannot be read.
        """
        image, shift = self._seen(row)
        field = self._fields.push(image[None], shifts=[shift] if any(shift) else None)
        alpha, phi = (centre_on_axis(without_air(part), self._axis) for part in (field.alpha, field.phi))
        self._slices.push(np.deg2rad(row.theta_deg), alpha + 1j * phi)
        return [Glimpse(row.theta_deg, phi, field.rmse, self.reduction.pooled * float(np.hypot(*shift)))]

    def _seen(self, row: ScanRow) -> tuple[FloatArray, tuple[float, float]]:
        """Projection, reduced, as bright as the reference that moved with its speckle; and that shift."""
        full, pooled = self._reference.image, self.reduction.pooled
        image = self.reduction(self._frames.projection(row, full))
        dy, dx = standing(self._small, image)
        if dy or dx:
            full = moved_by(full, pooled * dy, pooled * dx)
            image = self.reduction(self._frames.projection(row, full))
        return image, (dy, dx)

    def slices(self) -> dict[Quantity, dict[Plane, FloatArray]]:
        """Orthoslices of delta and beta so far."""
        factor, slices = self._slicing.factor, self._slices.value()
        return {
            "delta": {plane: np.imag(image) * factor for plane, image in slices.items()},
            "beta": {plane: np.real(image) * factor for plane, image in slices.items()},
        }

    def close(self) -> None:
        """Close the files."""
        self._frames.close()
