"""Calibrations: frames at rest over a list of positions, at the energy at which the instrument stands."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from xsn_acq.params import StillsParams
from xsn_acq.plans.framing import Framing, sample_out_um
from xsn_acq.plans.instrument import Instrument
from xsn_acq.plans.places import AxisName, Places
from xsn_acq.plans.points import Point
from xsn_acq.plans.points_run import STREAM, PointsRun
from xsn_acq.plans.state import State, imaging
from xsn_acq.plans.steps import Plan, asked, move, step, stop
from xsn_acq.plans.stills_checks import motor


class StillsRun(PointsRun[Instrument, State]):
    """One run of a calibration.

    Parameters
    ----------
    plan_name : str
        For the start document.
    devices, params, frame, state, folder
        See `Measurement`.
    where : Places
        Where stills are taken.
    """

    def __init__(
        self,
        plan_name: str,
        devices: Instrument,
        params: StillsParams,
        frame: Framing,
        state: State,
        where: Places,
        folder: Path,
    ) -> None:
        super().__init__(devices, params, frame, state, folder, Point)
        self._plan_name, self._params, self._where = plan_name, params, where

    def start(self) -> dict[str, Any]:
        """Name and technique, and how the images are made."""
        params = self._params
        expected = {
            "darks": params.darks,
            "flats": params.flats_taken,
            STREAM: params.places * params.frames_per_point,
        }
        return {
            "plan_name": self._plan_name,
            "technique": "calibration",
            "acquisition": {
                **imaging(self._devices.file, self._frame, self._state, expected),
                "sample_x_um": self._state.sample_x_um,
                "detector_z_mm": self._state.detector_z_mm,
            },
        }

    def measure(self) -> Plan:
        """Darks, flats where the sample is in the beam, then the points.

        Flats are taken with everything but the sample at the first point.
        """
        yield from self._darks()
        for name, target in zip(self._where.axes, self._where.targets[0], strict=True):
            if name != "sample_x":
                yield from self._go(name, target)
        if self._params.flats_taken:
            yield from self._without_sample("flats", self._params.flats_taken)
        if self._params.sample_out:
            out = sample_out_um(self._devices.file, self._params)
            yield from move(self._devices.sample.x, out, self._interruption)
        yield from self.scan()

    def parts_to_put_back(self) -> tuple[Callable[[], Plan], ...]:
        """Shut, stop, keep what was measured, move back."""
        devices, camera = self._devices, self._devices.camera
        moved: tuple[AxisName, ...] = tuple(dict.fromkeys((*self._where.axes, "sample_x")))
        return (
            lambda: move(devices.shutter, "closed", self._interruption),
            *(lambda name=name: stop(motor(devices, name)) for name in moved),
            lambda: step("camera stop", camera.stop_acquiring),
            self.salvage,
            lambda: step("camera close file", camera.close_file),
            *(lambda name=name: self._go(name, self._state.position(name)) for name in moved),
        )

    def points(self) -> int:
        """Places."""
        return len(self._where.targets)

    def frames_at(self, point: int) -> int:
        """The same at each."""
        return self._params.frames_per_point

    def go_to(self, point: int) -> Plan:
        """One motor after the other."""
        for name, target in zip(self._where.axes, self._where.targets[point], strict=True):
            yield from self._go(name, target)

    def row(self, point: int, first_frame: int, current_ma: float) -> Point:
        """Positions as read back."""
        columns: dict[str, AxisName] = {
            "cutoff_x_um": "cutoff_x",
            "cutoff_z_mm": "cutoff_z",
            "zone_plate_z_mm": "zone_plate_z",
            "sample_x_um": "sample_x",
            "theta_deg": "sample_theta",
        }
        return Point(
            point=point,
            first_frame=first_frame,
            frames=self._devices.camera.frames_written() - first_frame,
            ended=time.time(),
            ring_current_ma=0.5 * (current_ma + self.ring_current()),
            status="ok",
            **{column: self._readback(name) for column, name in columns.items()},
        )

    def _go(self, name: AxisName, target: float) -> Plan:
        """Move a motor that is not there yet."""
        if abs(self._readback(name) - target) > motor(self._devices, name).axis.tolerance:
            yield from move(motor(self._devices, name), target, self._interruption)

    def _readback(self, name: AxisName) -> float:
        return asked(motor(self._devices, name).user_readback)
