"""Synthetic runs: documents as the XSN plan emits them, and real, growing frame files.

`SyntheticRun.play` is a generator: frames are in their file before the documents that announce them come out,
so that whoever takes them one by one sees a run in progress.
"""

import itertools
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from event_model import ComposeRunBundle, compose_run
from frame_files import FrameFile

from xsn_acq.config import load_beamline
from xsn_acq.units import wavelength_m

Document = tuple[str, dict[str, Any]]
T0 = 1_793_600_000.0
ENERGY_EV = 8333.0
KEY = "camera_image"

LEDGER_KEYS = {
    "target": "integer",
    "train": "integer",
    "pulse": "integer",
    "frame_index": "integer",
    "theta_deg": "number",
    "theta_mid_deg": "number",
    "pulse_time": "number",
    "frame_time": "number",
    "residual_s": "number",
    "ring_current_ma": "number",
    "status": "string",
}
SUMMARY_KEYS = {
    "pulses": "integer",
    "captured": "integer",
    "counted": "integer",
    "written": "integer",
    "lost": "integer",
    "retaken": "integer",
    "complete": "integer",
    "message": "string",
}


def data_keys(kinds: dict[str, str]) -> dict[str, Any]:
    numpy_types = {"integer": "<i8", "number": "<f8", "string": "<U16"}
    return {
        key: {"source": "ledger", "dtype": kind, "shape": [], "dtype_numpy": numpy_types[kind]}
        for key, kind in kinds.items()
    }


