"""The live worker's work on a speckle tomogram: the light, reduced projections, the volume at its end."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from xsn_acq.analysis.orthoslices import Orthoslices, Plane
from xsn_acq.analysis.pwf.retrieval import Retrieval
from xsn_acq.analysis.pwf.series import FieldSeries
from xsn_acq.analysis.pwf.settings import PwfSettings
from xsn_acq.analysis.shift import centre_on_axis
from xsn_acq.analysis.xsn_stream import Quantity
from xsn_acq.closing import Closing
from xsn_acq.live.offline import ending
from xsn_acq.live.projection_job import ProjectionJob
from xsn_acq.live.results import ResultPublisher
from xsn_acq.live.scan import Scan, ScanRow, scan_of_run
from xsn_acq.live.settings import expected_projections
from xsn_acq.live.speckle_chunks import without_air
from xsn_acq.live.speckle_drift import TOLD_PX, moved_by
from xsn_acq.live.speckle_ending import awaited_position, ending_of, missing_positions, with_warnings
from xsn_acq.live.speckle_first import FirstLight, first_frames, first_light, references_are_there
from xsn_acq.live.speckle_frames import SpeckleFrames
from xsn_acq.live.speckle_reconstruction import reconstruct_speckle
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
from xsn_acq.live.volume import VolumeFile
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.fourier import worthwhile_threads
from xsn_acq.storage.layout import DataFolder, results_uid
from xsn_acq.storage.run import RunRecord
from xsn_acq.storage.scans import records_of_series

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


class SpeckleJob(ProjectionJob[GrowingSpeckle]):
    """One position of the diffuser, as far as its documents have come.

    The light is told as soon as the first references are there. While it goes on, each projection is
    retrieved alone at a reduced size, as if of one material. After the last position the volume is made in
    full, of all of them.

    Parameters
    ----------
    record : RunRecord
        With its start document.
    data : DataFolder
    publisher : ResultPublisher
    publish_every_s : float
        See `ProjectionJob`.

    Raises
    ------
    ReconstructionError
        When the start document does not say what a reconstruction must know.
    """

    needed = ("darks", "flats", "references", "projections")

    def __init__(
        self,
        record: RunRecord,
        data: DataFolder,
        publisher: ResultPublisher,
        *,
        publish_every_s: float = 1.0,
    ) -> None:
        self._data = data
        self._first: FirstLight | None = None
        self._moved_px = 0.0
        super().__init__(
            record,
            data.results(record.uid),
            publisher,
            expected=expected_projections(record.start),
            pixel_size_m=entry(record.start, "pixel_size_m"),
            publish_every_s=publish_every_s,
        )

    def _work_on(self) -> bool:
        if self._first is None and not self._failed and references_are_there(self.record):
            with first_frames(self.record) as frames:
                self._first = first_light(self.record.start, frames)
            self._tell(message=self._said(self._first))
            return True
        return super()._work_on()

    def _begin(self) -> GrowingSpeckle:
        work = GrowingSpeckle(scan_of_run(self.record), self._first)
        self._pixel_size_m = work.pixel_size_m
        self._tell(state="retrieving", message=self._said(work.first))
        return work

    def _said(self, first: FirstLight) -> str:
        """What a person must know while the run goes on."""
        lines = [first.light.line(), *first.warnings]
        if ratio_of(self.record.start, SpeckleChoices()) is None:
            lines.append(f"beta/delta taken for {UNKNOWN_RATIO:g}: to look at only")
        if self._moved_px >= TOLD_PX:
            lines.append(
                f"the speckle moved by up to {self._moved_px:.1f} pixels, which is taken out; "
                "is the diffuser held fast?"
            )
        return "; ".join(lines)

    def _take_result(self, result: Glimpse) -> None:
        for quantity, unit, image in (("phi", "rad", result.phi), ("rmse", "", result.rmse)):
            header = {**self._header("preview", quantity, unit), "theta_deg": result.theta_deg}
            self._publisher.send(header, image)
        self._unpublished = True
        if result.moved_px > self._moved_px:
            self._moved_px = result.moved_px
            self.status = replace(self.status, message=self._said(self._working().first))

    def _finish(self) -> None:
        """Make the volume of the series in full, if this was the last of its runs."""
        self.close()
        series = results_uid(self.record.start)
        awaited = awaited_position(self._data, self.record.start)
        if awaited is not None:
            return self._leave_volume("the end of", [awaited])
        runs = records_of_series(self._data.journal, series)
        missing = missing_positions(runs, self._positions)
        if missing:
            return self._leave_volume("good projections at", missing)
        self._make_volume(runs, self._data.results(series))

    @property
    def _positions(self) -> int:
        """Number of diffuser positions of the series."""
        return int((self.record.start.get("speckle") or {}).get("count", 1))

    def _leave_volume(self, what: str, positions: Sequence[int]) -> None:
        """End without the volume, which another run of the series makes."""
        numbers = ", ".join(str(number + 1) for number in positions)
        said = f"the volume waits for {what} diffuser position {numbers} of {self._positions}"
        self._tell(**with_warnings(ending(self.record), [said]))

    def _make_volume(self, runs: Sequence[RunRecord], folder: Path) -> None:
        self._tell(state="volume")
        paths = reconstruct_speckle(runs, folder, progress=self._tell_progress)
        with VolumeFile(paths.volume) as volume:
            summary, warnings = volume.summary(), volume.parameters["warnings"]
        self._pixel_size_m = summary.pixel_size_m
        self.status = replace(self.status, pairs=len(summary.theta_deg))
        self._publish(summary.slices)
        self._tell(**with_warnings(ending_of(runs), warnings))

    def _tell_progress(self, stage: str, done: int, _: int) -> None:
        """Say how many fields of the volume there are, at most as often as slices are published."""
        if stage == "retrieval" and self._due:
            self._published_s = time.monotonic()
            self._tell(pairs=done)
