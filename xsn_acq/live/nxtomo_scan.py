"""A scan out of an NXtomo file, with what a beamline and a calibration file say where it says nothing."""

import itertools
import logging
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xsn_acq.config import Beamline, load_beamline
from xsn_acq.config.calibration_file import recorded_beamline, with_calibration
from xsn_acq.config.imaging import axis_on_sensor, detector_fwhm_m, knife_edge_at
from xsn_acq.errors import ConfigError, ReconstructionError
from xsn_acq.live.scan import FrameSet, Scan, ScanRow
from xsn_acq.live.settings import TECHNIQUE
from xsn_acq.storage.nxtomo_frames import DARK, FLAT, PROJECTION
from xsn_acq.storage.nxtomo_reading import NxTomo, read_nxtomo
from xsn_acq.units import MM, wavelength_m

_log = logging.getLogger(__name__)
_OF_IMAGES = frozenset({"knife_edge", "rotation_axis"})
"""Calibrations that tell how images are read."""


@dataclass(frozen=True)
class Beside:
    """What is given beside an NXtomo file; it overrides what the file says.

    Attributes
    ----------
    beamline : str
        Name or path of a beamline file; empty: as the file says.
    calibration : Path
        Calibration file, see `xsn_acq.config.calibration_file`.
    cutoff_x_um : float
        Position of the cutoff filter.
    axis_column : float
        Column of the rotation axis in the frames, pixel centres at integers.
    """

    beamline: str = ""
    calibration: Path | None = None
    cutoff_x_um: float | None = None
    axis_column: float | None = None


def scan_of_nxtomo(path: Path, beside: Beside | None = None) -> tuple[Scan, list[ScanRow]]:
    """Return the scan of a file, and its good projections in the order of the file.

    Parameters
    ----------
    path : Path
    beside : Beside, optional

    Raises
    ------
    ReconstructionError
        When something is missing: the energy, the pixel size, darks, flats, the beamline.
    StorageError
        When the file cannot be read, or frames that it shows are not there.
    ConfigError
        When the beamline or calibration file is wrong.
    """
    file = read_nxtomo(path)
    start = dict(file.start or {"uid": file.uid, "note": file.title, "technique": TECHNIQUE})
    start["acquisition"] = _Imaging(file, beside or Beside()).acquisition()
    index = np.arange(len(file.image_key), dtype=float)
    times = index if file.time_s is None or len(file.time_s) != len(index) else file.time_s
    good = np.flatnonzero(file.image_key == PROJECTION)
    if not good.size:
        raise ReconstructionError(f"NXtomo {path}: wanted projections (image_key 0), found none")
    rows = [ScanRow(int(i), float(file.rotation_angle_deg[i]), float(times[i])) for i in good]
    scan = Scan(
        start=start,
        darks=_frame_set(file, DARK, "darks"),
        flats=_flats(file, times, (times[good].min(), times[good].max())),
        projections=FrameSet(file.path, file.dataset),
        fingerprint=f"{zlib.crc32(file.image_key.tobytes() + file.rotation_angle_deg.tobytes()):08x}",
    )
    return scan, rows


def _frame_set(file: NxTomo, key: int, name: str) -> FrameSet:
    spans = _spans(file, key, name)
    return FrameSet(file.path, file.dataset, tuple(spans))


def _flats(file: NxTomo, times: np.ndarray, span: tuple[float, float]) -> tuple[FrameSet, ...]:
    """Flats before, between and after the projections: each set at its place among their times.

    All flats of one set in a file of ours have one time: those after a run and those before the run that went
    on with it may stand side by side, and are two sets.
    """
    moved = np.flatnonzero(np.diff(times)) + 1 if times is file.time_s else np.empty(0, int)
    edges = [
        [start, *moved[(moved > start) & (moved < stop)].tolist(), stop]
        for start, stop in _spans(file, FLAT, "flats")
    ]
    return tuple(
        FrameSet(file.path, file.dataset, ((start, stop),), float(np.clip(times[start:stop].mean(), *span)))
        for borders in edges
        for start, stop in itertools.pairwise(borders)
    )


def _spans(file: NxTomo, key: int, name: str) -> list[tuple[int, int]]:
    """Return (start, stop) of each unbroken series of frames of a kind."""
    is_kind = np.concatenate([[0], file.image_key == key, [0]]).astype(int)
    starts, stops = np.flatnonzero(np.diff(is_kind) == 1), np.flatnonzero(np.diff(is_kind) == -1)
    if not starts.size:
        raise ReconstructionError(f"NXtomo {file.path}: wanted {name} (image_key {key}), found none")
    return list(zip(starts.tolist(), stops.tolist(), strict=True))


