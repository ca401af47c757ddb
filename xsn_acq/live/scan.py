"""What a reconstruction must know of a measured scan, as plain values: of a run, or of a file.

All of it can be written as JSON and read in another process or on another machine that sees the same files.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from xsn_acq.errors import ReconstructionError
from xsn_acq.live.expected import frames_expected
from xsn_acq.storage.frames import DATASET, path_of
from xsn_acq.storage.run import Row, RunRecord

FLATS = ("flats", "flats_after")
REFERENCES = ("references", "references_after")
"""Streams of the diffuser's speckle without the sample, before and after the projections."""
BETWEEN = "reference_spans"
"""Stream whose rows name references among the frames of the projections' own file."""


@dataclass(frozen=True)
class ScanRow:
    """One good projection: index in its file, angle in mid-exposure in degrees, time in seconds."""

    index: int
    theta_deg: float
    time_s: float


@dataclass(frozen=True)
class FrameSet:
    """Frames of one kind.

    Attributes
    ----------
    path, dataset : str
        HDF5 file, and where in it the stack (n, ny, nx) is.
    spans : tuple of (start, stop)
        Which frames of the stack; empty for projections, whose rows say it.
    time_s : float
        When they were taken: flats lie between others.
    """

    path: str
    dataset: str
    spans: tuple[tuple[int, int], ...] = ()
    time_s: float = 0.0

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Self:
        """Read back what `Scan.plain` made of it."""
        return cls(**plain | {"spans": tuple((start, stop) for start, stop in plain["spans"])})


@dataclass(frozen=True)
class Scan:
    """A scan, as far as it is known.

    Attributes
    ----------
    start : dict
        Start document, or what stands for it: ``uid``, ``technique``, ``acquisition``, ``note``.
    darks, projections : FrameSet
    flats : tuple of FrameSet
        In order of time. With more than one, the flat of a projection lies between its neighbours in time.
    frames_to_come : int
        Frames that are still to be written to the same disk.
    references : tuple of FrameSet
        Speckle of the diffuser alone, in order of time; empty where there is no diffuser after the sample.
    fingerprint : str
        Of what the frames' names do not tell, such as the angles of a file.
    """

    start: dict[str, Any]
    darks: FrameSet
    flats: tuple[FrameSet, ...]
    projections: FrameSet
    frames_to_come: int = 0
    fingerprint: str = ""
    references: tuple[FrameSet, ...] = ()

    @property
    def uid(self) -> str:
        """The scan's uid."""
        return str(self.start["uid"])

    def plain(self) -> dict[str, Any]:
        """All that another process needs to read the frames, as values that JSON knows."""
        return {
            "start": {"uid": self.uid},
            "darks": asdict(self.darks),
            "flats": [asdict(flat) for flat in self.flats],
            "projections": asdict(self.projections),
            "references": [asdict(reference) for reference in self.references],
        }

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Self:
        """Read back what `plain` made; of the start document the uid alone is left."""
        return cls(
            plain["start"],
            FrameSet.from_plain(plain["darks"]),
            tuple(FrameSet.from_plain(flat) for flat in plain["flats"]),
            FrameSet.from_plain(plain["projections"]),
            references=tuple(FrameSet.from_plain(reference) for reference in plain["references"]),
        )


def good_rows(rows: Sequence[Row]) -> list[Row]:
    """Rows of the ledger whose frame is there and beyond doubt."""
    return [row for row in rows if row["status"] == "ok" and row["frame_index"] >= 0]


def scan_row(row: Row) -> ScanRow:
    """Return what a reconstruction needs of a ledger row."""
    return ScanRow(int(row["frame_index"]), float(row["theta_mid_deg"]), float(row["frame_time"]))


def has_frames(record: RunRecord, stream: str) -> bool:
    """Whether frames of a stream are announced."""
    return stream in record.streams and record.streams[stream].n_frames > 0


