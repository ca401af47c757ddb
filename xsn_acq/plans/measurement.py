"""A run with a camera: its darks, its flats, where its frames go."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic

from bluesky import plan_stubs as bps

from xsn_acq.devices.camera_setup import CameraSetup
from xsn_acq.params import FrameParams
from xsn_acq.plans.framing import Framing, sample_out_um
from xsn_acq.plans.instrument import AnyInstrument
from xsn_acq.plans.run import Run
from xsn_acq.plans.state import AnyState
from xsn_acq.plans.steps import Plan, meanwhile, move, shut, step
from xsn_acq.plans.stills import expose, open_stream, spoilt_frames, take_frames

FRAME_TIMEOUT_S = 10.0
FRAME_TIMEOUT_PERIODS = 3
"""Without a new frame for so long, darks, flats and stills fail."""


class Measurement(Run[AnyInstrument], Generic[AnyInstrument, AnyState]):
    """One run of a plan that takes frames.

    Parameters
    ----------
    devices : FullFieldInstrument
        The instrument.
    params : FrameParams
        What to take.
    frame : Framing
        Shape and timing of the frames.
    state : FullFieldState
        Where everything stood before.
    folder : Path
        Frames go to ``folder/<first 8 of the run's uid>/<stream>.h5``.
    """

    def __init__(
        self, devices: AnyInstrument, params: FrameParams, frame: Framing, state: AnyState, folder: Path
    ) -> None:
        super().__init__(devices, params)
        self._frame, self._state = frame, state
        self._camera_params = params
        self._folder = folder

    def _darks(self) -> Plan:
        yield from move(self._devices.shutter, "closed", self._interruption)
        yield from take_frames(self._devices.camera, self._setup("darks", self._camera_params.darks))

    def _without_sample(self, stream: str, frames: int, then: Callable[[], Plan] = bps.null) -> Plan:
        """Take frames with the sample out; ``then`` is done while it moves back in."""
        devices, interruption = self._devices, self._interruption
        sample_x, out = devices.sample.x, sample_out_um(devices.file, self._camera_params)
        opened = open_stream(devices.camera, self._setup(stream, frames))
        yield from meanwhile(sample_x, out, interruption, opened)
        yield from self._steady_frames(
            stream, lambda: meanwhile(sample_x, self._state.sample_x_um, interruption, then())
        )

    def _steady_frames(self, stream: str, then: Callable[[], Plan]) -> Plan:
        """Take the frames of the open file, which have no ledger, with steady beam; ``then`` is done after.

        Raises
        ------
        DeviceError
            They were interrupted.
        """
        devices, interruption = self._devices, self._interruption
        losses = yield from self._beam.wait()
        before = interruption.pauses, losses
        with interruption.making_safe(lambda: shut(devices.shutter)):
            yield from move(devices.shutter, "open", interruption)
            yield from expose(
                devices.camera,
                stream,
                spoilt=lambda: (interruption.pauses, self._beam.losses) != before,
            )
            yield from step("camera close file", devices.camera.close_file)
        yield from move(devices.shutter, "closed", interruption)
        shut_s = time.monotonic()
        yield from then()
        steady = yield from self._beam.confirm(losses, since_s=shut_s)
        if not steady:
            raise spoilt_frames(devices.camera.name, stream)

    def _setup(self, stream: str, frames: int) -> CameraSetup:
        params = self._camera_params
        return CameraSetup(
            stream=stream,
            folder=self._folder / self._uid[:8],
            filename=stream,
            frames=frames,
            exposure_s=params.exposure_s,
            trigger="internal",
            binning=self._frame.binning,
            roi=self._frame.roi,
            readout_port=params.port,
            frame_timeout_s=FRAME_TIMEOUT_S + FRAME_TIMEOUT_PERIODS * self._frame.period_s,
        )
