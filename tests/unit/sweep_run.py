"""Synthetic runs of structured illumination: documents and files as plan and detectors write them.

Images have Poisson noise; spectra are drawn by the simulator's spectrometer, with other shapes and energies
than a fit starts with. What is exposed is in `sweep_scene`.
"""

import uuid
from dataclasses import dataclass, field, fields, replace

import h5py
import numpy as np
from documents import T0, data_keys
from event_model import compose_run
from sweep_scene import FILE, SIDE, VORTEX, scene, shapes

from xsn_acq.devices.xspress3 import SCALERS as DATASETS
from xsn_acq.live.sweep import GrowingSweep
from xsn_acq.optics.xspress3 import SCALERS
from xsn_acq.params import StructuredIllumination
from xsn_acq.plans.pattern_rows import PatternRow
from xsn_acq.sim.spectrometer import Electronics, counted
from xsn_acq.storage.run import RunRecord

DARK = 100.0
PHOTONS = 1500.0
"""In a pixel of an image without sample, mean."""
EXPOSURE_S = 0.5
MONITOR_S = 2e6
CURRENT_MA = 500.0
NUMBERS = [each.name for each in fields(PatternRow)]
KINDS = {int: "integer", float: "number", str: "string"}


@dataclass
class SweepRun:
    """A sweep; ``per_flush`` exposures are announced at once.

    ``faults`` tells by (kind, pattern), kind ``in`` or ``out``, what goes wrong there: ``no frame``,
    ``glare``, ``shut``, ``no spectrum``, ``hot``, ``scalers``, ``monitor``, ``flagged``; by
    ("shown", kind, pattern) the pattern whose image is there instead. ``more`` goes to the parameters.
    """

    lines: int = 4
    per_line: int = 10
    blocks: int = 2
    per_flush: int = 5
    passes: str = "pairs"
    library: str = ""
    faults: dict = field(default_factory=dict)
    monitor: bool = True
    references: bool = True
    more: dict = field(default_factory=dict)
    energy_ev: float = 9000.0
    pixel_size_m: float = 30e-9
    detector_z_mm: float = 0.0
    exposure_s: float = EXPOSURE_S
    seed: int = 1
    uid: str | None = None
    exit_status: str = "success"

    def __post_init__(self):
        self._random = np.random.default_rng(self.seed)
        self.uid = self.uid or str(uuid.UUID(bytes=self._random.bytes(16), version=4))
        self.scene = scene(self.lines, self.per_line, self.blocks)
        self.exposed = 0
        self.light = np.ones(self.lines * self.per_line)

    def usual_light(self, good=slice(None)):
        """Median over patterns of their mean while spectra were counted."""
        return np.median((self.light * self.scene.out.mean(axis=(1, 2)))[good])

    def counts(self, good=slice(None)):
        """Counts a second, (3, n), that patterns would give if all had the usual light."""
        means = self.scene.out.mean(axis=(1, 2))
        return (self.scene.rates * self.usual_light(good) / means)[:, good]

    def maps(self, good=slice(None)):
        """Counts a second of a pixel, (3, ny, nx), under the usual light."""
        return self.scene.maps * self.usual_light(good)

    @property
    def params(self):
        given = {
            "passes": self.passes,
            "library": self.library,
            "lines": self.lines,
            "per_line": self.per_line,
            "lines_per_block": self.lines // self.blocks,
            "exposure_s": self.exposure_s,
            "references_every": int(self.references),
            "readout_port": "3",
        }
        return StructuredIllumination(**given | self.more)

    def start(self):
        params = self.params
        return {
            "plan_name": "structured_illumination",
            "technique": "nxsci",
            "params": params.model_dump(mode="json"),
            "beamline": FILE.model_dump(mode="json"),
            "note": "",
            "scan_id": 1,
            "acquisition": {
                "energy_ev": self.energy_ev,
                "pixel_size_m": self.pixel_size_m,
                "detector_z_mm": self.detector_z_mm,
                "exposure_s": self.exposure_s,
                "frame_shape": [SIDE, SIDE],
                "elements": list(params.elements),
                "patterns": params.patterns,
                "vortex": VORTEX.model_dump(mode="json"),
                "expected": {"darks": 3, "patterns": 0, "spectra": params.patterns + params.references},
            },
        }

    def segments(self):
        """(kind, block, pattern) in the order of the plan."""
        size = self.lines * self.per_line // self.blocks
        for block in range(self.blocks):
            numbers = range(block * size, (block + 1) * size)
            kinds = ("in", "out") if self.passes == "pairs" else (self.passes,)
            if self.references and self.passes != "out":
                yield "reference", block, 0
            for kind in kinds[:: -1 if block % 2 else 1]:
                yield from ((kind, block, number) for number in numbers)

    def play(self, root):
        """Documents; frames and spectra are in their files before they are announced."""
        bundle = compose_run(uid=self.uid, time=T0, metadata=self.start())
        yield "start", dict(bundle.start_doc)
        folder = root / self.uid[:8]
        folder.mkdir(parents=True)
        darks = Stream(bundle, folder / "darks.h5", "darks", {"camera_image": (SIDE, SIDE)})
        darks.append(camera_image=[self._random.poisson(DARK, (SIDE, SIDE)) for _ in range(3)])
        yield from darks.documents()
        yield darks.announced()[0]
        darks.close()
        frames = Stream(bundle, folder / "patterns.h5", "patterns", {"camera_image": (SIDE, SIDE)})
        keys = {"vortex_spectra": (1, VORTEX.bins)} | {f"vortex_{name}": () for name in SCALERS}
        spectra = Stream(bundle, folder / "spectra.h5", "spectra", keys)
        points = rows_stream(bundle, "points", PatternRow)
        streams = (frames, spectra) if self.passes != "out" else (frames,)
        for stream in streams:
            yield from stream.documents()
        yield "descriptor", dict(points.descriptor_doc)
        segments = list(self.segments())
        for first in range(0, len(segments), self.per_flush):
            taken = segments[first : first + self.per_flush]
            rows = [row for segment in taken for row in self._expose(*segment, frames, spectra)]
            for stream in streams:
                yield from stream.announced()
            yield "event_page", page(points, rows, first)
        for stream in streams:
            stream.close()
        yield "stop", dict(bundle.compose_stop(exit_status=self.exit_status))

    def _expose(self, kind, block, number, frames, spectra):
        """Rows of an exposure; one with the fault ``flagged`` is taken again."""
        fault = self.faults.get((kind, number), "")
        self.exposed += 1
        light = 1.0 - 0.002 * self.exposed  # the beam fades, faster than the ring current
        sample = kind != "out"
        if kind == "in":
            self.light[number] = light
        shown = self.faults.get(("shown", kind, number), number)
        image, rates = (self.scene.within if sample else self.scene.out)[shown], self.scene.rates[:, number]
        places = dict.fromkeys(NUMBERS, 0.0)
        row = PatternRow(**places | {"pattern": number, "kind": kind, "block": block, "status": "ok"})
        row = replace(
            row,
            frame=-1,
            spectrum=-1,
            setting=0,
            beam_counts_s=MONITOR_S * light if self.monitor and fault != "monitor" else 0.0,
            ring_current_ma=CURRENT_MA * light,
            ended=T0 + self.exposed,
        )
        if fault != "no frame":
            taken = DARK + self._random.poisson(PHOTONS * light * self.exposure_s / EXPOSURE_S * image)
            taken = np.minimum(40 * taken, 65535) if fault == "glare" else taken
            taken = self._random.poisson(DARK, taken.shape) if fault == "shut" else taken
            row = replace(row, frame=frames.append(camera_image=[taken]))
        if sample and fault != "no spectrum":
            row = replace(row, spectrum=self._count(spectra, rates * light, fault))
        if -1 in (row.frame, row.spectrum if sample else 0):
            row = replace(row, status="missing")
        if fault == "flagged":
            del self.faults[kind, number]
            again = self._expose(kind, block, number, frames, spectra)
            return [replace(row, status="flagged"), *again]
        return [row]

    def _count(self, spectra, rates, fault):
        """Spectrum and scalers; ``hot``: so many counts that the detector is saturated."""
        sent = np.array([*rates, 900.0, 1500.0, 8000.0, 4000.0, 1500.0]) * (40.0 if fault == "hot" else 1.0)
        settings = Electronics(VORTEX.dead_time_s)
        found = counted(sent @ shapes(), self.exposure_s, settings, VORTEX.ev_per_bin, self._random)
        scalers = np.zeros(len(SCALERS)) if fault == "scalers" else found.scalers
        values = {f"vortex_{name}": [value] for name, value in zip(SCALERS, scalers, strict=True)}
        return spectra.append(vortex_spectra=[found.spectrum[None]], **values)


