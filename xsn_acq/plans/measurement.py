"""A run with a camera: its darks, its flats, where its frames go."""

from pathlib import Path

from xsn_acq.devices.camera_setup import CameraSetup
from xsn_acq.params import CameraParams
from xsn_acq.plans.framing import Framing, sample_out_um
from xsn_acq.plans.instrument import Instrument
from xsn_acq.plans.run import Run
from xsn_acq.plans.state import State
from xsn_acq.plans.steps import Plan, meanwhile, move, shut
from xsn_acq.plans.stills import spoilt_frames, take_frames

FRAME_TIMEOUT_S = 10.0
FRAME_TIMEOUT_PERIODS = 3
"""Without a new frame for so long, darks, flats and stills fail."""


class Measurement(Run):
    """One run of a plan that takes frames.

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
        super().__init__(devices, params)
        self._frame, self._state = frame, state
        self._camera_params = params
        self._folder = folder

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
            readout_port=params.readout_port,
            frame_timeout_s=FRAME_TIMEOUT_S + FRAME_TIMEOUT_PERIODS * self._frame.period_s,
        )
