"""Frames at rest over a list of places, as one run: a point that may have lacked beam is taken again."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from bluesky import plan_stubs as bps

from xsn_acq.devices.camera_setup import Rearm
from xsn_acq.params import StillsParams
from xsn_acq.plans.framing import Framing, sample_out_um
from xsn_acq.plans.instrument import Instrument
from xsn_acq.plans.measurement import Measurement
from xsn_acq.plans.places import AxisName, Places
from xsn_acq.plans.points import Point
from xsn_acq.plans.record import Rows
from xsn_acq.plans.state import State, imaging
from xsn_acq.plans.steps import Plan, finished, move, shut, step, stop
from xsn_acq.plans.stills import expose, open_stream
from xsn_acq.plans.stills_checks import motor

STREAM = "stills"


class StillsRun(Measurement):
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
        super().__init__(devices, params, frame, state, folder)
        self._plan_name, self._params, self._where = plan_name, params, where
        self._rows = Rows("points", Point)
        self._opened = False
        self._unsure: deque[tuple[float, Point]] = deque()
        self._good = 0
        self._closures = 0
        self._mark = (0, 0, 0)

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
            yield from self._flats("flats", self._params.flats_taken)
        if self._params.sample_out:
            out = sample_out_um(self._devices.file, self._params)
            yield from move(self._devices.sample.x, out, self._interruption)
        yield from self._rows.declare()
        with self._interruption.making_safe(lambda: shut(self._devices.shutter)):
            yield from self._scan()
        yield from move(self._devices.shutter, "closed", self._interruption)
        yield from step("camera close file", self._devices.camera.close_file)
        self._opened = False

    def parts_to_put_back(self) -> tuple[Callable[[], Plan], ...]:
        """Shut, stop, keep what was measured, move back."""
        devices, camera = self._devices, self._devices.camera
        moved: tuple[AxisName, ...] = tuple(dict.fromkeys((*self._where.axes, "sample_x")))
        return (
            lambda: move(devices.shutter, "closed", self._interruption),
            *(lambda name=name: stop(motor(devices, name)) for name in moved),
            lambda: step("camera stop", camera.stop_acquiring),
            self._salvage,
            lambda: step("camera close file", camera.close_file),
            *(lambda name=name: self._go(name, self._state.position(name)) for name in moved),
        )

    def how_far(self) -> str:
        """Points that are good."""
        return f"{self._good} of {self._params.places} points good"

    def _scan(self) -> Plan:
        """Take every point; those that were interrupted, and those not beyond doubt by then, again."""
        waiting = deque(range(len(self._where.targets)))
        self._mark = self._interruptions()
        while waiting or self._unsure:
            if waiting:
                yield from self._point(waiting.popleft())
            else:
                yield from bps.sleep(self._devices.file.ring.late_s)
            waiting.extendleft(reversed(self._judge()))
            yield from self._rows.emit()

    def _point(self, index: int) -> Plan:
        """Go there and take its frames."""
        devices = self._devices
        yield from self._beam.wait()
        for name, target in zip(self._where.axes, self._where.targets[index], strict=True):
            yield from self._go(name, target)
        if devices.shutter.state() != "open":
            yield from move(devices.shutter, "open", self._interruption)
        first, current_ma = devices.camera.frames_written() if self._opened else 0, self._ring_current()
        yield from self._expose()
        self._closures += devices.shutter.state() != "open"
        self._unsure.append((time.monotonic(), self._row(index, first, current_ma)))

    def _expose(self) -> Plan:
        """Add the frames of one point to the file."""
        camera, frames = self._devices.camera, self._params.frames_per_point
        if self._opened:
            yield from finished(bps.prepare(camera, Rearm(frames), wait=True))
        else:
            yield from open_stream(camera, self._setup(STREAM, frames))
            self._opened = True
        yield from expose(camera, STREAM)
        yield from step("camera stop", camera.stop_acquiring)

    def _judge(self) -> list[int]:
        """Pass on the rows of points that surely had beam; return the points that must be taken again."""
        self._beam.look()
        now = self._interruptions()
        if now != self._mark:
            self._mark = now
            return self._flag()
        sure_s = time.monotonic() - self._devices.file.ring.late_s
        while self._unsure and self._unsure[0][0] <= sure_s:
            self._rows.push([self._unsure.popleft()[1]])
            self._good += 1
        return []

    def _flag(self) -> list[int]:
        """Pass the rows of all points that are in doubt as such; these points."""
        doubtful = [point for _, point in self._unsure]
        self._unsure.clear()
        self._rows.push([replace(point, status="flagged") for point in doubtful])
        return [point.point for point in doubtful]

    def _salvage(self) -> Plan:
        """Announce the frames of a run that was broken off, with the rows of their points."""
        if self._opened:
            yield from bps.collect(self._devices.camera, name=STREAM)
            self._flag()
            yield from self._rows.emit()

    def _row(self, index: int, first: int, current_ma: float) -> Point:
        columns: dict[str, AxisName] = {
            "cutoff_x_um": "cutoff_x",
            "cutoff_z_mm": "cutoff_z",
            "zone_plate_z_mm": "zone_plate_z",
            "sample_x_um": "sample_x",
            "theta_deg": "sample_theta",
        }
        return Point(
            point=index,
            first_frame=first,
            frames=self._devices.camera.frames_written() - first,
            ended=time.time(),
            ring_current_ma=0.5 * (current_ma + self._ring_current()),
            status="ok",
            **{column: self._readback(name) for column, name in columns.items()},
        )

    def _go(self, name: AxisName, target: float) -> Plan:
        """Move a motor that is not there yet."""
        if abs(self._readback(name) - target) > motor(self._devices, name).axis.tolerance:
            yield from move(motor(self._devices, name), target, self._interruption)

    def _readback(self, name: AxisName) -> float:
        return float(motor(self._devices, name).user_readback.get(use_monitor=False))

    def _ring_current(self) -> float:
        return float(self._devices.ring.current.get(use_monitor=False))

    def _interruptions(self) -> tuple[int, int, int]:
        """Pauses, losses of beam, and how often the shutter was found shut after frames."""
        return self._interruption.pauses, self._beam.losses, self._closures
