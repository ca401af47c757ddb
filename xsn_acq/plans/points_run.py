"""Frames at rest, point by point, as one run: a point that may have lacked beam is taken again."""

from abc import abstractmethod
from pathlib import Path
from typing import Any

from bluesky import plan_stubs as bps

from xsn_acq.devices.frame_setup import Rearm
from xsn_acq.params import CameraParams
from xsn_acq.plans.framing import Framing
from xsn_acq.plans.instrument import AnyInstrument
from xsn_acq.plans.measurement import Measurement
from xsn_acq.plans.state import AnyState
from xsn_acq.plans.steps import Plan, asked, finished, move, shut, step
from xsn_acq.plans.stills import expose, open_stream
from xsn_acq.plans.sure_points import SurePoints

STREAM = "stills"


class PointsRun(Measurement[AnyInstrument, AnyState]):
    """A run whose frames all lie in one file, a few for each point.

    Parameters
    ----------
    devices, params, frame, state, folder
        See `Measurement`.
    row : type
        Dataclass of what is recorded of a point; it has the fields ``point`` and ``status``.
    """

    def __init__(
        self,
        devices: AnyInstrument,
        params: CameraParams,
        frame: Framing,
        state: AnyState,
        folder: Path,
        row: type,
    ) -> None:
        super().__init__(devices, params, frame, state, folder)
        late_s = devices.file.ring.late_s
        self._points = SurePoints(row, self._beam, late_s, self._interruptions, self._shut)
        self._opened = False
        self._closures = 0

    @abstractmethod
    def points(self) -> int:
        """How many points there are."""

    @abstractmethod
    def frames_at(self, point: int) -> int:
        """How many frames are taken at a point."""

    @abstractmethod
    def go_to(self, point: int) -> Plan:
        """Bring everything to a point."""

    @abstractmethod
    def row(self, point: int, first_frame: int, current_ma: float) -> Any:
        """Return what is recorded of a point whose frames have just been taken; ring current before them."""

    def how_far(self) -> str:
        """Points that are good."""
        return f"{self._points.good} of {self.points()} points good"

    def scan(self) -> Plan:
        """Take every point; those that were interrupted, and those not beyond doubt by then, again."""
        yield from self._points.declare()
        with self._interruption.making_safe(lambda: shut(self._devices.shutter)):
            yield from self._points.take(range(self.points()), self._point)
        yield from self._shut()
        yield from step("camera close file", self._devices.camera.close_file)
        self._opened = False

    def salvage(self) -> Plan:
        """Announce the frames of a run that was broken off, with the rows of their points."""
        if self._opened:
            yield from bps.collect(self._devices.camera, name=STREAM)
            yield from self._points.give_up()

    def ring_current(self) -> float:
        """Ring current now, mA."""
        return asked(self._devices.ring.current)

    def _point(self, point: int) -> Plan:
        """Go there and take its frames; its row, alone."""
        devices = self._devices
        yield from self._beam.wait(resting=self._shut)
        yield from self.go_to(point)
        if devices.shutter.state() != "open":
            yield from move(devices.shutter, "open", self._interruption)
        first, current_ma = devices.camera.frames_written() if self._opened else 0, self.ring_current()
        yield from self._expose(self.frames_at(point))
        self._closures += devices.shutter.state() != "open"
        return (self.row(point, first, current_ma),)

    def _shut(self) -> Plan:
        yield from move(self._devices.shutter, "closed", self._interruption)

    def _expose(self, frames: int) -> Plan:
        """Add the frames of one point to the file."""
        camera = self._devices.camera
        if self._opened:
            yield from finished(bps.prepare(camera, Rearm(frames), wait=True))
        else:
            yield from open_stream(camera, self._setup(STREAM, frames))
            self._opened = True
        yield from expose(camera, STREAM)
        yield from step("camera stop", camera.stop_acquiring)

    def _interruptions(self) -> tuple[int, int, int]:
        """Pauses, losses of beam, and how often the shutter was found shut after frames."""
        return self._interruption.pauses, self._beam.losses, self._closures
