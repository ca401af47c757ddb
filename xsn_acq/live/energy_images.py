"""Images of an energy scan over their flats, from the rows there are so far."""

from collections.abc import Iterable, Sequence

import numpy as np

from xsn_acq.analysis.absorbance import absorbance
from xsn_acq.analysis.flatfield import Repair, bad_pixels, normalise
from xsn_acq.closing import Closing
from xsn_acq.errors import ReconstructionError
from xsn_acq.live.frames import mean_of
from xsn_acq.live.scan import frame_set, has_frames
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.storage.frames import FrameReader
from xsn_acq.storage.run import Row, RunRecord

SAME_EV = 1e-3
"""Energies that differ by less are one."""
_KEPT = 4
"""Flats in memory: those of the images before and after, and of both sides of an image without its own."""
Weighted = tuple[tuple[int, float], ...]
"""Rows by their number, each with its weight."""


class EnergyImages(Closing):
    """Absorbance of the sample at each energy; a mean over all its images.

    Flats of the same energy count where there are some, the nearest in time; else those before and after the
    image, in proportion to the time.

    Parameters
    ----------
    record : RunRecord
        Of a run of frames at energies, whose darks are announced.

    Raises
    ------
    ReconstructionError
        There are no darks.
    StorageError
        A file is missing or shorter than announced.
    """

    def __init__(self, record: RunRecord) -> None:
        self.record = record
        self.dark = mean_of(frame_set(record, "darks"))
        self._rows: list[Row] = []
        self._flats: dict[int, FloatArray] = {}
        self._variances: dict[int, float] = {}
        self._reader: FrameReader | None = None
        self._repair: Repair | None = None

    def push(self, rows: Iterable[Row]) -> None:
        """Take in rows of the stream ``points``; those that are not beyond doubt are left out."""
        self._rows += [row for row in rows if row["status"] == "ok"]

    @property
    def energies_ev(self) -> list[float]:
        """Energies with an image, rising."""
        found = {round(float(row["wanted_ev"]), 3) for row in self._rows if row["kind"] == "projection"}
        return sorted(found)

    def sources(self, energy_ev: float) -> tuple[tuple[int, Weighted], ...]:
        """Which rows make the image of an energy: each of its images with its flats; empty without flats.

        As long as this stays the same, so does `absorbance`.
        """
        images = [
            number
            for number, row in enumerate(self._rows)
            if row["kind"] == "projection" and abs(float(row["wanted_ev"]) - energy_ev) < SAME_EV
        ]
        found = [(number, self._flats_of(number)) for number in images]
        return tuple((number, flats) for number, flats in found if flats)

    def absorbance(self, energy_ev: float) -> tuple[FloatArray, float]:
        """Absorbance at an energy, float32 (ny, nx), and the noise of a pixel (standard deviation, in air).

        Raises
        ------
        ReconstructionError
            There is no image with a flat at that energy yet.
        """
        sources = self.sources(energy_ev)
        if not sources:
            raise ReconstructionError(
                f"energy scan: {energy_ev:g} eV: wanted an image and a flat, found none"
            )
        images, variances = zip(*(self._over_flat(*source) for source in sources), strict=True)
        mean = np.mean(images, axis=0, dtype=np.float64)
        noise = float(np.sqrt(np.sum(variances)) / len(sources))
        return absorbance(mean), noise

    def pixel_size_m(self, energy_ev: float) -> float:
        """Pixel size at the sample at an energy that has an image."""
        number, _ = self.sources(energy_ev)[0]
        return float(self._rows[number]["pixel_size_m"])

    def close(self) -> None:
        """Close the file of frames."""
        if self._reader is not None:
            self._reader.close()

    def _over_flat(self, number: int, flats: Weighted) -> tuple[FloatArray, float]:
        """Transmission of one point's mean image, and the variance of a pixel in air."""
        light, variance = self._light(number)
        flat = np.sum([np.float32(weight) * self._flat(which) for which, weight in flats], axis=0)
        level = float(flat.mean(dtype=np.float64))
        flat_variance = sum(weight**2 * self._variances[which] for which, weight in flats)
        image = self._repaired(normalise(light, np.zeros_like(light), flat))
        return image, (variance + flat_variance) / level**2

    def _flats_of(self, image: int) -> Weighted:
        """Flats of an image, with weights that sum to 1."""
        row = self._rows[image]
        flats = [number for number, other in enumerate(self._rows) if other["kind"] == "flat"]
        same = [n for n in flats if abs(self._rows[n]["wanted_ev"] - row["wanted_ev"]) < SAME_EV]
        if same:
            return ((min(same, key=lambda n: abs(self._rows[n]["ended"] - row["ended"])), 1.0),)
        return between(row["ended"], [(n, self._rows[n]["ended"]) for n in flats])

    def _flat(self, number: int) -> FloatArray:
        if number not in self._flats:
            if len(self._flats) >= _KEPT:
                self._flats.pop(next(iter(self._flats)))
            self._flats[number], self._variances[number] = self._light(number)
        return self._flats[number]

    def _light(self, number: int) -> tuple[FloatArray, float]:
        """Mean frame of a point above dark over the light that came, and the variance of a pixel of it.

        The light: ring current, times the beam monitor's counts for each mA at that energy where it counted.
        A flat of another energy then tells nothing of how bright that one was.
        """
        row = self._rows[number]
        first, count = int(row["first_frame"]), int(row["frames"])
        if self._reader is None:
            self._reader = FrameReader(self.record.streams["stills"].resource)
        frames = self._reader.read(first, first + count).astype(np.float32)
        current = np.float32(row["ring_current_ma"]) * np.float32(row["light"] if row["light"] > 0 else 1.0)
        light = (frames.mean(axis=0, dtype=np.float32) - self.dark) / current
        if count < 2:
            return light, float("nan")
        scatter = frames[0] - frames[1]
        return light, float(np.var(scatter)) / 2 / count / float(current) ** 2

    def _repaired(self, image: FloatArray) -> FloatArray:
        if self._repair is None:
            number, light = next(iter(self._flats.items()))
            row = self._rows[number]
            scale = row["ring_current_ma"] * (row["light"] if row["light"] > 0 else 1.0)
            self._repair = Repair(bad_pixels(self.dark, light * np.float32(scale) + self.dark))
        return self._repair(image)


def between(time_s: float, flats: Sequence[tuple[int, float]]) -> Weighted:
    """Flats before and after a time, weighted by nearness; the only or the nearest one at the ends.

    >>> between(1.0, [(7, 0.0), (9, 4.0)])
    ((7, 0.75), (9, 0.25))
    >>> between(5.0, [(7, 0.0), (9, 4.0)]), between(5.0, [])
    (((9, 1.0),), ())
    """
    ordered = sorted(flats, key=lambda flat: flat[1])
    before = [flat for flat in ordered if flat[1] <= time_s]
    after = [flat for flat in ordered if flat[1] > time_s]
    if not before or not after:
        nearest = before[-1:] or after[:1]
        return tuple((number, 1.0) for number, _ in nearest)
    (one, begin), (other, end) = before[-1], after[0]
    part = (time_s - begin) / (end - begin)
    return ((one, 1 - part), (other, part))


def has_darks(record: RunRecord) -> bool:
    """Whether the darks are announced, and some frames at energies."""
    return has_frames(record, "darks") and has_frames(record, "stills")