def scan_of_run(record: RunRecord, span_s: tuple[float, float] | None = None) -> Scan:
    """Take the scan out of a run's record.

    Parameters
    ----------
    record : RunRecord
        Of a run whose darks and (unless they come after) flats are announced.
    span_s : (float, float), optional
        Times of the first and last projection, seconds. With it flats of both ends are used, and the flat of
        a frame lies between both, in proportion to its time; else there is one flat for all, the first.

    Raises
    ------
    ReconstructionError
        When there are no darks, no flats or no projections.
    """
    names = [name for name in FLATS if has_frames(record, name)]
    if not names:
        _require_frames(record, "flats")
    ends = dict(zip(FLATS, span_s or (0.0, 0.0), strict=True))
    expected = frames_expected(record.start)
    taken = sum(record.streams[name].n_frames for name in expected if name in record.streams)
    return Scan(
        start=record.start,
        darks=frame_set(record, "darks"),
        flats=tuple(frame_set(record, name, ends[name]) for name in (names if span_s else names[:1])),
        projections=frame_set(record, "projections"),
        frames_to_come=0 if record.complete else max(0, sum(expected.values()) - taken),
        references=references_of(record, span_s),
    )


def references_of(record: RunRecord, span_s: tuple[float, float] | None = None) -> tuple[FrameSet, ...]:
    """References that a run has so far, in order of time: before, between and after its projections.

    Sets that are not whole, or were interrupted, are left out: they may be dark in part.

    ``span_s``: times of the first and last projection, which stand for those of the sets before and after.
    """
    ends = dict(zip(REFERENCES, span_s or (0.0, 0.0), strict=True))
    found = [frame_set(record, name, ends[name]) for name in REFERENCES if _are_whole(record, name)]
    if has_frames(record, "projections"):
        whole = frame_set(record, "projections")
        for row in record.rows(BETWEEN):
            first = int(row["first_frame"])
            span = (first, first + int(row["frames"]))
            found.append(replace(whole, spans=(span,), time_s=float(row["time_s"])))
    return tuple(sorted(found, key=lambda each: each.time_s))


def _are_whole(record: RunRecord, stream: str) -> bool:
    """Whether references are there, and neither they nor, before all were taken, their run was cut."""
    if not has_frames(record, stream) or stream in record.spoilt:
        return False
    wanted = record.start.get("acquisition", {}).get("expected", {}).get("references", 1)
    ended_well = record.stop is not None and record.stop.get("exit_status") == "success"
    return ended_well or record.streams[stream].n_frames >= wanted


def span_of(rows: Sequence[ScanRow]) -> tuple[float, float] | None:
    """Return the times of the first and the last projection, seconds; None without rows."""
    times = [row.time_s for row in rows]
    return (min(times), max(times)) if times else None


def frame_set(record: RunRecord, stream: str, time_s: float = 0.0) -> FrameSet:
    """All frames of a stream.

    Raises
    ------
    ReconstructionError
        When there are none.
    """
    _require_frames(record, stream)
    info = record.streams[stream]
    resource = info.resource
    dataset = resource.get("parameters", {}).get("dataset", DATASET).strip("/")
    return FrameSet(str(path_of(resource)), dataset, ((0, info.n_frames),), time_s)


def _require_frames(record: RunRecord, stream: str) -> None:
    if not has_frames(record, stream):
        raise ReconstructionError(
            f"run {record.uid[:8]}: wanted {stream}, found none; the run ended too early to be reconstructed"
        )


def optical_axis(start: Mapping[str, Any]) -> tuple[float, float]:
    """Row and column of the frame, pixel centres at integers, where the optical axis meets it.

    The middle of the sensor: there an image stays when the magnification changes.
    """
    acquisition, detection = start["acquisition"], start["beamline"]["detection"]
    min_x, min_y, _, _ = acquisition["roi"]
    binning = int(acquisition["binning"])
    row = ((detection["sensor_rows"] - 1) / 2 - min_y - (binning - 1) / 2) / binning
    column = ((detection["sensor_columns"] - 1) / 2 - min_x - (binning - 1) / 2) / binning
    return float(row), float(column)