@dataclass
class SyntheticRun:
    """What the run is; ``dark``, ``flat`` and ``projection`` make its frames (ny, nx), noise by default.

    ``lost`` targets have no frame in the first train and are taken again in a second one, unless ``retake``
    is False; frames of ``flagged`` targets have that status and are taken again too.
    """

    projections: int = 12
    darks: int = 2
    flats: int = 3
    flats_after: int = 0
    references: int = 0
    references_after: int = 0
    shape: tuple[int, int] = (10, 16)
    span_deg: float = 360.0
    start_deg: float = 0.0
    exposure_s: float = 0.02
    lost: tuple[int, ...] = ()
    flagged: tuple[int, ...] = ()
    retake: bool = True
    per_flush: int = 5
    seed: int = 1
    uid: str | None = None
    time_s: float = T0
    acquisition: dict[str, Any] = field(default_factory=dict)
    """Entries that replace those of the start document's ``acquisition``."""
    dark: Callable[[int], np.ndarray] | None = None
    flat: Callable[[int], np.ndarray] | None = None
    reference: Callable[[int], np.ndarray] | None = None
    projection: Callable[[int, float], np.ndarray] | None = None
    """(frame index in the file, angle in mid-exposure in degrees) -> frame."""

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(self.seed)
        self.uid = self.uid or str(uuid.UUID(bytes=self._random.bytes(16), version=4))
        self._clock = self.time_s

    @property
    def step_deg(self) -> float:
        return self.span_deg / self.projections

    @property
    def period_s(self) -> float:
        return self.exposure_s + 0.0114

    def theta_deg(self, target: int) -> float:
        return self.start_deg + target * self.step_deg

    def theta_mid_deg(self, target: int) -> float:
        return self.theta_deg(target) + self.step_deg / self.period_s * self.exposure_s / 2

    def start_metadata(self) -> dict[str, Any]:
        beamline = load_beamline("pls2-7c-xni")
        curve = beamline.calibration.knife_edge
        ny, nx = self.shape
        acquisition = {
            "energy_ev": ENERGY_EV,
            "wavelength_m": wavelength_m(ENERGY_EV),
            "pixel_size_m": beamline.pixel_size_m(ENERGY_EV, 2),
            "numerical_aperture": beamline.zone_plate.numerical_aperture(ENERGY_EV),
            "cutoff_per_m": 0.0,
            "cutoff_passes": "positive",
            "axis_column": (nx - 1) / 2 + 0.25,
            "binning": 2,
            "roi": [1600 - nx, 1600 - ny, 2 * nx, 2 * ny],
            "frame_shape": [ny, nx],
            "exposure_s": self.exposure_s,
            "frame_period_s": self.period_s,
            "velocity_deg_s": self.step_deg / self.period_s,
            "step_deg": self.step_deg,
            "magnification": beamline.magnification(ENERGY_EV),
            "sample_to_scintillator_m": beamline.total_length_m(),
            "knife_edge": {
                "frequency_per_m": [f * 1e6 for f in curve.frequency_per_um],
                "transmitted": list(curve.transmitted),
            },
            "expected": {"darks": self.darks, "flats": self.flats, "projections": self.projections},
        }
        return {
            "plan_name": "xsn_tomography",
            "technique": "xsn",
            "params": {"projections": self.projections, "exposure_s": self.exposure_s, "note": ""},
            "beamline": beamline.model_dump(mode="json"),
            "acquisition": acquisition | self.acquisition,
            "note": "",
            "scan_id": 1,
        }

    def play(self, frames_root: Path) -> Iterator[Document]:
        """Documents of the run; its files go to ``frames_root/<uid8>``."""
        bundle = compose_run(uid=self.uid, time=self.time_s, metadata=self.start_metadata())
        yield "start", dict(bundle.start_doc)
        folder = frames_root / bundle.start_doc["uid"][:8]
        for stream, count, make in (
            ("darks", self.darks, self._dark),
            ("flats", self.flats, self._flat),
            ("references", self.references, self._reference),
        ):
            if count:
                yield from self._plain_stream(bundle, folder, stream, [make] * count)
        yield from self._fly(bundle, folder)
        for stream, count, make in (
            ("flats_after", self.flats_after, self._flat),
            ("references_after", self.references_after, self._reference),
        ):
            if count:
                yield from self._plain_stream(bundle, folder, stream, [make] * count)
        yield "stop", dict(bundle.compose_stop(time=self._clock))

    def journal(self, frames_root: Path, sink: Callable[[str, dict[str, Any]], None]) -> str:
        """Play the whole run into ``sink`` (a `Journal`); the run's uid."""
        uid = ""
        for name, doc in self.play(frames_root):
            uid = uid or doc["uid"]
            sink(name, doc)
        return uid

    def _dark(self, index: int) -> np.ndarray:
        return self.dark(index) if self.dark else self._random.normal(100, 2, self.shape)

    def _flat(self, index: int) -> np.ndarray:
        return self.flat(index) if self.flat else self._random.normal(1100, 30, self.shape)

    def _reference(self, index: int) -> np.ndarray:
        return self.reference(index) if self.reference else self._random.normal(1000, 100, self.shape)

    def _projection(self, index: int, theta_deg: float) -> np.ndarray:
        return (
            self.projection(index, theta_deg) if self.projection else self._random.normal(900, 30, self.shape)
        )

    def _now(self) -> float:
        self._clock += self.period_s
        return self._clock

    def _camera_stream(
        self, bundle: ComposeRunBundle, path: Path, stream: str
    ) -> tuple[list[Document], Callable[[int, int], Document]]:
        """Descriptor and resource documents of a camera stream, and what announces frames of it."""
        ny, nx = self.shape
        key = {
            "source": "PV",
            "dtype": "array",
            "shape": [ny, nx],
            "dtype_numpy": "<u2",
            "external": "STREAM:",
        }
        descriptor = bundle.compose_descriptor(
            name=stream, data_keys={KEY: key}, object_keys={"camera": [KEY]}, time=self._clock
        ).descriptor_doc
        assert bundle.compose_stream_resource is not None
        resource, compose_datum = bundle.compose_stream_resource(
            mimetype="application/x-hdf5",
            uri=f"file://localhost{path}",
            data_key=KEY,
            parameters={"dataset": "entry/data/data", "chunk_shape": [1, ny, nx]},
        )

        def announce(start: int, stop: int) -> Document:
            return "stream_datum", dict(
                compose_datum(
                    indices={"start": start, "stop": stop},
                    seq_nums={"start": start + 1, "stop": stop + 1},
                    descriptor=descriptor,
                )
            )

        return [("descriptor", dict(descriptor)), ("stream_resource", dict(resource))], announce

    def _plain_stream(
        self, bundle: ComposeRunBundle, folder: Path, stream: str, makers: list[Callable[[int], np.ndarray]]
    ) -> Iterator[Document]:
        file = FrameFile(folder / f"{stream}.h5", self.shape)
        documents, announce = self._camera_stream(bundle, file.path, stream)
        for index, make in enumerate(makers):
            file.append(_counts(make(index)), self._now())
        yield from documents
        yield announce(0, len(makers))
        file.close()

    def _fly(self, bundle: ComposeRunBundle, folder: Path) -> Iterator[Document]:
        file = FrameFile(folder / "projections.h5", self.shape)
        documents, announce = self._camera_stream(bundle, file.path, "projections")
        ledger = bundle.compose_descriptor(
            name="ledger",
            data_keys=data_keys(LEDGER_KEYS),
            object_keys={"ledger": list(LEDGER_KEYS)},
            time=self._clock,
        )
        yield from documents
        yield "descriptor", dict(ledger.descriptor_doc)
        rows = self._rows()
        written = seq_num = 0
        for batch in _batches(rows, self.per_flush):
            first = written
            for row in batch:
                if row["frame_index"] >= 0:
                    file.append(_counts(self._projection(written, row["theta_mid_deg"])), row["frame_time"])
                    written += 1
            if written > first:
                yield announce(first, written)
            yield "event_page", _page(ledger, batch, seq_num)
            seq_num += len(batch)
        file.close()
        yield from self._summary(bundle, rows, written)

    def _rows(self) -> list[dict[str, Any]]:
        """Ledger rows of the first train and of the retakes, in order of time."""
        trains = [list(range(self.projections))]
        again = sorted({*self.lost, *self.flagged})
        if again and self.retake:
            trains.append(again)
        rows, frames = [], itertools.count()
        for train, targets in enumerate(trains):
            for pulse, target in enumerate(targets):
                pulse_time, first = self._now(), train == 0
                lost = first and target in self.lost
                status = "lost" if lost else "flagged" if first and target in self.flagged else "ok"
                rows.append(
                    {
                        "target": target,
                        "train": train,
                        "pulse": pulse,
                        "frame_index": -1 if lost else next(frames),
                        "theta_deg": self.theta_deg(target),
                        "theta_mid_deg": self.theta_mid_deg(target),
                        "pulse_time": pulse_time,
                        "frame_time": float("nan") if lost else pulse_time + self.period_s,
                        "residual_s": float("nan") if lost else 0.0,
                        "ring_current_ma": 400.0 - 0.01 * len(rows),
                        "status": status,
                    }
                )
        return rows

    def _summary(
        self, bundle: ComposeRunBundle, rows: list[dict[str, Any]], written: int
    ) -> Iterator[Document]:
        good = {row["target"] for row in rows if row["status"] == "ok"}
        data = {
            "pulses": len(rows),
            "captured": len(rows),
            "counted": written,
            "written": written,
            "lost": len(self.lost),
            "retaken": sum(row["train"] > 0 for row in rows),
            "complete": int(len(good) == self.projections),
            "message": "",
        }
        descriptor = bundle.compose_descriptor(
            name="ledger_summary",
            data_keys=data_keys(SUMMARY_KEYS),
            object_keys={"ledger": list(SUMMARY_KEYS)},
            time=self._clock,
        )
        yield "descriptor", dict(descriptor.descriptor_doc)
        yield "event_page", _page(descriptor, (data,), 0)


def _counts(frame: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(frame), 0, 65535).astype(np.uint16)


def _page(bundle: Any, rows: tuple[dict[str, Any], ...], seq_num: int) -> dict[str, Any]:
    """An event page of ledger rows."""
    times = [row.get("pulse_time", T0) for row in rows]
    return {
        "uid": [f"{bundle.descriptor_doc['uid'][:8]}-{seq_num + 1 + i}" for i in range(len(rows))],
        "descriptor": bundle.descriptor_doc["uid"],
        "time": times,
        "seq_num": [seq_num + 1 + i for i in range(len(rows))],
        "data": {key: [row[key] for row in rows] for key in rows[0]},
        "timestamps": dict.fromkeys(rows[0], times),
        "filled": {},
    }


def _batches(rows: list[dict[str, Any]], size: int) -> Iterator[tuple[dict[str, Any], ...]]:
    for start in range(0, len(rows), size):
        yield tuple(rows[start : start + size])
