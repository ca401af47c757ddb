"""The live worker's work on a speckle tomogram: the light, reduced projections, the volume at its end."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from xsn_acq.live.offline import ending
from xsn_acq.live.projection_job import ProjectionJob
from xsn_acq.live.results import ResultPublisher
from xsn_acq.live.scan import scan_of_run
from xsn_acq.live.settings import expected_projections
from xsn_acq.live.speckle_drift import TOLD_PX
from xsn_acq.live.speckle_ending import awaited_position, ending_of, missing_positions, with_warnings
from xsn_acq.live.speckle_first import FirstLight, first_frames, first_light, references_are_there
from xsn_acq.live.speckle_growing import Glimpse, GrowingSpeckle
from xsn_acq.live.speckle_reconstruction import reconstruct_speckle
from xsn_acq.live.speckle_settings import (
    UNKNOWN_RATIO,
    SpeckleChoices,
    entry,
    ratio_of,
)
from xsn_acq.live.volume import VolumeFile
from xsn_acq.storage.layout import DataFolder, results_uid
from xsn_acq.storage.run import RunRecord
from xsn_acq.storage.scans import records_of_series


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
            summary, warnings = volume.summary(), volume.warnings
        self._pixel_size_m = summary.pixel_size_m
        self.status = replace(self.status, pairs=len(summary.theta_deg))
        self._publish(summary.slices)
        self._tell(**with_warnings(ending_of(runs), warnings))

    def _tell_progress(self, stage: str, done: int, _: int) -> None:
        """Say how many fields of the volume there are, at most as often as slices are published."""
        if stage == "retrieval" and self._due:
            self._published_s = time.monotonic()
            self._tell(pairs=done)
