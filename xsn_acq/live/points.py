"""Stills of a calibration run: its points that are beyond doubt, and their frames above dark."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from xsn_acq.analysis.flatfield import Repair, bad_pixels, normalise
from xsn_acq.closing import Closing
from xsn_acq.config.calibration_file import recorded_beamline
from xsn_acq.errors import CalibrationError
from xsn_acq.live.frames import mean_of
from xsn_acq.live.saturation import MOST_FULL
from xsn_acq.live.scan import frame_set, has_frames
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.knife_edge import KnifeEdge
from xsn_acq.optics.schlieren import Schlieren
from xsn_acq.params.camera import BITS
from xsn_acq.storage.frames import FrameReader
from xsn_acq.storage.run import Row, RunRecord

TECHNIQUE = "calibration"


WHOLE = (slice(None), slice(None))
"""All rows and columns."""


@dataclass(frozen=True)
class EnergyPart:
    """Points of a run at one energy.

    Attributes
    ----------
    energy_ev : float
        As read back.
    rows : tuple of dict
        Points with the sample in the beam.
    flats : tuple of dict
        Points without; empty where the flats are a stream of their own.
    """

    energy_ev: float
    rows: tuple[Row, ...]
    flats: tuple[Row, ...] = ()

    def column(self, name: str) -> FloatArray:
        """Return a column of the rows, (points,)."""
        return np.asarray([row[name] for row in self.rows], float)


class RunPoints(Closing):
    """Points of one calibration run in the order in which they were taken.

    Parameters
    ----------
    run : RunRecord
        That came to its end.

    Attributes
    ----------
    rows : list of dict
        Rows of the ``points`` stream that are beyond doubt.
    beamline : Beamline
        The beamline file the run was taken with.
    acquisition, params : dict
        From the start document.

    Raises
    ------
    CalibrationError
        The run is no calibration, did not come to its end, or has no frames.
    ConfigError
        It was taken with a beamline file of another version.
    StorageError
        A file is missing or shorter than announced.
    """

    def __init__(self, run: RunRecord) -> None:
        self.run = run
        self._refuse()
        self.beamline = recorded_beamline(
            run.start["beamline"], f"run {run.uid[:8]}", "analyse it with the version it was taken with"
        )
        self.acquisition: dict[str, Any] = run.start["acquisition"]
        self.params: dict[str, Any] = run.start["params"]
        self.rows: list[Row] = [row for row in run.rows("points") if row["status"] == "ok"]
        self.dark = mean_of(frame_set(run, "darks"))
        self._reader = FrameReader(run.streams["stills"].resource)

    @property
    def energy_ev(self) -> float:
        """Photon energy."""
        return float(self.acquisition["energy_ev"])

    @property
    def detector_z_mm(self) -> float:
        """Where the detector stood."""
        return float(self.acquisition["detector_z_mm"])

    @property
    def binning(self) -> int:
        """Camera pixels pooled along each side."""
        return int(self.acquisition["binning"])

    def column(self, name: str) -> FloatArray:
        """Return a column of the rows, (points,)."""
        return np.asarray([row[name] for row in self.rows], float)

    def parts(self) -> tuple[EnergyPart, ...]:
        """Return the energies in the order in which they were visited; of a run that stays at one, that."""
        if "wanted_ev" not in self.rows[0]:
            return (EnergyPart(self.energy_ev, tuple(self.rows)),)
        found = []
        for wanted in dict.fromkeys(row["wanted_ev"] for row in self.rows):
            here = [row for row in self.rows if row["wanted_ev"] == wanted]
            flats, sample = (
                tuple(row for row in here if row["kind"] == kind) for kind in ("flat", "projection")
            )
            found.append(EnergyPart(float(np.mean([row["energy_ev"] for row in sample])), sample, flats))
        return tuple(found)

    def optics(self) -> Schlieren:
        """Return what forms the images."""
        acquisition, curve = self.acquisition, self.acquisition["knife_edge"]
        ny, nx = acquisition["frame_shape"]
        return Schlieren(
            shape=(int(ny), int(nx)),
            pixel_size_m=float(acquisition["pixel_size_m"]),
            aperture_per_m=float(acquisition["numerical_aperture"]) / float(acquisition["wavelength_m"]),
            cutoff_per_m=float(acquisition["cutoff_per_m"]),
            knife_edge=KnifeEdge(curve["frequency_per_m"], curve["transmitted"]),
            passes=acquisition["cutoff_passes"],
        )

    def column_x_m(self) -> FloatArray:
        """Return the places of the columns at the sample about the optical axis, (nx,)."""
        columns = np.arange(int(self.acquisition["frame_shape"][1]))
        off_axis = self.sensor_column(columns) - (self.beamline.detection.sensor_columns - 1) / 2
        return np.asarray(off_axis * (self.acquisition["pixel_size_m"] / self.binning))

    def sensor_column(self, column: Any) -> Any:
        """Return the column of the unbinned sensor, centres at integers, of a column of the frame."""
        return int(self.acquisition["roi"][0]) + (self.binning - 1) / 2 + column * self.binning

    def frames(self, row: Row) -> FloatArray:
        """Return the frames of a point above dark, per mA of ring current, float32 (n, ny, nx).

        Raises
        ------
        CalibrationError
            The pixels are full.
        """
        first = int(row["first_frame"])
        raw = self._reader.read(first, first + int(row["frames"]))
        full = 2 ** BITS[self.params["readout_port"]] - 1
        if np.count_nonzero(raw >= full) > MOST_FULL * raw.size:
            raise CalibrationError(
                f"run {self.run.uid[:8]}: stills: wanted pixels below {full} counts, found full ones at "
                f"point {row['point']}; choose a shorter exposure_s or a smaller binning"
            )
        light: FloatArray = (raw.astype(np.float32) - self.dark) / np.float32(row["ring_current_ma"])
        return light

    def each(self, reduce: Callable[[FloatArray], Any]) -> np.ndarray:
        """Return ``reduce`` of the frames of each point; one point is in memory at a time."""
        return np.asarray([reduce(self.frames(row)) for row in self.rows])

    def over_flat(self, *, background: float = 1.0, air_columns: int = 0) -> FloatArray:
        """Return the mean image of each point over the flat, float32 (points, ny, nx).

        Ring decay between the points is taken out, bad pixels are repaired as those of a tomogram.

        Parameters
        ----------
        background : float
            Value of air.
        air_columns : int
            Columns at both borders known to see air only: they are brought to ``background``. 0: what the
            light lost from the flats to the first point stays in.

        Raises
        ------
        ReconstructionError
            There is no light in the flats.
        """
        correct = self._correction(WHOLE, background, air_columns)
        return self.each(lambda frames: correct(frames.mean(axis=0)))

    def frames_over_flat(self, at: EnergyPart, part: tuple[slice, slice] = WHOLE) -> FloatArray:
        """Return rows and columns of the single frames, as `over_flat`, float32 (points, frames, ny, nx)."""
        correct = self._correction(part, at=at)
        rows, columns = part
        return np.asarray(
            [np.stack([correct(frame) for frame in self.frames(row)[:, rows, columns]]) for row in at.rows]
        )

    def _correction(
        self,
        part: tuple[slice, slice],
        background: float = 1.0,
        air_columns: int = 0,
        at: EnergyPart | None = None,
    ) -> Callable[[FloatArray], FloatArray]:
        """Return what makes of light per mA, a part of the frame (ny, nx), an image over the flat."""
        flat, current_ma = self._flat(at)
        repair = Repair(bad_pixels(self.dark, flat)[part])
        light = (flat - self.dark)[part] / np.float32(current_ma)
        no_dark = np.zeros_like(light)
        return lambda image: repair(
            normalise(image, no_dark, light, background=background, air_columns=air_columns)
        )

    def _flat(self, at: EnergyPart | None) -> tuple[FloatArray, float]:
        """Mean flat, raw counts, and the ring current it was taken at."""
        if at is None or not at.flats:
            # they come before the first point
            return mean_of(frame_set(self.run, "flats")), float(self.rows[0]["ring_current_ma"])
        firsts = [int(row["first_frame"]) for row in at.flats]
        spans = tuple(
            (first, first + int(row["frames"])) for first, row in zip(firsts, at.flats, strict=True)
        )
        stills = replace(frame_set(self.run, "stills"), spans=spans)
        return mean_of(stills), float(np.mean([row["ring_current_ma"] for row in at.flats]))

    def close(self) -> None:
        """Close the file of stills."""
        self._reader.close()

    def _refuse(self) -> None:
        run = self.run
        if run.start.get("technique") != TECHNIQUE:
            raise CalibrationError(
                f"run {run.uid[:8]}: wanted a calibration, found plan {run.start.get('plan_name')!r}"
            )
        if run.stop is None or run.stop["exit_status"] != "success" or not has_frames(run, "stills"):
            reason = "was interrupted" if run.stop is None else run.stop.get("reason") or "has no frames"
            raise CalibrationError(f"run {run.uid[:8]}: not a whole scan: {reason}; take it again")
