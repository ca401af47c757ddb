"""Reconstruction of a speckle scan: fields angle by angle, in the store, and the volume at the end."""

import hashlib
import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

import numpy as np

from xsn_acq.closing import Closing
from xsn_acq.errors import ReconstructionError
from xsn_acq.live.executors import Executor, InProcess
from xsn_acq.live.fields import LOCK_NAME, FieldStore
from xsn_acq.live.lock import holding
from xsn_acq.live.reconstruction import Paths, Progress, require_room, tell
from xsn_acq.live.report import report_on
from xsn_acq.live.results import Status, write_status
from xsn_acq.live.settings import expected_projections, frame_shape
from xsn_acq.live.speckle_chunks import NUMBERS, Retrieved, plain_view, retrieve_views, speckle_job
from xsn_acq.live.speckle_ending import ending_of, number_of, with_warnings
from xsn_acq.live.speckle_frames import SpeckleFrames
from xsn_acq.live.speckle_preparing import Prepared, prepare
from xsn_acq.live.speckle_rmse import RmseSums
from xsn_acq.live.speckle_scan import SpeckleScan, View, speckle_scan
from xsn_acq.live.speckle_settings import SpeckleChoices, entry, slicing_of
from xsn_acq.live.speckle_warnings import of_fields
from xsn_acq.live.volume import FILE_NAME, VolumeFile
from xsn_acq.live.volume_writing import write_volume
from xsn_acq.storage.json_file import write_json
from xsn_acq.storage.run import RunRecord

PREPARED_NAME = "speckle.json"
RMSE_NAME = "rmse.npy"
CHUNK_VIEWS, _CHUNK_BYTES = 16, 512 * 2**20
"""Angles of a chunk, only the first of which starts from afar, and bytes of what comes of them, at most."""
_MAPS, _REAL_BYTES = 3, 4
SPARE_FIELDS = 8
_SAME_DEG = 1e-9