class _Imaging:
    """How the frames of a file were formed: what it says, and what is said beside it."""

    def __init__(self, file: NxTomo, beside: Beside) -> None:
        self.file = file
        self.beside = beside
        self._own: dict[str, Any] = dict((file.start or {}).get("acquisition", {}))
        self._measured: frozenset[str] = frozenset()  # sections of the calibration file

    def acquisition(self) -> dict[str, Any]:
        """Entries that `xsn_acq.live.settings.xsn_settings` wants."""
        energy = self._wanted("energy", self.file.energy_ev, "instrument/beam/incident_energy")
        found = self._own or {**self._turning(), **self._frame(energy)}
        beamline = self._beamline()
        if beamline is not None:
            found = found | self._of_beamline(beamline, energy)
        if self.beside.axis_column is not None:
            found = found | {"axis_column": self.beside.axis_column}
        return found

    def _beamline(self) -> Beamline | None:
        """Return the beamline to ask, where there is something to ask it."""
        beside, start = self.beside, self.file.start or {}
        if beside.beamline:
            beamline = load_beamline(beside.beamline)
        elif self._own and beside.calibration is None and beside.cutoff_x_um is None:
            return None
        elif self._own and "beamline" in start:
            beamline = recorded_beamline(start["beamline"], f"NXtomo {self.file.path}")
        else:
            raise ReconstructionError(
                f"NXtomo {self.file.path}: it does not say how its images were formed; give --beamline"
            )
        if beside.calibration is not None:
            beamline, self._measured = with_calibration(beamline, beside.calibration)
            self._refuse_idle(beside.calibration)
        return beamline

    def _refuse_idle(self, path: Path) -> None:
        """Refuse calibrations that would change nothing: the file has its pixel, and nothing is moved."""
        idle = sorted(self._measured - _OF_IMAGES)
        if idle:
            wanted = " and ".join(sorted(_OF_IMAGES))
            raise ConfigError(
                f"calibration file {path}",
                [f"wanted {wanted}, which images are read by, found {', '.join(idle)}; take it out"],
            )

    def _of_beamline(self, beamline: Beamline, energy: float) -> dict[str, Any]:
        """What the beamline says: everything, or only what was calibrated or given anew."""
        everything = bool(self.beside.beamline) or not self._own
        found: dict[str, Any] = {}
        if everything:
            found["numerical_aperture"] = beamline.zone_plate.numerical_aperture(energy)
            found["cutoff_passes"] = beamline.geometry.cutoff_passes
            found["detector_fwhm_m"] = detector_fwhm_m(beamline, energy)
        if everything or self.beside.cutoff_x_um is not None:
            found["cutoff_per_m"] = beamline.cutoff_frequency_per_m(self._cutoff_x_um(beamline), energy)
        if everything or "knife_edge" in self._measured:
            curve = beamline.calibration.knife_edge
            found["knife_edge"] = knife_edge_at(curve, energy)
            found["stray_fraction"] = curve.stray_fraction
        if (everything or "rotation_axis" in self._measured) and self.beside.axis_column is None:
            found["axis_column"] = self._axis_column(beamline, energy)
        return found

    def _cutoff_x_um(self, beamline: Beamline) -> float:
        for position in (self.beside.cutoff_x_um, self.file.cutoff_x_um):
            if position is not None:
                return position
        position = beamline.geometry.cutoff_x_zero_um
        _log.warning(
            "cutoff filter: no position in the file; taken as on the optical axis (%g um); "
            "--cutoff-x says otherwise",
            position,
        )
        return position

    def _axis_column(self, beamline: Beamline, energy: float) -> float:
        """Column of the axis: a foreign file's own unless it was calibrated anew, else the calibrated one."""
        offset = self.file.axis_offset_px
        if not self._own and offset is not None and "rotation_axis" not in self._measured:
            return (self.file.shape[1] - 1) / 2 + offset
        binning, left = self._framing(beamline)
        detector_z, sample_x = 0.0, self.file.sample_x_um
        if self._own and self.file.distance_m is not None:
            detector_z = self.file.distance_m / MM - beamline.detection.sample_to_scintillator_mm
        if sample_x is None:
            sample_x = beamline.calibration.rotation_axis.sample_x_um
        column = axis_on_sensor(beamline, energy, sample_x, detector_z)
        return float((column - left - (binning - 1) / 2) / binning)

    def _framing(self, beamline: Beamline) -> tuple[int, int]:
        """Binning of the frames and their first column on the sensor; foreign ones must be all of it."""
        if "binning" in self._own and "roi" in self._own:
            return int(self._own["binning"]), int(self._own["roi"][0])
        ny, nx = self.file.shape
        rows, columns = beamline.detection.sensor_rows, beamline.detection.sensor_columns
        binning = max(1, columns // nx)
        if (rows, columns) != (ny * binning, nx * binning):
            raise ReconstructionError(
                f"NXtomo {self.file.path}: rotation axis: wanted frames of the whole sensor of {rows} x "
                f"{columns} pixels, found {ny} x {nx}; give the axis's column in the frames: --axis-column"
            )
        return binning, 0

    def _frame(self, energy: float) -> dict[str, Any]:
        pixel = self._wanted("pixel size", self.file.pixel_size_m, "sample/x_pixel_size")
        return {
            "energy_ev": energy,
            "wavelength_m": wavelength_m(energy),
            "pixel_size_m": pixel,
            "frame_shape": list(self.file.shape),
            "exposure_s": self.file.exposure_s,
        }

    def _turning(self) -> dict[str, Any]:
        """Step and number of the projections, from their angles."""
        angles = np.sort(self.file.rotation_angle_deg[self.file.image_key == PROJECTION])
        steps = np.diff(angles)
        step = float(np.median(steps)) if steps.size else 0.0
        if step <= 0:
            raise ReconstructionError(
                f"NXtomo {self.file.path}: sample/rotation_angle: wanted projections at different angles, "
                f"found {angles.size} between {angles.min(initial=0):g} and {angles.max(initial=0):g} degrees"
            )
        return {"step_deg": step, "expected": {"projections": int(angles.size)}}

    def _wanted(self, what: str, value: float | None, name: str) -> float:
        if value is None or not value > 0:
            raise ReconstructionError(
                f"NXtomo {self.file.path}: {what}: wanted a number above 0 at {name}, found {value}"
            )
        return value
