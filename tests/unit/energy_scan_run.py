"""Synthetic energy scans: documents as the plan emits them, real frame files, an absorbance that is known."""

from dataclasses import dataclass, fields

import numpy as np
from documents import T0, SyntheticRun, data_keys
from event_model import compose_run
from frame_files import FrameFile
from scipy import ndimage
from scipy.special import ndtr

from xsn_acq.config import load_beamline
from xsn_acq.plans.energy_rows import EnergyPoint

BEAMLINE = load_beamline("pls2-7c-xni")
EDGE_EV = 8344.0
_KINDS = {int: "integer", float: "number", str: "string"}


def absorption(energy_ev):
    """An edge of height 1 on 0.5: half way up at `EDGE_EV`."""
    return 0.5 + ndtr((np.asarray(energy_ev) - EDGE_EV) / 2.6)


@dataclass
class EnergyScanRun(SyntheticRun):
    """Frames and flats at each energy, ``repeats`` times; flats only at ``flats_at``, all when None.

    A blob of absorbance ``thickness`` times `absorption`; light of 20000 counts that is uneven, drifts by
    ``drift`` from one flat to the next, and goes with the ring current. ``moves_px`` (rows, columns) by which
    the image walks at each energy.
    """

    energies_ev: tuple[float, ...] = tuple(float(e) for e in range(8313, 8374, 4))
    shape: tuple[int, int] = (48, 64)
    thickness: float = 0.3
    frames: int = 4
    flats_at: tuple[int, ...] | None = None
    flats_first: bool = True
    moves_px: tuple[float, float] = (0.0, 0.0)
    drift: float = 0.0
    regions: tuple[tuple[str, tuple[int, int, int, int]], ...] = (("core", (28, 20, 8, 8)),)

    def start_metadata(self):
        start = super().start_metadata()
        sizes = [BEAMLINE.pixel_size_m(energy, 2) for energy in self.energies_ev]
        places = sum(1 for _ in self.places())
        more = {
            "energies_ev": list(self.energies_ev),
            "pixel_sizes_m": sizes,
            "expected": {"darks": self.darks, "stills": places * self.frames},
        }
        return start | {
            "plan_name": "energy_scan",
            "technique": "xanes",
            "params": {"regions": {name: list(box) for name, box in self.regions}, "exposure_s": 0.5},
            "acquisition": start["acquisition"] | more,
        }

    def places(self):
        """(energy, kind) in the order of the scan."""
        for number, energy in enumerate(self.energies_ev):
            if self.flats_at is not None and number not in self.flats_at:
                yield energy, "projection"
                continue
            kinds = ("flat", "projection") if self.flats_first else ("projection", "flat")
            yield from ((energy, kind) for kind in kinds)

    def truth(self, energy_ev):
        """Absorbance (ny, nx) at an energy, where it lies at the first one."""
        ny, nx = self.shape
        y, x = np.mgrid[:ny, :nx] - np.array([(ny - 1) / 2, (nx - 1) / 2])[:, None, None]
        blob = np.exp(-0.5 * (np.hypot(y, 0.7 * x + 0.2 * y) / 8.0) ** 4)
        grains = ndimage.gaussian_filter(np.random.default_rng(11).normal(size=self.shape), 1.2)
        return self.thickness * absorption(energy_ev) * blob * (1 + 0.2 * grains / grains.std())

    def play(self, frames_root):
        bundle = compose_run(uid=self.uid, time=T0, metadata=self.start_metadata())
        yield "start", dict(bundle.start_doc)
        folder = frames_root / bundle.start_doc["uid"][:8]
        yield from self._plain_stream(bundle, folder, "darks", [self._dark] * self.darks)
        file = FrameFile(folder / "stills.h5", self.shape)
        documents, announce = self._camera_stream(bundle, file.path, "stills")
        keys = {f.name: _KINDS.get(f.type, "string") for f in fields(EnergyPoint)}
        points = bundle.compose_descriptor(
            name="points", data_keys=data_keys(keys), object_keys={"points": list(keys)}, time=T0
        )
        yield from documents
        yield "descriptor", dict(points.descriptor_doc)
        for point, (energy, kind) in enumerate(self.places()):
            first = point * self.frames
            current = 400.0 - 0.5 * point
            for _ in range(self.frames):
                file.append(self._still(energy, kind, current, point), self._now())
            yield announce(first, first + self.frames)
            yield "event_page", self._row(points, point, energy, kind, current)
        file.close()
        yield "stop", dict(bundle.compose_stop(time=self._clock))

    def _still(self, energy, kind, current, point):
        ny, nx = self.shape
        x = np.linspace(-1, 1, nx)
        light = 20000 * current / 400 * (1 + 0.1 * x - 0.05 * np.linspace(-1, 1, ny)[:, None] ** 2)
        light = light * (1 + self.drift * point)
        if kind == "projection":
            number = self.energies_ev.index(energy)
            moved = np.array(self.moves_px) * number
            light = light * np.exp(-_shifted(self.truth(energy), moved))
        return np.clip(np.rint(self._random.poisson(light) + 100), 0, 65535).astype(np.uint16)

    def _row(self, points, point, energy, kind, current):
        row = {f.name: 0.0 for f in fields(EnergyPoint)} | {
            "point": point,
            "kind": kind,
            "first_frame": point * self.frames,
            "frames": self.frames,
            "ended": self._clock,
            "ring_current_ma": current,
            "wanted_ev": energy,
            "energy_ev": energy + 0.01,
            "pixel_size_m": BEAMLINE.pixel_size_m(self.energies_ev[0], 2),
            "status": "ok",
        }
        return {
            "uid": [f"{self.uid[:8]}-p{point}"],
            "descriptor": points.descriptor_doc["uid"],
            "time": [self._clock],
            "seq_num": [point + 1],
            "data": {key: [value] for key, value in row.items()},
            "timestamps": {key: [self._clock] for key in row},
            "filled": {},
        }


def _shifted(image, rows_columns):
    """Image moved by the Fourier shift; its border is empty."""
    ny, nx = image.shape
    rows, columns = rows_columns
    v, u = np.fft.fftfreq(ny)[:, None], np.fft.fftfreq(nx)
    return np.fft.ifft2(np.fft.fft2(image) * np.exp(-2j * np.pi * (v * rows + u * columns))).real