class SpeckleReconstruction(Closing):
    """From frames to the volume; fields that were retrieved before are taken from the store.

    Parameters
    ----------
    scan : SpeckleScan
    views : sequence of View
        By rising angle.
    folder : Path
        Of the scan's results.
    choices : SpeckleChoices, optional

    Attributes
    ----------
    prepared : Prepared
        What all its projections are retrieved with.

    Raises
    ------
    ReconstructionError, StorageError
        The scan lacks what is needed, or another process has the folder.
    """

    def __init__(
        self,
        scan: SpeckleScan,
        views: Sequence[View],
        folder: Path,
        choices: SpeckleChoices | None = None,
    ) -> None:
        self.scan, self._views, self._folder = scan, list(views), folder
        self._choices = choices or SpeckleChoices()
        self._slicing = slicing_of(scan.start, self._choices)
        shape, capacity = frame_shape(scan.start), len(self._views) + SPARE_FIELDS
        require_room(scan.positions[0], folder, capacity)
        with holding(folder / LOCK_NAME) as lock:
            known, self.prepared = self._prepare(shape)
            self.store = FieldStore(
                folder, known, capacity=capacity, shape=shape, iterations=1, numbers=NUMBERS, lock=lock
            )
        self._digest = known
        self._rmse = RmseSums(folder, known, shape)

    def _prepare(self, shape: tuple[int, int]) -> tuple[str, Prepared]:
        """Fingerprint of what the fields depend on, and what they are retrieved with, kept or found."""
        scan, views, folder, choices = self.scan, self._views, self._folder, self._choices
        with ExitStack() as opened:
            frames = [opened.enter_context(SpeckleFrames(each)) for each in scan.positions]
            _require_shape(scan, frames, shape)
            known = _digest(scan, views, frames, choices)
            kept = _kept(folder, known)
            return known, kept or _prepared(folder, known, scan, frames, views, choices)

    def retrieve(self, executor: Executor, progress: Progress | None = None) -> None:
        """Retrieve the fields of all angles that are not in the store yet.

        Raises
        ------
        StorageError
            When a frame cannot be read, or a field not written.
        """
        done = self.store.theta_deg
        left = [view for view in self._views if not np.any(np.abs(done - view.theta_deg) < _SAME_DEG)]
        total = len(self.store) + len(left)
        tell(progress, "retrieval", len(self.store), total)
        for fields in self._retrieved(left, executor):
            self._rmse.add((field.theta_deg, rmse) for field, rmse in fields)
            for field, _ in fields:
                self.store.append(field)
                tell(progress, "retrieval", len(self.store), total)

    def _retrieved(self, views: Sequence[View], executor: Executor) -> Iterator[list[Retrieved]]:
        """Fields of angles, chunk by chunk in any order."""
        job = speckle_job(self.scan, self.prepared, self._digest, threads=executor.threads)
        bytes_of_view = _MAPS * _REAL_BYTES * int(np.prod(self.store.shape))
        size = int(np.clip(_CHUNK_BYTES // bytes_of_view, 1, CHUNK_VIEWS))
        tasks = [
            (job, [plain_view(view) for view in views[first : first + size]])
            for first in range(0, len(views), size)
        ]
        return (fields for _, fields in executor.map(retrieve_views, tasks))

    @property
    def warnings(self) -> list[str]:
        """What a person must know of the result, one line each."""
        ratio = self.prepared.settings.beta_over_delta
        exposures = round(float(np.median([view.images for view in self._views])))
        return [*self.prepared.warnings, *of_fields(self.store.numbers, exposures, ratio)]

    def finish(
        self,
        executor: Executor,
        progress: Progress | None = None,
        runs: Sequence[RunRecord] = (),
    ) -> Paths:
        """Write the volume slab by slab, and its report: facts of the first run, how all of them ended.

        Raises
        ------
        ReconstructionError
            There are no fields.
        """
        path = self._folder / FILE_NAME
        if not len(self.store):
            raise ReconstructionError(f"run {self.scan.uid[:8]}: wanted fields, found none")
        if self._rmse.angles:
            np.save(self._folder / RMSE_NAME, self._rmse.map())
        write_volume(
            path,
            self.store,
            self._slicing,
            self._parameters() | _ended(runs),
            self.scan.start,
            executor=executor,
            progress=lambda done, total: tell(progress, "volume", done, total),
        )
        report_on(path, runs[0] if runs else None)
        return Paths(path, self.store.path)

    def _parameters(self) -> dict[str, object]:
        """All that the fields were made with, and what is to be known of them, as plain values."""
        prepared, start = self.prepared.plain(), self.scan.start
        settings = prepared.pop("settings")
        del prepared["seen"]  # speckle.json has it
        optics = settings.pop("optics")
        return {
            "technique": start["technique"],
            "pixel_size_m": entry(start, "pixel_size_m"),
            "wavelength_m": entry(start, "wavelength_m"),
            **{name: optics[name] for name in ("sample_to_diffuser_m", "diffuser_to_scintillator_m")},
            **settings,
            **prepared,
            "diffuser_positions": len({number_of(position.start) for position in self.scan.positions}),
            "rings": self._choices.rings,
            "background": self._choices.background,
            "rmse_angles": self._rmse.angles,
            "warnings": self.warnings,
        }

    def close(self) -> None:
        """Close the files."""
        self.store.close()


def reconstruct_speckle(
    runs: Sequence[RunRecord],
    folder: Path,
    *,
    choices: SpeckleChoices | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Paths:
    """Retrieve the fields of the runs of one series and write the volume.

    Parameters
    ----------
    runs : sequence of RunRecord
        One for each position of the diffuser, complete or as far as they went; of one position oldest first.
    folder : Path
        Results go here.
    choices : SpeckleChoices, optional
    executor : Executor, optional
        Where the work is done; in this process if not given.
    progress : callable, optional
        See `xsn_acq.live.reconstruction.Progress`.

    Raises
    ------
    ReconstructionError
        Runs are of another technique or series, or lack what is needed.
    StorageError
        When frames cannot be read, or results cannot be written.
    """
    if executor is None:
        with InProcess() as here:
            return reconstruct_speckle(runs, folder, choices=choices, executor=here, progress=progress)
    scan, views = speckle_scan(runs)
    with SpeckleReconstruction(scan, views, folder, choices) as work:
        work.retrieve(executor, progress)
        paths = work.finish(executor, progress, runs)
        fields = len(work.store)
    with VolumeFile(paths.volume) as volume:
        warnings = volume.warnings
    status = Status(
        scan.uid,
        frames=sum(view.images for view in views),
        pairs=fields,
        expected_pairs=expected_projections(scan.start),
        **with_warnings(ending_of(runs), warnings),
    )
    write_status(folder, status)
    return paths


def _ended(runs: Sequence[RunRecord]) -> dict[str, str]:
    """What the scan lacks by the end of its runs, for whoever reads the volume; nothing without runs."""
    return {"ended": ending_of(runs)["message"]} if runs else {}


def _prepared(
    folder: Path,
    known: str,
    scan: SpeckleScan,
    frames: Sequence[SpeckleFrames],
    views: Sequence[View],
    choices: SpeckleChoices,
) -> Prepared:
    """Prepare, and keep it beside the results."""
    prepared = prepare(scan.start, frames, views, choices)
    write_json(folder / PREPARED_NAME, {"digest": known, **prepared.plain()}, "what a scan is retrieved with")
    return prepared


def _kept(folder: Path, known: str) -> Prepared | None:
    """What an earlier call prepared of the same frames and choices."""
    try:
        plain = json.loads((folder / PREPARED_NAME).read_text(encoding="utf-8"))
        return Prepared.from_plain(plain) if plain["digest"] == known else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ReconstructionError):
        return None


def _require_shape(scan: SpeckleScan, frames: Sequence[SpeckleFrames], shape: tuple[int, int]) -> None:
    for position, each in zip(scan.positions, frames, strict=True):
        if each.dark.shape != shape:
            raise ReconstructionError(
                f"run {position.uid[:8]}: wanted frames of {shape} pixels as the start document says, "
                f"found {each.dark.shape}"
            )


def _digest(
    scan: SpeckleScan, views: Sequence[View], frames: Sequence[SpeckleFrames], choices: SpeckleChoices
) -> str:
    """Fingerprint of all that the fields depend on, apart from the pixels of the projections."""
    images = [
        zlib.crc32(image.tobytes())
        for each in frames
        for image in (each.dark, *each.flats, *(reference.image for reference in each.references))
    ]
    acquisition = scan.start["acquisition"]
    chosen = [
        choices.mode,
        choices.beta_over_delta,
        choices.diffuser_phase,
        choices.mu,
        choices.axis_column,
    ]
    uids = [position.uid for position in scan.positions]
    angles = [plain_view(view) for view in views]
    times_s = [reference.time_s for each in frames for reference in each.references]
    known = [version("xsn_acq"), uids, acquisition, chosen, images, angles, times_s]
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
