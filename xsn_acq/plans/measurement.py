"""What every run has in common: opened, measured, everything put back, closed with its reason."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bluesky import plan_stubs as bps
from bluesky import preprocessors as bpp
from bluesky.utils import FailedStatus, RunEngineControlException

from xsn_acq.devices.camera_setup import CameraSetup
from xsn_acq.params import CameraParams
from xsn_acq.plans.beam import Beam
from xsn_acq.plans.framing import Framing, sample_out_um
from xsn_acq.plans.instrument import Instrument
from xsn_acq.plans.state import State
from xsn_acq.plans.steps import Interruption, Plan, every_one, in_plain_words, meanwhile, move, shut
from xsn_acq.plans.stills import spoilt_frames, take_frames

logger = logging.getLogger(__name__)

FRAME_TIMEOUT_S = 10.0
FRAME_TIMEOUT_PERIODS = 3
"""Without a new frame for so long, darks, flats and stills fail."""


class Measurement(ABC):
    """One run of a plan. What is measured, and what is put back, is the plan's own.

    Parameters
    ----------
    devices : Instrument
        The instrument.
    params : CameraParams
        What to take.
    frame : Framing
        Shape and timing of the frames.
    state : State
        Where everything stood before.
    folder : Path
        Frames go to ``folder/<first 8 of the run's uid>/<stream>.h5``.
    """

    def __init__(
        self, devices: Instrument, params: CameraParams, frame: Framing, state: State, folder: Path
    ) -> None:
        self._devices, self._frame, self._state = devices, frame, state
        self._camera_params = params
        self._folder = folder
        self._interruption = Interruption()
        self._beam = Beam(devices)
        self._reason = ""
        self._not_put_back: list[Exception] = []

    def run(self, md: Mapping[str, Any] | None) -> Plan:
        """Open the run, measure, put everything back, close the run with its reason; nothing is replayed."""
        yield from in_plain_words(bpp.rewindable_wrapper(self._run(dict(md or {})), False))

    @abstractmethod
    def start(self) -> dict[str, Any]:
        """Return the start document's own part."""

    @abstractmethod
    def measure(self) -> Plan:
        """Take everything."""

    @abstractmethod
    def parts_to_put_back(self) -> tuple[Callable[[], Plan], ...]:
        """Return what leaves all safe and as it was found, in order; each is done whatever fails before."""

    @abstractmethod
    def how_far(self) -> str:
        """Say how far a run came that is broken off."""

    def _run(self, md: dict[str, Any]) -> Plan:
        uid = yield from bps.open_run({**self._common_start(), **self.start(), **md})
        self._folder = self._folder / str(uid)[:8]
        measured = bpp.contingency_wrapper(
            in_plain_words(self._measure()), except_plan=self._restore_after, else_plan=self._restore
        )
        yield from bpp.contingency_wrapper(measured, except_plan=self._close_after, else_plan=self._close)

    def _common_start(self) -> dict[str, Any]:
        return {
            "params": self._camera_params.model_dump(mode="json"),
            "beamline": self._devices.file.model_dump(mode="json"),
            "note": self._camera_params.note,
        }

    def _measure(self) -> Plan:
        yield from self._interruption.watch()
        with self._beam.watched():
            yield from self.measure()

    def _darks(self) -> Plan:
        yield from move(self._devices.shutter, "closed", self._interruption)
        yield from take_frames(self._devices.camera, self._setup("darks", self._camera_params.darks))

    def _flats(self, stream: str, frames: int) -> Plan:
        devices = self._devices
        out = sample_out_um(devices.file, self._camera_params)
        yield from move(devices.sample.x, out, self._interruption)
        losses = yield from self._beam.wait()
        before = self._interruption.pauses, losses
        with self._interruption.making_safe(lambda: shut(devices.shutter)):
            yield from move(devices.shutter, "open", self._interruption)
            yield from take_frames(
                devices.camera,
                self._setup(stream, frames),
                spoilt=lambda: (self._interruption.pauses, self._beam.losses) != before,
            )
        yield from move(devices.shutter, "closed", self._interruption)
        steady = yield from meanwhile(
            devices.sample.x, self._state.sample_x_um, self._interruption, self._beam.confirm(losses)
        )
        if not steady:
            raise spoilt_frames(devices.camera.name, stream)

    def _restore(self) -> Plan:
        """Leave the hardware safe and as it was found."""
        errors = yield from every_one(*self.parts_to_put_back())
        self._not_put_back = errors[1:]
        if errors:
            raise errors[0]

    def _restore_after(self, error: Exception) -> Plan:
        """Do the same after an abort or a failure, whose own error stays the one that is raised."""
        errors = yield from every_one(*self.parts_to_put_back())
        self._not_put_back = [another for another in errors if str(another) != str(error)]
        for another in self._not_put_back:
            logger.warning("while putting things back after %r: %s", error, another)

    def _close(self) -> Plan:
        yield from bps.close_run(reason=self._reason or None)

    def _close_after(self, error: Exception) -> Plan:
        if isinstance(error, RunEngineControlException):
            reason, status = f"broken off: {self.how_far()}", error.exit_status
        else:
            reason, status = str(error), "fail"
        left = "".join(f"; NOT PUT BACK: {another}" for another in self._not_put_back)
        try:
            yield from bps.close_run(exit_status=status, reason=reason + left)
        except FailedStatus as late:  # of an operation that nobody waits for any more
            logger.warning("after %r: %s", error, late)

    def _setup(self, stream: str, frames: int) -> CameraSetup:
        params = self._camera_params
        return CameraSetup(
            stream=stream,
            folder=self._folder,
            filename=stream,
            frames=frames,
            exposure_s=params.exposure_s,
            trigger="internal",
            binning=self._frame.binning,
            roi=self._frame.roi,
            readout_port=params.readout_port,
            frame_timeout_s=FRAME_TIMEOUT_S + FRAME_TIMEOUT_PERIODS * self._frame.period_s,
        )
