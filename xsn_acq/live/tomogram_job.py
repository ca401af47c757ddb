"""The live worker's work on an XSN tomogram: fields of pairs, orthoslices, the volume at its end."""

from dataclasses import replace
from pathlib import Path

from xsn_acq.analysis.pair_retrieval import PairField
from xsn_acq.analysis.xsn_stream import Preview
from xsn_acq.live.offline import ending, reconstruct
from xsn_acq.live.projection_job import ProjectionJob
from xsn_acq.live.reconstruction import GrowingReconstruction
from xsn_acq.live.results import ResultPublisher
from xsn_acq.live.scan import has_frames, scan_of_run
from xsn_acq.live.settings import expected_pairs, xsn_settings
from xsn_acq.live.volume import VolumeFile
from xsn_acq.storage.run import RunRecord


class TomogramJob(ProjectionJob[GrowingReconstruction]):
    """One tomogram, as far as its documents have come.

    After an error while the run goes on, the reconstruction is tried again from the store at the run's end.

    Parameters
    ----------
    record : RunRecord
        With its start document.
    folder : Path
        Of the run's results.
    publisher : ResultPublisher
    publish_every_s : float
        See `ProjectionJob`.

    Raises
    ------
    ReconstructionError
        When the start document does not say what a reconstruction must know.
    """

    needed = ("darks", "flats", "projections")

    def __init__(
        self, record: RunRecord, folder: Path, publisher: ResultPublisher, *, publish_every_s: float = 1.0
    ) -> None:
        super().__init__(
            record,
            folder,
            publisher,
            expected=expected_pairs(record.start),
            pixel_size_m=xsn_settings(record.start).pixel_size_m,
            publish_every_s=publish_every_s,
        )

    def _begin(self) -> GrowingReconstruction:
        return GrowingReconstruction(scan_of_run(self.record), self._folder, self.record)

    def _take_result(self, result: Preview | PairField) -> None:
        if isinstance(result, Preview):
            header = self._header("preview", "phi", "rad")
            self._publisher.send({**header, "theta_deg": result.theta_deg}, result.phi)
        else:
            self._unpublished = True

    def _finish(self) -> None:
        """Write the volume; with flats taken after the projections the fields are made anew with both."""
        self._tell(state="volume", pairs=self._pairs)
        if self._work is None or has_frames(self.record, "flats_after"):
            self.close()
            paths = reconstruct(self.record, self._folder)
        else:
            paths = self._work.finish()
        with VolumeFile(paths.volume) as volume:
            summary = volume.summary()
        self.close()
        self.status = replace(self.status, pairs=len(summary.theta_deg))
        self._publish(summary.slices)
        self._tell(**ending(self.record))
