"""Stills of a calibration run: its points that are beyond doubt, and their frames above dark."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from xsn_acq.closing import Closing
from xsn_acq.config import Beamline
from xsn_acq.errors import CalibrationError
from xsn_acq.live.frames import mean_of
from xsn_acq.live.scan import frame_set, has_frames
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.knife_edge import KnifeEdge
from xsn_acq.optics.schlieren import Schlieren
from xsn_acq.params.camera import BITS
from xsn_acq.storage.frames import FrameReader
from xsn_acq.storage.run import Row, RunRecord

TECHNIQUE = "calibration"
MOST_FULL = 1e-3
"""Fraction of a point's pixels that may be full: hot ones."""


def mean_image(frames: FloatArray) -> FloatArray:
    """Mean of frames (n, ny, nx) -> (ny, nx)."""
    return frames.mean(axis=0)


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
    StorageError
        A file is missing or shorter than announced.
    """

    def __init__(self, run: RunRecord) -> None:
        self.run = run
        self._refuse()
        self.beamline = Beamline.model_validate_json(json.dumps(run.start["beamline"]))
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

    def over_flat(self, reduce: Callable[[FloatArray], FloatArray] = mean_image) -> FloatArray:
        """Return ``reduce`` of the frames of each point over the flat, 1 where the sample is not, float32.

        Without ``reduce``: the mean image of each point, (points, ny, nx).
        """
        light = mean_of(frame_set(self.run, "flats")) - self.dark
        lit = light > 0
        gain = np.where(lit, 1 / np.where(lit, light, 1), 0).astype(np.float32)
        current_ma = iter(self.column("ring_current_ma").astype(np.float32))
        return self.each(lambda frames: reduce(frames * (gain * next(current_ma))))

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