class Stream:
    """One file of a detector, as areaDetector writes it, and the documents that announce it."""

    def __init__(self, bundle, path, name, keys):
        self.path, self._bundle, self._keys = path, bundle, keys
        self._file = h5py.File(path, "w-", libver="latest")
        self._data, self._composed, self._resources = {}, {}, []
        image = next(iter(keys))
        scalar = image == "vortex_spectra"
        described = {}
        for key, shape in keys.items():
            dataset = "entry/data/data"
            if key != image:
                dataset = f"entry/instrument/NDAttributes/{DATASETS[key.removeprefix('vortex_')]}"
            kind = "u4" if scalar and shape else "u2" if shape else "f8"
            self._data[key] = self._file.create_dataset(
                dataset,
                (0, *shape),
                maxshape=(None, *shape),
                chunks=(1, *shape) if shape else (64,),
                dtype=kind,
            )
            described[key] = {
                "source": "PV", "dtype": "array" if shape else "number", "shape": list(shape),
                "dtype_numpy": f"<{kind}", "external": "STREAM:",
            }  # fmt: skip
            resource, datum = bundle.compose_stream_resource(
                mimetype="application/x-hdf5", uri=f"file://localhost{path}", data_key=key,
                parameters={"dataset": dataset, "chunk_shape": [1, *shape]},
            )  # fmt: skip
            self._resources.append(dict(resource))
            self._composed[key] = datum
        self._file.swmr_mode = True
        self._descriptor = bundle.compose_descriptor(
            name=name, data_keys=described, object_keys={name: list(keys)}, time=T0
        ).descriptor_doc
        self._announced = 0

    def append(self, **values):
        """Add frames; number of the last one."""
        for key, new in values.items():
            data = self._data[key]
            data.resize(len(data) + len(new), axis=0)
            data[-len(new) :] = np.asarray(new)
        return len(data) - 1

    def documents(self):
        yield "descriptor", dict(self._descriptor)
        yield from (("stream_resource", resource) for resource in self._resources)

    def announced(self):
        first, last = self._announced, len(next(iter(self._data.values())))
        self._announced = last
        self._file.flush()
        if last == first:
            return []
        span = {"start": first, "stop": last}
        counts = {"start": first + 1, "stop": last + 1}
        return [
            ("stream_datum", dict(datum(indices=span, seq_nums=counts, descriptor=self._descriptor)))
            for datum in self._composed.values()
        ]

    def close(self):
        self._file.close()


def rows_stream(bundle, name, kind):
    """Descriptor of a stream of rows."""
    kinds = {each.name: KINDS.get(each.type, "string") for each in fields(kind)}
    return bundle.compose_descriptor(
        name=name, data_keys=data_keys(kinds), object_keys={name: list(kinds)}, time=T0
    )


def page(points, rows, first):
    """Event page of rows."""
    data = {each.name: [getattr(row, each.name) for row in rows] for each in fields(PatternRow)}
    numbers = [first + n + 1 for n in range(len(rows))]
    return {
        "uid": [f"{points.descriptor_doc['uid'][:8]}-{n}" for n in numbers],
        "descriptor": points.descriptor_doc["uid"],
        "time": data["ended"],
        "seq_num": numbers,
        "data": data,
        "timestamps": dict.fromkeys(data, data["ended"]),
        "filled": {},
    }


def played(run, root):
    """The record of a whole run."""
    return RunRecord.from_documents(run.play(root))


def grown(record, library=None):
    """All that a whole run brings in, read as live reconstruction reads it; close it."""
    growing = GrowingSweep(record, library)
    growing.push(record.rows("points"))
    growing.settle(final=True)
    return growing
